// Kubernetes 1.32's types and resources as data, and how Go's structs encode them: read on first use.
import { readFileSync } from "node:fs";

/** One field of a type, as the published OpenAPI and `.proto` files describe it. */
export interface FieldRow {
  /** `string`, `integer/int64`, `boolean`, `string/byte`, `number/double`, `[]T`, `{}T`, or the name of another type. */
  readonly type: string;
  readonly required?: boolean;
  /** Strategic merge: how lists merge, and by which key. */
  readonly patch?: "merge" | "replace" | "retainKeys" | "merge,retainKeys";
  readonly mergeKey?: string;
  /** Server-side apply: what is one field, and the keys of a list of the type `map`. */
  readonly list?: "atomic" | "set" | "map";
  readonly keys?: readonly string[];
  readonly map?: "atomic" | "granular";
  /** Protobuf: number and type; `via` is the number of the embedded message that holds the field. */
  readonly n?: number;
  readonly p?: string;
  readonly via?: number;
}

/** A type with fields, or one whose JSON form is a text, a number or anything. */
export interface TypeRow {
  readonly fields?: Readonly<Record<string, FieldRow>>;
  readonly type?: "object" | "string" | "any";
  readonly format?: string;
  readonly map?: "atomic" | "granular";
  /** The protobuf package. */
  readonly proto?: string;
  readonly gvk?: readonly (readonly [group: string, version: string, kind: string])[];
}

/** A resource that kube-apiserver serves. */
export interface ResourceRow {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: Readonly<
    Record<
      string,
      { readonly kind: string; readonly group?: string; readonly version?: string; readonly verbs: readonly string[] }
    >
  >;
}

/** Messages whose JSON form is a text or a number. */
export type ProtoOnly = Readonly<Record<string, Readonly<Record<string, { readonly n: number; readonly p: string }>>>>;

interface Table {
  readonly resources: readonly ResourceRow[];
  readonly types: Readonly<Record<string, TypeRow>>;
  readonly protoOnly: ProtoOnly;
}

/** Which fields of a Go struct are pointers, and which its encoder writes even where they are empty. */
export interface Encoding {
  readonly pointer?: readonly string[];
  readonly always?: readonly string[];
}

function lazily<T>(name: string): () => T {
  let loaded: T | undefined;
  return () => loaded ??= JSON.parse(readFileSync(new URL(`./data/${name}`, import.meta.url), "utf8")) as T;
}

const table = lazily<Table>("types.json");
const encodings = lazily<Readonly<Record<string, Encoding>>>("encoding.json");
const defaults = lazily<Readonly<Record<string, Readonly<Record<string, unknown>>>>>("defaults.json");

/** All resources, in the order of kube-apiserver's groups. */
export function resourceRows(): readonly ResourceRow[] {
  return table().resources;
}

/** A type by its name, such as `io.k8s.api.core.v1.Pod`. */
export function typeRow(name: string): TypeRow | undefined {
  const { types } = table();
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

/** How Go encodes a type. */
export function encodingOf(name: string): Encoding {
  const all = encodings();
  return Object.hasOwn(all, name) ? all[name] as Encoding : {};
}

/** The constant defaults of a type's fields. */
export function constantDefaults(name: string): Readonly<Record<string, unknown>> | undefined {
  const all = defaults();
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

export function protoOnly(): ProtoOnly {
  return table().protoOnly;
}

/** The package in which Go and OpenAPI keep a group's types. */
function packageOf(group: string): string {
  if (group === "apiextensions.k8s.io") return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions";
  if (group === "apiregistration.k8s.io") return "io.k8s.kube-aggregator.pkg.apis.apiregistration";
  if (group === "internal.apiserver.k8s.io") return "io.k8s.api.apiserverinternal";
  if (group === "flowcontrol.apiserver.k8s.io") return "io.k8s.api.flowcontrol";
  if (group === "rbac.authorization.k8s.io") return "io.k8s.api.rbac";
  return `io.k8s.api.${group === "" ? "core" : group.split(".")[0]}`;
}

/** The name of the type of a built-in kind; undefined for others. */
export function typeNameOf(group: string, version: string, kind: string): string | undefined {
  const name = `${packageOf(group)}.${version}.${kind}`;
  return typeRow(name) === undefined ? undefined : name;
}

export const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
