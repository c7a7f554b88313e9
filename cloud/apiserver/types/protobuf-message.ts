// Which field of a message of a built-in type has which number in protobuf, from the table of types.
import { type Shape, shapeOf } from "./shape.ts";
import { typeRow } from "./table.ts";

/** The four bytes before each object: `k8s` and a zero. */
export const MAGIC = Buffer.from("k8s\0", "latin1");
/** The type of a definition's schemas, which hold each other in ways of their own. */
export const SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/** One field. */
export interface Slot {
  readonly name: string;
  readonly shape: Shape;
  readonly n: number;
  /** The protobuf type, without `repeated`. */
  readonly p: string;
  readonly isRepeated: boolean;
}

/** The fields of a type. */
export interface Message {
  readonly own: readonly Slot[];
  /** Fields of embedded messages, by the number of these. */
  readonly embedded: ReadonlyMap<number, readonly Slot[]>;
  readonly byNumber: ReadonlyMap<number, Slot>;
}

const messages = new Map<string, Message>();

/** The fields of a type, by its name in the table. */
export function messageOf(type: string): Message {
  let message = messages.get(type);
  if (message !== undefined) return message;
  const own: Slot[] = [];
  const embedded = new Map<number, Slot[]>();
  for (const [name, field] of Object.entries(typeRow(type)?.fields ?? {})) {
    const { n, p = "", via } = field;
    if (n === undefined) continue;
    const isRepeated = p.startsWith("repeated ");
    const slot = { name, shape: shapeOf(field.type), n, p: isRepeated ? p.slice(9) : p, isRepeated };
    if (via === undefined) own.push(slot);
    else embedded.set(via, [...embedded.get(via) ?? [], slot]);
  }
  message = { own, embedded, byNumber: new Map(own.map((slot) => [slot.n, slot])) };
  messages.set(type, message);
  return message;
}

/** `map<string, X>`: X. */
export const valueType = (p: string) => /^map<\w+, *(.+)>$/.exec(p)?.[1] ?? p;
