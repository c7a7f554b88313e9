// What the server knows about a kind: its names, its scope, and the rules for writing its objects.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Cause } from "../status.ts";
import type { Place } from "./fields.ts";
import type { NameForm } from "./names.ts";

/** A column of `kubectl get`. `wide` ones are shown by `-o wide` only. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly wide?: boolean;
  readonly format?: string;
  readonly description?: string;
  /** `now` is Unix milliseconds, for ages. */
  cell(object: KubeObject, now: number): string | number | null;
}

/** What distinguishes one kind's writes from another's. Functions get fresh copies and may change them. */
export interface Strategy {
  /** Fills in defaults and drops what a client may not set at creation. */
  prepareCreate?(object: KubeObject): void;
  /** Takes over from `old` what an update may not change. */
  prepareUpdate?(object: KubeObject, old: KubeObject): void;
  /** Fills in defaults of a status that is written by itself. */
  prepareStatus?(object: KubeObject): void;
  validate?(object: KubeObject, old: KubeObject | undefined): Cause[];
  /** Gives a valid object what must be its own among all of its kind; `others` are the rest. Gives why it can't. */
  allocate?(object: KubeObject, others: readonly KubeObject[]): Cause[];
  /** What names look like. Default: subdomains. */
  readonly nameForm?: NameForm;
  /** An object that was written in another version, as this version shows it. */
  show?(object: KubeObject): KubeObject;
  /** Seconds of grace that a deletion of this object gets unless it asks otherwise; 0 removes at once. */
  gracePeriod?(object: KubeObject): number;
  /** Whether a PUT without a resourceVersion is refused (custom resources and Leases). */
  readonly versionRequired?: boolean;
  /** Whether a deletion answers with the object instead of a Status. */
  readonly deleteAnswersObject?: boolean;
  /** Whether the spec is counted by `metadata.generation`. */
  readonly generation?: boolean;
}

/** One request to a subresource. */
export interface SubresourceCall {
  readonly resources: ResourceAccess;
  readonly target: { readonly kind: Kind; readonly namespace: string; readonly name: string };
  readonly body: unknown;
}

/** What a subresource may do with the stored objects (`resources.ts`). */
export interface ResourceAccess {
  readonly store: {
    put(table: string, object: KubeObject): KubeObject;
    remove(table: string, last: KubeObject): unknown;
  };
  get(target: SubresourceCall["target"]): KubeObject;
  bind(target: SubresourceCall["target"], node: string): void;
  delete(target: SubresourceCall["target"], options: object): unknown;
}

/** A subresource that is neither the object nor its status. Throws ApiError. */
export interface Subresource {
  readonly method: "POST" | "PUT";
  /** Its verbs in discovery. */
  readonly verbs: readonly string[];
  /** The kind that it takes and answers with. Default: its own kind. */
  readonly answers?: { readonly group: string; readonly version: string; readonly kind: string };
  handle(call: SubresourceCall): { readonly status: number; readonly body: unknown };
}

/** What distinguishes one kind from another. */
export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs: readonly string[];
  /** Whether the status is a subresource. */
  readonly hasStatus: boolean;
  /** The other subresources, by name. */
  readonly subresources: Readonly<Record<string, Subresource>>;
  readonly columns: readonly Column[];
  readonly strategy: Strategy;
  /** The fields of a custom kind; those of built-in ones are in the table of types. */
  readonly fields?: Place;
  /** True for kinds made by a CustomResourceDefinition: JSON only, no strategic merge, unknown fields pruned. */
  readonly custom: boolean;
}

/** The table of the store that holds a kind's objects; versions of one kind share it. */
export function tableOf(kind: Pick<Kind, "group" | "plural">): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

export function apiVersionOf(kind: Pick<Kind, "group" | "version">): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** An object as this version of its kind shows it. Nothing converts: what the version does not know is left out. */
export function shownAs(kind: Kind, object: KubeObject): KubeObject {
  return object.apiVersion === apiVersionOf(kind) ? object : kind.strategy.show?.(object) ?? object;
}

/** The verbs of custom resources, in the order in which a real server lists them. */
export const customVerbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"] as const;

export const allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"] as const;
