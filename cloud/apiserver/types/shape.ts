// The types of the table in the form that programs walk: each field with all that is known of it, references resolved.
import { encodingOf, typeRow } from "./table.ts";

/** What a place in an object holds. */
export type Shape =
  | { readonly is: Scalar }
  | { readonly is: "list"; readonly item: Shape }
  | { readonly is: "map"; readonly value: Shape }
  | Struct;

/** Values without parts. `any` is kept as it came, `object` likewise but must be an object. */
export type Scalar =
  | "string"
  | "int32"
  | "int64"
  | "double"
  | "bool"
  | "bytes"
  | "any"
  | "object"
  | "time"
  | "microTime"
  | "quantity"
  | "intOrString";

/** A type with fields. */
export interface Struct {
  readonly is: "struct";
  /** As `io.k8s.api.core.v1.PodSpec`. */
  readonly name: string;
  /** As Go's messages name it: `v1.PodSpec`. */
  readonly goName: string;
  readonly fields: ReadonlyMap<string, Field>;
  /** The fields that are written even where they are empty. */
  readonly always: readonly Field[];
  /** Server-side apply takes the whole of it as one field. */
  readonly isAtomic: boolean;
}

/** A field of a struct. */
export interface Field {
  readonly name: string;
  readonly shape: Shape;
  readonly required: boolean;
  /** Whether Go tells a zero from nothing. */
  readonly isPointer: boolean;
  readonly isAlways: boolean;
  /** Strategic merge. */
  readonly patch: string | undefined;
  readonly mergeKey: string | undefined;
  /** Server-side apply. */
  readonly list: "atomic" | "set" | "map" | undefined;
  readonly keys: readonly string[];
  readonly isAtomicMap: boolean;
}

const scalars: Readonly<Record<string, Scalar>> = {
  string: "string",
  "string/byte": "bytes",
  boolean: "bool",
  "integer/int32": "int32",
  "integer/int64": "int64",
  "number/double": "double",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microTime",
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "object",
};

const shapes = new Map<string, Shape>();

/** The shape of a type of the table, or of a list or map of one. */
export function shapeOf(type: string): Shape {
  let shape = shapes.get(type);
  if (shape === undefined) {
    shape = newShape(type);
    shapes.set(type, shape);
  }
  return shape;
}

/** The struct of a built-in type. Throws for a name that is none. */
export function structOf(type: string): Struct {
  const shape = shapeOf(type);
  if (shape.is !== "struct") throw new Error(`${type} has no fields`);
  return shape;
}

function newShape(type: string): Shape {
  if (type.startsWith("[]")) return { is: "list", item: shapeOf(type.slice(2)) };
  if (type.startsWith("{}")) return { is: "map", value: shapeOf(type.slice(2)) };
  const scalar = scalars[type];
  if (scalar !== undefined) return { is: scalar };
  const row = typeRow(type);
  if (row === undefined) return { is: "any" };
  const rows = row.fields;
  if (rows === undefined) return { is: row.type === "object" ? "object" : "any" };
  const encoding = encodingOf(type);
  const pointers = new Set(encoding.pointer);
  const always = new Set(encoding.always);
  let fields: Map<string, Field> | undefined;
  let alwaysFields: Field[] | undefined;
  // Fields are resolved on first use, since types refer to each other in circles.
  const resolve = () =>
    fields ??= new Map(
      Object.entries(rows).map(([name, field]) => [name, {
        name,
        get shape() {
          return shapeOf(field.type);
        },
        required: field.required === true,
        isPointer: pointers.has(name),
        isAlways: always.has(name),
        patch: field.patch,
        mergeKey: field.mergeKey,
        list: field.list,
        keys: field.keys ?? [],
        isAtomicMap: field.map === "atomic",
      }]),
    );
  return {
    is: "struct",
    name: type,
    goName: type.split(".").slice(-2).join("."),
    isAtomic: row.map === "atomic",
    get fields() {
      return resolve();
    },
    get always() {
      return alwaysFields ??= [...resolve().values()].filter(({ isAlways }) => isAlways);
    },
  };
}

/** The type as Go's messages print it. */
export function goType(shape: Shape): string {
  switch (shape.is) {
    case "list":
      return `[]${goType(shape.item)}`;
    case "map":
      return `map[string]${goType(shape.value)}`;
    case "struct":
      return shape.goName;
    case "bytes":
      return "[]uint8";
    case "double":
      return "float64";
    default:
      return shape.is;
  }
}
