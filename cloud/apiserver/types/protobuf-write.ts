// Writes objects of built-in types as protobuf; protobufjs writes the wire.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
import { Writer } from "protobufjs/minimal.js";
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { MAGIC, type Message, messageOf, SCHEMA, type Slot, valueType } from "./protobuf-message.ts";
import type { Shape } from "./shape.ts";

/** An object of a type in its envelope. */
export function encodeEnvelope(type: string, apiVersion: string, kind: string, object: unknown): Uint8Array {
  const writer = Writer.create();
  writer.uint32(0x0a).fork().uint32(0x0a).string(apiVersion).uint32(0x12).string(kind).ldelim();
  writer.uint32(0x12).fork();
  writeMessage(messageOf(type), object as Record<string, unknown>, writer);
  writer.ldelim().uint32(0x1a).string("").uint32(0x22).string("");
  return Buffer.concat([MAGIC, writer.finish()]);
}

/** One event of a watch, with its length before it. */
export function encodeWatchEvent(type: string, envelope: Uint8Array): Uint8Array {
  const body = Writer.create().uint32(0x0a).string(type).uint32(0x12).fork().uint32(0x0a).bytes(envelope).ldelim()
    .finish();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

function writeMessage(message: Message, value: Readonly<Record<string, unknown>>, writer: Writer): void {
  for (const slot of message.own) writeSlot(slot, value[slot.name], writer);
  for (const [number, slots] of message.embedded) {
    if (!slots.some(({ name }) => value[name] !== undefined && value[name] !== null)) continue;
    writer.uint32(number << 3 | 2).fork();
    for (const slot of slots) writeSlot(slot, value[slot.name], writer);
    writer.ldelim();
  }
}

function writeSlot({ isRepeated, n, p, shape }: Slot, value: unknown, writer: Writer): void {
  if (value === undefined || value === null) return;
  if (shape.is === "map") {
    const inner = valueType(p);
    for (const [key, entry] of Object.entries(value)) {
      writer.uint32(n << 3 | 2).fork().uint32(0x0a).string(key);
      writeValue(shape.value, inner, 2, entry, writer);
      writer.ldelim();
    }
  } else if (shape.is === "list" && isRepeated) {
    for (const item of value as unknown[]) writeValue(shape.item, p, n, item, writer);
  } else writeValue(shape, p, n, value, writer);
}

function writeValue(shape: Shape, p: string, n: number, value: unknown, writer: Writer): void {
  const tag = (wire: number) => writer.uint32(n << 3 | wire);
  switch (shape.is) {
    case "string":
      tag(2).string(value as string);
      return;
    case "bytes":
      tag(2).bytes(Buffer.from(value as string, "base64"));
      return;
    case "bool":
      tag(0).bool(value as boolean);
      return;
    case "int32":
      tag(0).int32(value as number);
      return;
    case "int64":
      writeInt64(tag(0), value as number | bigint);
      return;
    case "double":
      tag(1).double(value as number);
      return;
    case "time":
    case "microTime": {
      tag(2).fork();
      const at = Date.parse(value as string);
      if (!Number.isNaN(at)) {
        writeInt64(writer.uint32(0x08), Math.floor(at / 1000));
        const micros = shape.is === "time" ? 0 : Number(/\.(\d{6})/.exec(value as string)?.[1] ?? 0);
        writer.uint32(0x10).int32(micros * 1000);
      }
      writer.ldelim();
      return;
    }
    case "quantity":
      tag(2).fork().uint32(0x0a).string(String(value)).ldelim();
      return;
    case "intOrString": {
      const isText = typeof value === "string";
      tag(2).fork().uint32(0x08).int32(isText ? 1 : 0).uint32(0x10).int32(isText ? 0 : Number(value))
        .uint32(0x1a).string(isText ? value : "").ldelim();
      return;
    }
    case "struct":
      tag(2).fork();
      writeMessage(messageOf(shape.name), value as Record<string, unknown>, writer);
      writer.ldelim();
      return;
    case "list":
      tag(2).fork();
      for (const item of value as unknown[]) writeValue(shape.item, "", 1, item, writer);
      writer.ldelim();
      return;
    case "object":
    case "any":
      writeAny(p, n, value, writer);
      return;
    case "map":
      return;
  }
}

function writeInt64(writer: Writer, value: number | bigint): void {
  // protobufjs takes texts of whole numbers of any length.
  writer.int64(typeof value === "bigint" ? String(value) : value);
}

function writeAny(p: string, n: number, value: unknown, writer: Writer): void {
  const name = p.split(".").at(-1) ?? "";
  writer.uint32(n << 3 | 2).fork();
  if (name.startsWith("JSONSchemaPropsOr")) {
    const isBool = name.endsWith("OrBool");
    const write = (number: number, schema: unknown) => {
      writer.uint32(number << 3 | 2).fork();
      writeMessage(messageOf(SCHEMA), schema as Record<string, unknown>, writer);
      writer.ldelim();
    };
    if (typeof value === "boolean") writer.uint32(0x08).bool(value);
    else if (isPlainObject(value)) {
      if (isBool) writer.uint32(0x08).bool(true);
      write(isBool ? 2 : 1, value);
    } else if (Array.isArray(value)) {
      for (const item of value) {
        if (typeof item === "string") writer.uint32(0x12).string(item);
        else write(2, item);
      }
    }
  } else writer.uint32(0x0a).bytes(Buffer.from(JSON.stringify(value)));
  writer.ldelim();
}
