// Bounds the connections of a server that have not said who they are: thousands that say nothing must not keep others out.
import type { Server, Socket } from "node:net";

/** The bound. */
export interface HandshakeLimits {
  /** Connections at once that have not asked for anything yet. */
  readonly pending: number;
  /** Milliseconds that one may take. */
  readonly timeout: number;
}

interface Pending {
  readonly socket: Socket;
  /** Milliseconds, of the process's own clock. */
  readonly since: number;
  readonly late: NodeJS.Timeout;
}

/** Milliseconds for which a connection is not given up for a newer one: one that is on its way is done by then. */
const YOUNG_MS = 2000;

/**
 * Ends a connection of which there is no request in time. Where too many wait, the oldest gives way to the newest; in its first two
 * seconds none does, and the newest is refused. `requested` says that a connection has made a request.
 */
export function boundHandshakes(
  server: Server,
  { pending: bound, timeout }: HandshakeLimits,
): { readonly pending: () => number; readonly requested: (socket: Socket) => void } {
  // In the order in which they came. A TLS socket is another object than the connection that it came by, with the same peer.
  const pending = new Map<string, Pending>();
  const forget = (key: string, socket?: Socket) => {
    const found = pending.get(key);
    if (found === undefined || socket !== undefined && found.socket !== socket) return;
    clearTimeout(found.late);
    pending.delete(key);
  };
  server.on("connection", (socket: Socket) => {
    const since = performance.now();
    const [oldest] = pending;
    if (pending.size >= bound && oldest !== undefined) {
      if (since - oldest[1].since < YOUNG_MS) return void socket.destroy();
      oldest[1].socket.destroy();
      forget(oldest[0]);
    }
    const key = peerOf(socket);
    const late = setTimeout(() => socket.destroy(), timeout);
    late.unref();
    pending.set(key, { socket, since, late });
    socket.once("close", () => forget(key, socket));
  });
  return { pending: () => pending.size, requested: (socket) => forget(peerOf(socket)) };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
