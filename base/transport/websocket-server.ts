// Accepts WebSockets on an HTTPS server; what an upgrade means is its caller's business.
import type { IncomingMessage, Server } from "node:http";
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

/** Every path is accepted. An `Origin` of another host is refused with 403, as KubeEdge does. */
export function acceptWebSockets(
  server: SecureServer | Server,
  limits: WebSocketLimits,
  accept: (socket: MessageSocket, request: IncomingMessage) => void,
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
    if (isForeignOrigin(request)) {
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 10\r\n\r\nForbidden\n");
      return;
    }
    websockets.handleUpgrade(
      request,
      socket,
      head,
      (websocket) => accept(messageSocketOf(websocket, "server"), request),
    );
  });
}

function isForeignOrigin(request: IncomingMessage): boolean {
  const origin = request.headers.origin;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== request.headers.host;
}
