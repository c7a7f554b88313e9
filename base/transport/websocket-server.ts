// Accepts WebSockets on an HTTPS server; the caller decides about each upgrade.
import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Server as SecureServer } from "node:https";
import { WebSocketServer } from "ws";
import type { MessageSocket } from "./message-socket.ts";
import { messageSocketOf } from "./websocket.ts";

/** Limits of one connection, checked by `ws` before it allocates. */
export interface WebSocketLimits {
  /** Bytes of one message, all its fragments together. */
  readonly maxMessage: number;
  /** Fragments of one message; a flood of tiny ones costs far more memory than their bytes. */
  readonly maxFragments: number;
}

/** Why an upgrade is refused: an HTTP status and a sentence for the person at the other end. */
export interface Refusal {
  readonly status: 403 | 400 | 503;
  readonly reason: string;
}

/** What an upgrade means. */
export interface UpgradeHandler {
  /** Returns why the upgrade is refused; undefined accepts it. */
  refuse?(request: IncomingMessage): Refusal | undefined;
  accept(socket: MessageSocket, request: IncomingMessage): void;
}

/** Milliseconds a refused peer has to read why. */
const LINGER_MS = 1000;

/** Every path is accepted. An `Origin` of another host is refused with 403, as KubeEdge does. */
export function acceptWebSockets(
  server: SecureServer | Server,
  limits: WebSocketLimits,
  handler: UpgradeHandler,
): void {
  const websockets = new WebSocketServer(
    {
      noServer: true,
      perMessageDeflate: false,
      clientTracking: false,
      maxPayload: limits.maxMessage,
      maxFragments: limits.maxFragments,
      skipUTF8Validation: true,
    } as ConstructorParameters<typeof WebSocketServer>[0],
  );
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const refusal = isForeignOrigin(request)
      ? { status: 403, reason: "Forbidden" } as const
      : handler.refuse?.(request);
    if (refusal !== undefined) {
      const body = `${refusal.reason}\n`;
      socket.end(
        `HTTP/1.1 ${refusal.status} ${
          STATUS_CODES[refusal.status]
        }\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
      // A peer that does not close its half would keep the socket open without end.
      socket.resume();
      const linger = setTimeout(() => socket.destroy(), LINGER_MS);
      socket.once("close", () => clearTimeout(linger));
      return;
    }
    websockets.handleUpgrade(
      request,
      socket,
      head,
      (websocket) => handler.accept(messageSocketOf(websocket, "server"), request),
    );
  });
}

function isForeignOrigin(request: IncomingMessage): boolean {
  const origin = request.headers.origin;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== request.headers.host;
}
