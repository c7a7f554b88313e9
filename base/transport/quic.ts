// QUIC (RFC 9000) through `@matrixai/quic`, an optional dependency: connections with streams, certificates on both ends.
import { SkepError } from "../error/skep-error.ts";
import { webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { reasonOf } from "../log/logger.ts";
import { ListenError, type ListenOptions } from "./listen.ts";
import { closedHere } from "./message-socket.ts";

/** One stream, both ways. */
export interface QuicStream {
  /** Bytes as they come; ends with the stream, rejects where it broke. */
  read(): AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  /** Stops reading and writing. */
  cancel(): void;
}

/** One connection. */
export interface QuicConnection {
  /** The peer's certificate, DER. */
  readonly peer: Uint8Array;
  open(): QuicStream;
  /** The next stream of the peer alone; further ones wait. */
  nextStream(): Promise<QuicStream>;
  /** Every stream of the peer from here on, those that wait first. */
  onStream(listener: (stream: QuicStream) => void): void;
  close(reason: string): void;
  /** Called once with what ended it; at once where it has ended. */
  onClose(listener: (reason: string) => void): void;
}

/** The runtime or the machine has no QUIC; the message says what to do. */
export class QuicMissingError extends SkepError {
  readonly code = "SKEP_QUIC_MISSING";
  constructor(why: string) {
    super(
      `QUIC is not available here: ${why}; it needs Node on Linux x64 and the package @matrixai/quic (leave it switched off, and use WebSocket)`,
    );
  }
}

/** Credentials of an endpoint. PEM texts; `streams`: how many the peer may have open. */
export interface QuicCredentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const PROTOCOL = "kubeedge";
/** Milliseconds: KubeEdge's idle timeout, our keepalive interval, and the handshake timeout. */
const IDLE_MS = 30_000;
const KEEPALIVE_MS = 10_000;
const HANDSHAKE_MS = 10_000;
/** How many ports are tried after the first. */
const STEPS = 200;

/** Why there is no QUIC; undefined where there is, as far as is known without loading it. */
export function quicProblem(): string | undefined {
  if ("Deno" in globalThis) return "this is Deno";
  if (process.platform !== "linux" || process.arch !== "x64") return `this is ${process.platform} ${process.arch}`;
  try {
    import.meta.resolve("@matrixai/quic");
    return undefined;
  } catch {
    return "@matrixai/quic is not installed";
  }
}

async function load() {
  // On Deno the package loads, but then streams of clients don't arrive.
  const problem = quicProblem();
  if (problem !== undefined) throw new QuicMissingError(problem);
  try {
    const [quic, logging] = await Promise.all([import("@matrixai/quic"), import("@matrixai/logger")]);
    return { ...quic, logger: new logging.default("quic", logging.LogLevel.SILENT) };
  } catch (error) {
    throw new QuicMissingError(reasonOf(error).split("\n")[0] ?? "");
  }
}

/** Starts a server that demands a client certificate of the CA. Rejects with QuicMissingError or ListenError. */
export async function serveQuic(
  where: ListenOptions,
  credentials: QuicCredentials & { readonly streams: number },
  accept: (connection: QuicConnection) => void,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const { events, logger, QUICServer } = await load();
  const { ca, cert, key, streams } = credentials;
  const secret = webcrypto.getRandomValues(new Uint8Array(32)).buffer;
  const open = () =>
    new QUICServer({
      crypto: { key: secret, ops: { sign, verify } },
      logger,
      config: {
        key,
        cert,
        ca,
        verifyPeer: true,
        applicationProtos: [PROTOCOL],
        maxIdleTimeout: IDLE_MS,
        initialMaxStreamsBidi: streams,
      },
    });
  for (let port = where.port;; port++) {
    const server = open();
    server.addEventListener(events.EventQUICServerConnection.name, (event) => {
      accept(connectionOf((event as unknown as { detail: Native }).detail, events));
    });
    // Only the broken connection ends; its owner is notified by the connection itself.
    server.addEventListener(events.EventQUICServerError.name, () => {});
    try {
      await server.start({ host: where.host, port });
    } catch (error) {
      const isTaken = /EADDRINUSE|EACCES/.test(reasonOf(error));
      if (isTaken && !where.exact && port !== 0 && port < where.port + STEPS) continue;
      throw new ListenError(
        `can't listen on ${where.host}:${port} (UDP): ${reasonOf(error)}`,
        isTaken ? "EADDRINUSE" : "EADDRNOTAVAIL",
      );
    }
    return {
      port: server.port,
      stop: () =>
        server.stop({ isApp: true, errorCode: 0, reason: Buffer.from("stopping"), force: true }).catch(() => {}),
    };
  }
}

/** Where a client dials. */
export interface QuicDial {
  readonly host: string;
  readonly port: number;
  readonly signal?: AbortSignal;
}

/** Connects; the server's certificate must be of the CA and for that host. Rejects where that can't be. */
export async function dialQuic(where: QuicDial, { ca, cert, key }: QuicCredentials): Promise<QuicConnection> {
  const { events, logger, native, QUICClient } = await load();
  const authority = new X509Certificate(ca);
  const client = await QUICClient.createQUICClient({
    host: where.host,
    port: where.port,
    serverName: isIP(where.host) === 0 ? where.host : "localhost",
    logger,
    crypto: {
      ops: {
        randomBytes: (into: ArrayBuffer) => Promise.resolve(void webcrypto.getRandomValues(new Uint8Array(into))),
      },
    },
    config: {
      key,
      cert,
      ca,
      verifyPeer: true,
      // The library's own check knows names only, and most hubs are reached by an address.
      verifyCallback: (chain: Uint8Array[]) =>
        Promise.resolve(
          isServer(chain[0], authority, where.host) ? undefined : native.CryptoError.BadCertificate,
        ),
      applicationProtos: [PROTOCOL],
      maxIdleTimeout: IDLE_MS,
      keepAliveIntervalTime: KEEPALIVE_MS,
    },
  }, { timer: HANDSHAKE_MS, ...(where.signal === undefined ? {} : { signal: where.signal }) });
  client.addEventListener(events.EventQUICClientError.name, () => {});
  const connection = connectionOf(client.connection as unknown as Native, events);
  const { close } = connection;
  return {
    ...connection,
    close(reason) {
      close(reason);
      void client.destroy({ isApp: true, errorCode: 0, reason: Buffer.from(reason), force: true }).catch(() => {});
    },
  };
}

function isServer(der: Uint8Array | undefined, authority: X509Certificate, host: string): boolean {
  if (der === undefined) return false;
  const certificate = new X509Certificate(der);
  const isFor = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  return isFor !== undefined && certificate.verify(authority.publicKey) && Date.parse(certificate.validTo) > Date.now();
}

async function hmacKey(key: ArrayBuffer, use: "sign" | "verify") {
  return await webcrypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [use]);
}
async function sign(key: ArrayBuffer, data: ArrayBuffer) {
  return await webcrypto.subtle.sign("HMAC", await hmacKey(key, "sign"), data);
}
async function verify(key: ArrayBuffer, data: ArrayBuffer, signature: ArrayBuffer) {
  return await webcrypto.subtle.verify("HMAC", await hmacKey(key, "verify"), signature, data);
}

/** The part of the library's connection that is used. */
interface Native extends EventTarget {
  getRemoteCertsChain(): Uint8Array[];
  newStream(type: "bidi"): NativeStream;
  stop(options: { isApp: boolean; errorCode: number; reason: Uint8Array; force: boolean }): Promise<void>;
}

interface NativeStream extends EventTarget {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  destroy(options: { force: boolean }): Promise<void>;
}

type Events = Record<
  "EventQUICConnectionStream" | "EventQUICConnectionClose" | "EventQUICConnectionStop" | "EventQUICStreamError",
  { readonly name: string }
>;

function connectionOf(native: Native, events: Events): QuicConnection {
  let onStream: ((stream: QuicStream) => void) | undefined;
  let onClose: ((reason: string) => void) | undefined;
  let closed: string | undefined;
  const early: QuicStream[] = [];
  const ended = (reason: string) => {
    if (closed !== undefined) return;
    closed = reason;
    onClose?.(reason);
  };
  native.addEventListener(events.EventQUICConnectionStream.name, (event) => {
    const stream = streamOf((event as unknown as { detail: NativeStream }).detail, events);
    if (onStream === undefined) early.push(stream);
    else onStream(stream);
  });
  native.addEventListener(events.EventQUICConnectionClose.name, (event) => {
    ended(whyClosed((event as unknown as { detail: unknown }).detail));
  });
  native.addEventListener(events.EventQUICConnectionStop.name, () => ended("the connection ended"));
  return {
    peer: native.getRemoteCertsChain()[0] ?? new Uint8Array(0),
    nextStream() {
      const waiting = early.shift();
      if (waiting !== undefined) return Promise.resolve(waiting);
      return new Promise((resolve) =>
        onStream = (stream) => {
          onStream = undefined;
          resolve(stream);
        }
      );
    },
    open: () => streamOf(native.newStream("bidi"), events),
    onStream(listener) {
      onStream = listener;
      for (const stream of early.splice(0)) listener(stream);
    },
    close(reason) {
      ended(closedHere);
      void native.stop({ isApp: true, errorCode: 0, reason: Buffer.from(reason), force: true }).catch(() => {});
    },
    onClose(listener) {
      onClose = listener;
      if (closed !== undefined) listener(closed);
    },
  };
}

/** A peer that closes the connection normally sends its reason as bytes. */
function whyClosed(detail: unknown): string {
  const reason = (detail as { readonly data?: { readonly reason?: Uint8Array } } | undefined)?.data?.reason;
  const text = reason === undefined ? "" : Buffer.from(reason).toString("utf8");
  return text === "" ? "the connection ended" : `closed by the peer (${text})`;
}

function streamOf(native: NativeStream, events: Events): QuicStream {
  // A broken stream rejects its reads and writes; they are handled there.
  native.addEventListener(events.EventQUICStreamError.name, () => {});
  const writer = native.writable.getWriter();
  writer.closed.catch(() => {});
  return {
    async *read() {
      const reader = native.readable.getReader();
      reader.closed.catch(() => {});
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          yield value;
        }
      } finally {
        void reader.cancel().catch(() => {});
      }
    },
    write: (bytes) => writer.write(bytes),
    cancel: () => void native.destroy({ force: true }).catch(() => {}),
  };
}
