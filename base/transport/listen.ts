// Opens a port, stepping around the ones in use unless the user asked for exactly this one.
import { SkepError } from "../error/skep-error.ts";
import type { Server as NetServer, Socket } from "node:net";

/** Where to listen. `port` 0 takes any free one; `exact` fails instead of stepping to the next port. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly exact: boolean;
}

/**
 * One port of a block that begins at `first`: `first + offset`, exactly. Where no block is asked for it is `own`, stepped
 * around when taken; where `first` is 0, any free one.
 */
export function portOfBlock(first: number | undefined, offset: number, own: number): Omit<ListenOptions, "host"> {
  if (first === undefined || first === 0) return { port: first ?? own, exact: false };
  return { port: first + offset, exact: true };
}

/** How many ports are tried after the first. */
const STEPS = 200;

/** A port that could not be listened on; the message says which and why. */
export class ListenError extends SkepError {
  readonly code = "SKEP_LISTEN";
  /** Whether the address is to blame, and not the port. */
  readonly isAddress: boolean;
  constructor(message: string, code: string | undefined) {
    super(message);
    this.isAddress = code !== "EADDRINUSE" && code !== "EACCES";
  }

  override get advice(): string {
    return this.isAddress
      ? "use an address of this machine with --bind"
      : "choose another port with --port, or leave --port out to have a free one found";
  }
}

/** Sockets connected to a server that `listen` opened, from the first packet on. */
const connected = new WeakMap<NetServer, Set<Socket>>();

/** Resolves with the port that was opened. */
export async function listen(server: NetServer, options: ListenOptions): Promise<number> {
  const sockets = new Set<Socket>();
  connected.set(server, sockets);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  for (let step = 0;; step++) {
    const port = options.port === 0 ? 0 : options.port + step;
    const error = await tryListen(server, options.host, port);
    if (error === undefined) return (server.address() as { port: number }).port;
    const taken = error.code === "EADDRINUSE" || error.code === "EACCES";
    if (!taken || options.exact || options.port === 0 || step === STEPS) {
      const why = error.code === "EADDRINUSE" ? "it is in use" : error.message;
      throw new ListenError(`can't listen on ${options.host}:${port}: ${why}`, error.code);
    }
  }
}

function tryListen(server: NetServer, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off("listening", opened);
      resolve(error);
    };
    const opened = () => {
      server.off("error", failed);
      resolve(undefined);
    };
    server.once("error", failed);
    server.once("listening", opened);
    server.listen(port, host);
  });
}

/**
 * Stops listening and ends every connection; resolves when the last is gone. `closeAllConnections` would forget the ones
 * whose TLS handshake is not over: they would be served afterwards, or hold the server up until the handshake's time is out.
 */
export function closeServer(server: NetServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of connected.get(server) ?? []) socket.destroy();
  });
}
