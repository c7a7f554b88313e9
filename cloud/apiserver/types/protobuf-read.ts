// Reads objects of built-in types from protobuf; protobufjs reads the wire.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
import { Reader } from "protobufjs/minimal.js";
import { MAGIC, type Message, messageOf, SCHEMA, type Slot, valueType } from "./protobuf-message.ts";
import type { Shape } from "./shape.ts";

/** Messages inside messages; Kubernetes' own go to about fifteen, schemas of definitions deeper. */
const MAX_DEPTH = 128;

/** A body that is no such message; the message is Go's. */
export class ProtobufError extends Error {}

/** What the envelope (`runtime.Unknown`) says, and the object's own bytes. */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
}

/** Opens the envelope. Throws ProtobufError. */
export function openEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length < 4 || !MAGIC.equals(bytes.subarray(0, 4))) {
    throw new ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  return guarded(() => {
    const reader = Reader.create(bytes.subarray(4));
    let apiVersion = "";
    let kind = "";
    let raw: Uint8Array = new Uint8Array();
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x0a) {
        const end = endOf(reader);
        while (reader.pos < end) {
          const inner = reader.uint32();
          if (inner === 0x0a) apiVersion = reader.string();
          else if (inner === 0x12) kind = reader.string();
          else reader.skipType(inner & 7);
        }
      } else if (tag === 0x12) raw = reader.bytes();
      else reader.skipType(tag & 7);
    }
    return { apiVersion, kind, raw };
  });
}

function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ProtobufError) throw error;
    // protobufjs throws RangeError beyond the end, and Error for wire types that are none.
    throw new ProtobufError(error instanceof RangeError ? "unexpected EOF" : `proto: ${(error as Error).message}`);
  }
}

/** The end of the message that begins here. A length beyond what is there is an error at once. */
function endOf(reader: Reader): number {
  const length = reader.uint32();
  if (length > reader.len - reader.pos) throw new ProtobufError("unexpected EOF");
  return reader.pos + length;
}

/** The JSON form of a message of a type. Throws ProtobufError. */
export function decodeProtobuf(type: string, raw: Uint8Array): Record<string, unknown> {
  return guarded(() => {
    const reader = Reader.create(raw);
    return readMessage(messageOf(type), reader, reader.len, 0);
  });
}

function readMessage(message: Message, reader: Reader, end: number, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new ProtobufError("proto: message is nested too deep");
  const value: Record<string, unknown> = {};
  readInto(value, message.byNumber, message, reader, end, depth);
  return value;
}

function readInto(
  value: Record<string, unknown>,
  slots: ReadonlyMap<number, Slot>,
  message: Message | undefined,
  reader: Reader,
  end: number,
  depth: number,
): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    const slot = slots.get(number);
    if (slot === undefined) {
      const inner = message?.embedded.get(number);
      if (inner === undefined) reader.skipType(tag & 7);
      else readInto(value, new Map(inner.map((one) => [one.n, one])), undefined, reader, endOf(reader), depth + 1);
      continue;
    }
    readSlot(value, slot, reader, tag & 7, depth);
    if (reader.pos > end) throw new ProtobufError("unexpected EOF");
  }
}

function readSlot(value: Record<string, unknown>, slot: Slot, reader: Reader, wire: number, depth: number): void {
  const { isRepeated, name, shape } = slot;
  if (shape.is === "map") {
    const map = (value[name] ??= {}) as Record<string, unknown>;
    const [key, entry] = readEntry(shape.value, valueType(slot.p), reader, depth);
    Object.defineProperty(map, key, { value: entry, enumerable: true, configurable: true, writable: true });
  } else if (shape.is === "list" && isRepeated) {
    const list = (value[name] ??= []) as unknown[];
    const isPacked = wire === 2 && ["int32", "int64", "bool", "double"].includes(shape.item.is);
    if (!isPacked) list.push(readValue(shape.item, slot.p, reader, depth));
    else for (const end = endOf(reader); reader.pos < end;) list.push(readValue(shape.item, slot.p, reader, depth));
  } else value[name] = readValue(shape, slot.p, reader, depth);
}

function readEntry(shape: Shape, p: string, reader: Reader, depth: number): [string, unknown] {
  const end = endOf(reader);
  let key = "";
  let value: unknown = shape.is === "string" || shape.is === "bytes" ? "" : null;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) key = reader.string();
    else if (tag >>> 3 === 2) value = readValue(shape, p, reader, depth);
    else reader.skipType(tag & 7);
  }
  return [key, value];
}

function readValue(shape: Shape, p: string, reader: Reader, depth: number): unknown {
  switch (shape.is) {
    case "string":
      return reader.string();
    case "bytes":
      return Buffer.from(reader.bytes()).toString("base64");
    case "bool":
      return reader.bool();
    case "int32":
      return reader.int32();
    case "int64":
      return integer(reader.int64());
    case "double":
      return reader.double();
    case "time":
    case "microTime":
      return readTime(reader, shape.is);
    case "quantity":
      return readFirst(reader, (inner) => inner.string()) ?? "";
    case "intOrString":
      return readIntOrString(reader);
    case "object":
    case "any":
      return readAny(p, reader, depth);
    case "list":
      // A list that is a message of its own, such as ExtraValue.
      return readItems(shape.item, reader, depth);
    case "struct": {
      const end = endOf(reader);
      return readMessage(messageOf(shape.name), reader, end, depth + 1);
    }
    default:
      throw new ProtobufError("proto: a map inside a list");
  }
}

function integer(value: unknown): number | bigint {
  const exact = BigInt(String(value));
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

function readItems(item: Shape, reader: Reader, depth: number): unknown[] {
  const end = endOf(reader);
  const list: unknown[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) list.push(readValue(item, "", reader, depth + 1));
    else reader.skipType(tag & 7);
  }
  return list;
}

/** The first field of a message. */
function readFirst<T>(reader: Reader, read: (reader: Reader) => T): T | undefined {
  const end = endOf(reader);
  let found: T | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) found = read(reader);
    else reader.skipType(tag & 7);
  }
  return found;
}

function readTime(reader: Reader, kind: "time" | "microTime"): string | null {
  const end = endOf(reader);
  if (reader.pos === end) return null;
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) seconds = Number(integer(reader.int64()));
    else if (tag >>> 3 === 2) nanos = reader.int32();
    else reader.skipType(tag & 7);
  }
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError("proto: time out of range");
  const whole = date.toISOString().replace(/\.\d+Z$/, "");
  return kind === "time" ? `${whole}Z` : `${whole}.${String(Math.trunc(nanos / 1000)).padStart(6, "0")}Z`;
}

function readIntOrString(reader: Reader): number | string {
  const end = endOf(reader);
  let kind = 0;
  let number = 0;
  let text = "";
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) kind = Number(integer(reader.int64()));
    else if (tag >>> 3 === 2) number = reader.int32();
    else if (tag >>> 3 === 3) text = reader.string();
    else reader.skipType(tag & 7);
  }
  return kind === 1 ? text : number;
}

/** Raw JSON inside a message, or one of the choices of a definition's schema. */
function readAny(p: string, reader: Reader, depth: number): unknown {
  const name = p.split(".").at(-1) ?? "";
  if (name.startsWith("JSONSchemaPropsOr")) return readChoice(name, reader, depth);
  const raw = readFirst(reader, (inner) => inner.bytes());
  if (raw === undefined || raw.length === 0) return null;
  try {
    return JSON.parse(Buffer.from(raw).toString("utf8"));
  } catch {
    throw new ProtobufError("proto: raw JSON that is none");
  }
}

function readChoice(name: string, reader: Reader, depth: number): unknown {
  const end = endOf(reader);
  const schemas: unknown[] = [];
  const texts: string[] = [];
  let allows = true;
  let schema: unknown;
  const read = () => {
    const inner = endOf(reader);
    return readMessage(messageOf(SCHEMA), reader, inner, depth + 1);
  };
  const isBool = name.endsWith("OrBool");
  while (reader.pos < end) {
    const number = reader.uint32() >>> 3;
    if (isBool && number === 1) allows = reader.bool();
    else if (number === (isBool ? 2 : 1)) schema = read();
    else if (name.endsWith("OrStringArray")) texts.push(reader.string());
    else schemas.push(read());
  }
  if (schema !== undefined) return schema;
  if (isBool) return allows;
  return name.endsWith("OrStringArray") ? texts : schemas;
}
