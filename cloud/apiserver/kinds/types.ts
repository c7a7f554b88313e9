// All types of Kubernetes 1.32 as data: loaded on first use.
import { readFileSync } from "node:fs";

/** A field: `type` is `string`, `integer/int64`, `[]T`, `{}T` or the name of another type. */
export interface FieldType {
  readonly type: string;
}

/** A type with fields, or one whose JSON form is a text, a number or anything. */
export interface ObjectType {
  readonly fields?: Readonly<Record<string, FieldType>>;
}

interface Types {
  readonly types: Readonly<Record<string, ObjectType>>;
}

const file = new URL("./data/types.json", import.meta.url);
let loaded: Types | undefined;

function load(): Types {
  return loaded ??= JSON.parse(readFileSync(file, "utf8")) as Types;
}

/** A type by its name, such as `io.k8s.api.core.v1.Pod`. */
export function typeOf(name: string): ObjectType | undefined {
  const { types } = load();
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

/** The name of the type of a built-in kind; undefined for others. */
export function typeNameOf(group: string, version: string, kind: string): string | undefined {
  const first = group === "" ? "core" : group.split(".")[0];
  const usual = `io.k8s.api.${first}.${version}.${kind}`;
  if (typeOf(usual) !== undefined) return usual;
  return Object.keys(load().types).find((name) => name.endsWith(`.${first}.${version}.${kind}`));
}

export const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
