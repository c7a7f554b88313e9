// Dials a WebSocket over TLS with a client certificate.
import { SkepError } from "../error/skep-error.ts";
import { connect, isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls, type ConnectionOptions, type SecureContext } from "node:tls";
import { WebSocket } from "ws";
import type { MessageSocket } from "./message-socket.ts";
import { messageSocketOf } from "./websocket.ts";

/** A handshake that did not lead to a connection: refused by HTTP status, by TLS, or not reached. */
export class DialError extends SkepError {
  readonly code = "SKEP_DIAL";
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/** Dial options. `secureContext` is built once per edge and reused for reconnects, because creating one is expensive. */
export interface DialOptions {
  readonly url: string;
  readonly secureContext: SecureContext;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for TCP, TLS and upgrade together. */
  readonly handshakeTimeout: number;
  /** Largest message accepted, in bytes. */
  readonly maxMessage: number;
  /** Frames that one message may come in: a flood of tiny ones takes far more memory than it has bytes. */
  readonly maxFragments: number;
  /** Bytes that are read of the answer to a refused handshake. */
  readonly maxRefusal: number;
  readonly signal?: AbortSignal;
  /** An address of this machine to connect from. Default: the system chooses. */
  readonly localAddress?: string;
}

/** Resolves with an open socket, or rejects with a DialError that says why not. */
export function dialWebSocket(options: DialOptions): Promise<MessageSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<MessageSocket>();
  if (options.signal?.aborted) return Promise.reject(new DialError("stopped"));
  let raw: Socket | undefined;
  const socket = new WebSocket(
    options.url,
    {
      // TLS over a socket of our own: only that can be reset. Deno's can't; and with a name that has several addresses the socket may
      // take another one on its way, of which the TLS over it would not know.
      ...("Deno" in globalThis || isIP(new URL(options.url).hostname.replace(/^\[|\]$/g, "")) === 0 ? {} : {
        createConnection(to: ConnectionOptions & TcpNetConnectOpts) {
          raw = connect({ ...to, path: undefined } as TcpNetConnectOpts);
          const servername = to.servername || (isIP(to.host ?? "") === 0 ? to.host ?? "" : "");
          return connectTls({ ...to, path: undefined, servername, socket: raw } as ConnectionOptions);
        },
      }),
      secureContext: options.secureContext,
      headers: options.headers,
      handshakeTimeout: options.handshakeTimeout,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
      maxPayload: options.maxMessage,
      maxFragments: options.maxFragments,
      perMessageDeflate: false,
      skipUTF8Validation: true,
    } as ConstructorParameters<typeof WebSocket>[2],
  );
  const aborted = () => fail(new DialError("stopped"));
  const settle = () => {
    options.signal?.removeEventListener("abort", aborted);
    socket.off("error", failed);
  };
  const fail = (error: DialError) => {
    settle();
    socket.on("error", () => {});
    socket.terminate();
    reject(error);
  };
  const failed = (error: Error) => fail(new DialError(error.message));
  options.signal?.addEventListener("abort", aborted, { once: true });
  socket.on("error", failed);
  socket.once("unexpected-response", (_request, response) => {
    let body = "";
    const refuse = () =>
      fail(new DialError(`refused with HTTP ${response.statusCode}: ${body.trim()}`, response.statusCode));
    response.on("data", (chunk: Uint8Array) => {
      body += chunk.toString();
      if (body.length > options.maxRefusal) {
        body = body.slice(0, options.maxRefusal);
        response.destroy();
      }
    });
    response.once("close", refuse);
  });
  socket.once("open", () => {
    settle();
    const reset = raw === undefined ? undefined : () => void raw?.resetAndDestroy();
    resolve(messageSocketOf(socket, "client", reset));
  });
  return promise;
}
