// How server-side apply divides an object into fields that have owners: from the types of the table, or from a CRD's schema.
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import type { Field, Shape, Struct } from "../types/shape.ts";
import { objectMeta } from "../types/table.ts";
import { structOf } from "../types/shape.ts";

/** What a place is to server-side apply. */
export type Schema =
  /** One field: a scalar, or a list or object that is owned as a whole. `type` is checked where it is known. */
  | { readonly is: "leaf"; readonly type?: "string" | "numeric" | "boolean" }
  /** An object or map whose entries have owners of their own. */
  | {
    readonly is: "object";
    /** Undefined for a key that the schema does not have. */
    readonly field: (name: string) => Schema | undefined;
    /** Whether a key is a declared field, not an entry of a map. */
    readonly isField: (name: string) => boolean;
  }
  /** A list whose items have owners: by their value, or by their keys. */
  | { readonly is: "set"; readonly item: Schema }
  | {
    readonly is: "list";
    readonly keys: readonly string[];
    readonly item: Schema;
    /** The value of a key that an item may leave out. */
    readonly defaultOf: (key: string) => unknown;
  };

const leaf: Schema = { is: "leaf" };
const text: Schema = { is: "leaf", type: "string" };
const number: Schema = { is: "leaf", type: "numeric" };
const bool: Schema = { is: "leaf", type: "boolean" };

/** A place of which no schema knows anything: objects by their keys, all else as a whole. */
export const untyped: Schema = { is: "object", field: () => untyped, isField: () => false };

const structs = new Map<Struct, Schema>();

/** The schema of a built-in type; `apiVersion` and `kind` belong to each. */
export function schemaOfStruct(struct: Struct): Schema {
  let schema = structs.get(struct);
  if (schema === undefined) {
    const known = new Map<string, Schema>([["apiVersion", text], ["kind", text]]);
    schema = struct.isAtomic ? leaf : {
      is: "object",
      field(name) {
        const field = struct.fields.get(name);
        if (field === undefined) return known.get(name);
        let found = known.get(name);
        if (found === undefined) known.set(name, found = schemaOfField(field));
        return found;
      },
      isField: (name) => struct.fields.has(name) || name === "apiVersion" || name === "kind",
    };
    structs.set(struct, schema);
  }
  return schema;
}

/** Keys of list items that Kubernetes fills in where an item leaves them out. */
const keyDefaults: Readonly<Record<string, unknown>> = { protocol: "TCP" };

function schemaOfField({ isAtomicMap, keys, list, shape }: Field): Schema {
  if (shape.is === "list") {
    if (list === "set") return { is: "set", item: schemaOfShape(shape.item) };
    if (list === "map") {
      return {
        is: "list",
        keys,
        item: schemaOfShape(shape.item),
        defaultOf: (key) => keyDefaults[key],
      };
    }
    return leaf;
  }
  return isAtomicMap ? leaf : schemaOfShape(shape);
}

function schemaOfShape(shape: Shape): Schema {
  switch (shape.is) {
    case "struct":
      return schemaOfStruct(shape);
    case "map": {
      const entry = schemaOfShape(shape.value);
      return { is: "object", field: () => entry, isField: () => false };
    }
    case "string":
    case "bytes":
    case "time":
    case "microTime":
      return text;
    case "int32":
    case "int64":
    case "double":
      return number;
    case "bool":
      return bool;
    case "object":
      return untyped;
    default:
      return leaf;
  }
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** The schema of a custom kind. */
export function schemaOfCustom(schema: JsonSchema): Schema {
  const root = schemaOfJson(schema);
  const meta = schemaOfStruct(structOf(objectMeta));
  const own: Readonly<Record<string, Schema>> = { apiVersion: text, kind: text, metadata: meta };
  const rootField = root.is === "object" ? root.field : () => undefined;
  return {
    is: "object",
    field: (name) => Object.hasOwn(own, name) ? own[name] : rootField(name),
    isField: (name) => Object.hasOwn(own, name) || (root.is === "object" && root.isField(name)),
  };
}

function schemaOfJson(schema: unknown): Schema {
  if (!isPlainObject(schema)) return untyped;
  const keepsUnknown = schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (schema["x-kubernetes-int-or-string"] === true) return leaf;
  switch (schema.type) {
    case "array": {
      const kind = schema["x-kubernetes-list-type"];
      if (kind === "set") return { is: "set", item: schemaOfJson(schema.items) };
      if (kind !== "map") return leaf;
      const items = schema.items as JsonSchema | undefined;
      const properties = (items?.properties ?? {}) as Record<string, JsonSchema>;
      return {
        is: "list",
        keys: (schema["x-kubernetes-list-map-keys"] ?? []) as string[],
        item: schemaOfJson(items),
        defaultOf: (key) => properties[key]?.default,
      };
    }
    case "string":
      return text;
    case "integer":
    case "number":
      return number;
    case "boolean":
      return bool;
    default: {
      if (schema["x-kubernetes-map-type"] === "atomic") return leaf;
      const { additionalProperties, properties } = schema;
      if (isPlainObject(properties)) return objectOf(properties, keepsUnknown);
      if (isPlainObject(additionalProperties)) {
        const entry = schemaOfJson(additionalProperties);
        return { is: "object", field: () => entry, isField: () => false };
      }
      return untyped;
    }
  }
}

function objectOf(properties: JsonSchema, keepsUnknown: boolean): Schema {
  const known = new Map<string, Schema>();
  return {
    is: "object",
    field(name) {
      let found = known.get(name);
      if (found !== undefined) return found;
      if (!Object.hasOwn(properties, name)) return keepsUnknown ? untyped : undefined;
      known.set(name, found = schemaOfJson(properties[name]));
      return found;
    },
    isField: (name) => Object.hasOwn(properties, name),
  };
}
