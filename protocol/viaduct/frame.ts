// Viaduct's frames, which QUIC carries: a packer header of ten bytes and a message in protobuf (KubeEdge v1.23 `pkg/viaduct/pkg/packer`).
import { SkepError } from "../../base/error/skep-error.ts";
import { parseJson } from "../json.ts";
import protobuf from "protobufjs/light.js";
import { limits } from "../limits.ts";
import { encodeContent } from "../message/codec.ts";
import type { Message } from "../message/message.ts";

const { Field, Root, Type } = protobuf;

/** Version 1.1.1, package type "message", no flags. */
const HEADER = Uint8Array.of(1, 1, 1, 0, 1, 0);
const HEADER_BYTES = 10;
const LENGTH_AT = 6;

/** An invalid frame: the connection can't be used any more. */
export class FrameError extends SkepError {
  readonly code = "SKEP_FRAME";
}

// The names are those of KubeEdge's schema, its misspelling included.
const root = new Root();
const namespace = root.define("message");
namespace.add(
  new Type("MessageHeader").add(new Field("ID", 1, "string")).add(new Field("ParentID", 2, "string"))
    .add(new Field("Timestamp", 3, "sint64")).add(new Field("Sync", 4, "bool"))
    .add(new Field("MessageType", 5, "string")),
);
namespace.add(
  new Type("MessageRouter").add(new Field("Source", 1, "string")).add(new Field("Group", 2, "string"))
    .add(new Field("Operation", 3, "string")).add(new Field("Resouce", 4, "string")),
);
const wire = new Type("Message").add(new Field("header", 1, "MessageHeader")).add(
  new Field("router", 2, "MessageRouter"),
)
  .add(new Field("Content", 3, "bytes"));
namespace.add(wire);

interface WireMessage {
  readonly header?: {
    readonly ID?: string;
    readonly ParentID?: string;
    readonly Timestamp?: { toNumber(): number } | number;
    readonly Sync?: boolean;
  } | null;
  readonly router?: {
    readonly Source?: string;
    readonly Group?: string;
    readonly Operation?: string;
    readonly Resouce?: string;
  } | null;
  readonly Content?: Uint8Array;
}

/**
 * A message as Go's encoder writes it. Version, type and destination are not carried; a text goes as its bytes, `null` not at
 * all, anything else as JSON. Throws FrameError where it is longer than KubeEdge takes.
 */
export function encodeFrame(message: Message): Uint8Array {
  const { header: h, route: r, content } = message;
  const payload = wire.encode({
    header: withoutZeros({ ID: h.msg_id, ParentID: h.parent_msg_id, Timestamp: h.timestamp, Sync: h.sync }),
    router: withoutZeros({ Source: r.source, Group: r.group, Operation: r.operation, Resouce: r.resource }),
    ...(content === null || content === undefined ? {} : { Content: bytesOf(content) }),
  }).finish();
  if (payload.length > limits.quicPayload) throw new FrameError(tooLong(payload.length));
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  frame.set(HEADER);
  new DataView(frame.buffer).setUint32(LENGTH_AT, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/**
 * A payload as a message. The content is bytes on this transport: what looks like an object or a list is read as JSON, and
 * anything else is a text. A missing header or router is an empty one. Throws FrameError.
 */
export function decodePayload(payload: Uint8Array): Message {
  let decoded: WireMessage;
  try {
    decoded = wire.decode(payload) as unknown as WireMessage;
  } catch (error) {
    throw new FrameError(`not a message in protobuf: ${(error as Error).message}`);
  }
  const h = decoded.header ?? {};
  const r = decoded.router ?? {};
  const time = h.Timestamp ?? 0;
  return {
    header: {
      msg_id: h.ID ?? "",
      ...(h.ParentID ? { parent_msg_id: h.ParentID } : {}),
      timestamp: typeof time === "number" ? time : time.toNumber(),
      ...(h.Sync ? { sync: true } : {}),
    },
    route: {
      ...(r.Source ? { source: r.Source } : {}),
      ...(r.Group ? { group: r.Group } : {}),
      ...(r.Operation ? { operation: r.Operation } : {}),
      ...(r.Resouce ? { resource: r.Resouce } : {}),
    },
    content: decoded.Content === undefined || decoded.Content.length === 0 ? null : contentOf(decoded.Content),
  };
}

/** Cuts a stream of bytes into payloads, however they are cut on the way. What a header announces is checked before it is kept. */
export class FrameReader {
  #parts: Uint8Array[] = [];
  #size = 0;
  /** Bytes needed before the next parse: a header, or the whole frame once its header has arrived. */
  #needed = HEADER_BYTES;

  /** Bytes of what is not whole yet. */
  get held(): number {
    return this.#size;
  }

  /** The payloads that are whole now. Throws FrameError. */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    if (this.#size < this.#needed) return;
    const all = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts);
    const view = new DataView(all.buffer, all.byteOffset);
    let from = 0;
    for (;;) {
      const left = all.length - from;
      const length = left < HEADER_BYTES ? 0 : view.getUint32(from + LENGTH_AT);
      if (length > limits.quicPayload) throw new FrameError(tooLong(length));
      this.#needed = HEADER_BYTES + length;
      if (left < this.#needed) break;
      yield all.subarray(from + HEADER_BYTES, from + this.#needed);
      from += this.#needed;
    }
    // A copy: the rest of one message must not keep the one before it in memory.
    this.#parts = from === all.length ? [] : [Uint8Array.from(all.subarray(from))];
    this.#size = all.length - from;
  }
}

function tooLong(length: number): string {
  return `payload length ${length} exceeds maximum ${limits.quicPayload}`;
}

function withoutZeros(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== "" && value !== 0 && value !== false),
  );
}

function bytesOf(content: unknown): Uint8Array {
  if (content instanceof Uint8Array) return content;
  return Buffer.from(typeof content === "string" ? content : encodeContent(content), "utf8");
}

function contentOf(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString("utf8");
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}
