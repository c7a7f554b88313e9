// Reads a value as Go's decoder reads it into a struct, and gives it as Go's encoder would write that struct again.
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { canonicalQuantity, QUANTITY_RULE } from "../../../protocol/apis/quantity.ts";
import { type Field, goType, type Shape, type Struct } from "./shape.ts";

/** A value that its type can't hold; the message is Go's. */
export class DecodeError extends Error {}

/** A decoded object, and the paths of fields that its type doesn't have, such as `spec.containers[0].imagePolicy`. */
export interface Decoded {
  readonly value: Record<string, unknown>;
  readonly unknown: readonly string[];
}

/** Where in the object the decoder is: what messages about wrong types and unknown fields need. */
interface Place {
  readonly struct: string;
  /** Names of fields, without indices and keys. */
  readonly fields: string;
  /** With indices and keys. */
  readonly path: string;
}

/**
 * Decodes an object of a type. The result shares nothing with `value`, but for lists and objects that `known`, an object
 * decoded before, has as the very same ones below its own fields: they are good as they are. Throws DecodeError at the first
 * wrong type.
 */
export function decode(struct: Struct, value: unknown, known?: Readonly<Record<string, unknown>>): Decoded {
  const unknown: string[] = [];
  const goName = struct.goName.slice(struct.goName.lastIndexOf(".") + 1);
  const place = { struct: goName, fields: "", path: "" };
  const decoded = decodeStruct(struct, value, place, unknown, known, 1);
  return { value: decoded as Record<string, unknown>, unknown };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** An empty value of a shape, as Go writes it. */
export function zeroOf(shape: Shape): unknown {
  switch (shape.is) {
    case "string":
      return "";
    case "int32":
    case "int64":
    case "double":
    case "intOrString":
      return 0;
    case "bool":
      return false;
    case "quantity":
      return "0";
    case "struct":
      return zeroStruct(shape);
    default:
      return null;
  }
}

function zeroStruct(struct: Struct): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const { isPointer, name, shape } of struct.always) value[name] = isPointer ? null : zeroOf(shape);
  return value;
}

function mismatch(found: unknown, shape: Shape, { fields, struct }: Place): DecodeError {
  const what = Array.isArray(found)
    ? "array"
    : typeof found === "object"
    ? "object"
    : typeof found === "boolean"
    ? "bool"
    : typeof found === "bigint"
    ? "number"
    : typeof found;
  const exact = what === "number" && ["int32", "int64"].includes(shape.is) ? ` ${String(found)}` : "";
  const where = fields === "" ? "value" : `struct field ${struct}.${fields}`;
  return new DecodeError(`json: cannot unmarshal ${what}${exact} into Go ${where} of type ${goType(shape)}`);
}

/** `known` is what stood here before; it is taken over where it is `value` itself, beyond so many `fresh` levels. */
function decodeStruct(
  struct: Struct,
  value: unknown,
  place: Place,
  unknown: string[],
  known?: unknown,
  fresh = 0,
): unknown {
  if (value === null || value === undefined) return zeroStruct(struct);
  if (!isPlainObject(value)) throw mismatch(value, struct, place);
  const result: Record<string, unknown> = {};
  const name = struct.goName.slice(struct.goName.lastIndexOf(".") + 1);
  const prefix = place.fields === "" ? "" : `${place.fields}.`;
  const pathPrefix = place.path === "" ? "" : `${place.path}.`;
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    const field = struct.fields.get(key);
    if (field === undefined) {
      // Every object has them, whether or not its type says so.
      if (place.path === "" && (key === "apiVersion" || key === "kind")) result[key] = value[key];
      else unknown.push(pathPrefix + key);
      continue;
    }
    const given = value[key];
    if (given === null || given === undefined) continue;
    const before = isObject(known) && Object.hasOwn(known, key) ? (known as Record<string, unknown>)[key] : undefined;
    if (given === before && (fresh === 0 || !isObject(given))) {
      result[key] = given;
      continue;
    }
    const inner = { struct: name, fields: prefix + key, path: pathPrefix + key };
    const decoded = decodeShape(field.shape, given, inner, unknown, before, fresh === 0 ? 0 : fresh - 1);
    // Storage does not tell an empty list from none.
    if (field.isAlways && field.shape.is === "list" && (decoded as unknown[]).length === 0) result[key] = null;
    else if (!isLeftOut(field, decoded)) result[key] = decoded;
  }
  for (const { isPointer, name: key, shape } of struct.always) {
    if (!Object.hasOwn(result, key)) result[key] = isPointer ? null : zeroOf(shape);
  }
  return result;
}

/** Go's `omitempty`. */
function isLeftOut({ isAlways, isPointer, shape }: Field, value: unknown): boolean {
  if (isAlways) return false;
  if (isPointer) return shape.is === "list" && (value as unknown[]).length === 0;
  if (value === "" || value === 0 || value === false) return shape.is !== "intOrString" && shape.is !== "any";
  if (shape.is === "list") return (value as unknown[]).length === 0;
  if (shape.is !== "map") return false;
  for (const _ in value as object) return false;
  return true;
}

function decodeShape(
  shape: Shape,
  value: unknown,
  place: Place,
  unknown: string[],
  known?: unknown,
  fresh = 0,
): unknown {
  switch (shape.is) {
    case "string":
      if (typeof value === "string") return value;
      break;
    case "struct":
      return decodeStruct(shape, value, place, unknown, known, fresh);
    case "list": {
      if (!Array.isArray(value)) break;
      const { item } = shape;
      const list: unknown[] = new Array(value.length);
      const before: readonly unknown[] | undefined = Array.isArray(known) ? known : undefined;
      for (let i = 0; i < value.length; i++) {
        const given: unknown = value[i];
        list[i] = given === null || given === undefined
          ? zeroOf(item)
          : before !== undefined && isObject(given) && before[i] === given
          ? given
          : decodeShape(item, given, { ...place, path: `${place.path}[${i}]` }, unknown);
      }
      return list;
    }
    case "map": {
      if (!isPlainObject(value)) break;
      const map: Record<string, unknown> = {};
      const before = isObject(known) ? known as Record<string, unknown> : undefined;
      for (const key of Object.keys(value)) {
        const given = value[key];
        const inner = given === null || given === undefined
          ? zeroOf(shape.value)
          : isObject(given) && before !== undefined && Object.hasOwn(before, key) && before[key] === given
          ? given
          : decodeShape(shape.value, given, { ...place, path: `${place.path}.${key}` }, unknown);
        if (key === "__proto__") {
          Object.defineProperty(map, key, { value: inner, enumerable: true, configurable: true, writable: true });
        } else map[key] = inner;
      }
      return map;
    }
    case "bool":
      if (typeof value === "boolean") return value;
      break;
    case "int32":
    case "int64":
      if (isInteger(value, shape.is)) return value;
      break;
    case "double":
      if (typeof value === "number") return value;
      break;
    case "bytes":
      if (typeof value !== "string") break;
      return decodeBase64(value);
    case "time":
    case "microTime":
      if (typeof value !== "string") break;
      return decodeTime(value, shape.is);
    case "quantity": {
      if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") break;
      const text = String(value).trim();
      const canonical = canonicalQuantity(text);
      if (canonical !== undefined) return canonical;
      throw new DecodeError(
        text === ""
          ? "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
          : QUANTITY_RULE,
      );
    }
    case "intOrString":
      if (typeof value === "string") return value;
      if (isInteger(value, "int32")) return value;
      throw mismatch(value, { is: "int32" }, place);
    case "object":
    case "any":
      return copied(value);
  }
  throw mismatch(value, shape, place);
}

/** A copy of a value out of JSON; `structuredClone` takes ten times as long for what is small. */
function copied(value: unknown): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value)) return value.map(copied);
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === "__proto__") {
      Object.defineProperty(copy, key, { value: copied(inner), enumerable: true, configurable: true, writable: true });
    } else copy[key] = copied(inner);
  }
  return copy;
}

function isInteger(value: unknown, size: "int32" | "int64"): boolean {
  if (typeof value === "bigint") return size === "int64" && BigInt.asIntN(64, value) === value;
  if (typeof value !== "number" || !Number.isInteger(value)) return false;
  return size === "int64" || (value >= -2147483648 && value <= 2147483647);
}

function decodeBase64(text: string): string {
  const compact = text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]/g, "") : text;
  const wrong = /[^A-Za-z0-9+/=]/.exec(compact);
  const padding = /=+$/.exec(compact)?.[0].length ?? 0;
  if (wrong !== null || compact.length % 4 !== 0 || padding > 2) {
    throw new DecodeError(
      `illegal base64 data at input byte ${wrong?.index ?? Math.floor(compact.length / 4) * 4}`,
    );
  }
  return compact;
}

/** A time as it is written again: most are. Days beyond the 28th are looked up in the calendar. */
const plainTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
/** With six digits of a second; others are computed. */
const plainMicroTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;
const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** A time in UTC; whole seconds, or six digits of them, which have to be there. */
function decodeTime(text: string, kind: "time" | "microTime"): string {
  if ((kind === "time" ? plainTime : plainMicroTime).test(text)) return text;
  const layout = kind === "time" ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
  const match = rfc3339.exec(text);
  const [, moment = "", digits = "", zone = ""] = match ?? [];
  const at = Date.parse(`${moment}${zone}`);
  if (match === null || Number.isNaN(at)) {
    const rest = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text) ? text.slice(19) : text;
    const wanted = rest === text ? (kind === "time" ? "2006" : "2006") : "Z07:00";
    throw new DecodeError(parsing(text, layout, rest, wanted));
  }
  if (kind === "time") return new Date(at).toISOString().replace(".000Z", "Z");
  if (digits.length !== 6) {
    throw new DecodeError(parsing(text, layout, `${digits === "" ? "" : `.${digits}`}${zone}`, ".000000"));
  }
  return new Date(at).toISOString().replace(".000Z", `.${digits}Z`);
}

function parsing(text: string, layout: string, rest: string, wanted: string): string {
  return `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${
    JSON.stringify(wanted)
  }`;
}
