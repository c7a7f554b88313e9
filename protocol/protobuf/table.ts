// Protobuf messages as a table: fields by name, with number and type; protobufjs reads and writes them.
import protobuf from "protobufjs/light.js";

/** Fields of a message: `number type`; `[]` after the type for a list, `map` before it for a map by text. */
export type Fields = Readonly<Record<string, string>>;

/** Adds the messages to a namespace. Enumerations are `int32`. */
export function defineMessages(namespace: protobuf.Namespace, messages: Readonly<Record<string, Fields>>): void {
  for (const [name, fields] of Object.entries(messages)) {
    const type = new protobuf.Type(name);
    for (const [field, form] of Object.entries(fields)) {
      const [number = "", first = "", value = ""] = form.split(" ");
      if (first === "map") type.add(new protobuf.MapField(field, Number(number), "string", value));
      else if (first.endsWith("[]")) {
        type.add(new protobuf.Field(field, Number(number), first.slice(0, -2), "repeated"));
      } else type.add(new protobuf.Field(field, Number(number), first));
    }
    namespace.add(type);
  }
}

/** Bytes of a message. Fields that are absent, or that it does not have, are left out. */
export function encodeMessageOf(namespace: protobuf.Namespace, message: string, value: object): Uint8Array {
  const type = namespace.lookupType(message);
  return type.encode(type.fromObject(value)).finish();
}

/** Decodes a message, integers as numbers. Throws for invalid bytes. */
export function decodeMessageOf(
  namespace: protobuf.Namespace,
  message: string,
  bytes: Uint8Array,
): Record<string, unknown> {
  const type = namespace.lookupType(message);
  return type.toObject(type.decode(bytes), { longs: Number, arrays: true });
}
