// What the server knows about a kind: its names, its scope, and the rules for writing its objects.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Schema } from "../apply/schema.ts";
import type { Cause } from "../status.ts";
import type { Struct } from "../types/shape.ts";
import type { NameForm } from "./names.ts";

/** A column of `kubectl get`. `wide` ones are shown by `-o wide` only. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly wide?: boolean;
  readonly format?: string;
  readonly description?: string;
  /** `now` is Unix milliseconds, for ages. */
  cell(object: KubeObject, now: number): string | number | boolean | null;
}

/** Who asks, as authentication found out. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What rules may look at beside the object. */
export interface Surroundings {
  /** A stored object by its table and key; undefined where there is none. */
  find(table: string, key: string): KubeObject | undefined;
  list(table: string, namespace?: string): readonly KubeObject[];
  /** Unix milliseconds. */
  now(): number;
  /** Five random letters, as in generated names. */
  suffix(): string;
  readonly user: User;
  /** Tells the client something that does not stop the request. */
  warn(text: string): void;
}

/** What distinguishes one kind's writes from another's. Functions get fresh copies and may change them. */
export interface Strategy {
  /** Fills in what other objects decide, before the object is checked; throws ApiError where they forbid it. */
  admit?(object: KubeObject, old: KubeObject | undefined, around: Surroundings): void;
  /** Fills in defaults and drops what a client may not set at creation. */
  prepareCreate?(object: KubeObject, around: Surroundings): void;
  /** Takes over from `old` what an update may not change. */
  prepareUpdate?(object: KubeObject, old: KubeObject): void;
  /** Fills in defaults of a status that is written by itself. */
  prepareStatus?(object: KubeObject, old: KubeObject, around: Surroundings): void;
  validate?(object: KubeObject, old: KubeObject | undefined): Cause[];
  validateStatus?(object: KubeObject, old: KubeObject): Cause[];
  /** Gives a valid object what must be its own among all of its kind; `others` are the rest. Gives why it can't. */
  allocate?(object: KubeObject, others: readonly KubeObject[]): Cause[];
  /** What names look like. Default: subdomains. */
  readonly nameForm?: NameForm;
  /** An object that was written in another version, as this version shows it. */
  show?(object: KubeObject): KubeObject;
  /** An object of this version as the stored version has it. */
  store?(object: KubeObject): KubeObject;
  /** Seconds of grace that a deletion of this object gets unless it asks otherwise; 0 removes at once. */
  gracePeriod?(object: KubeObject): number;
  /** Whether a PUT without a resourceVersion is refused. */
  readonly versionRequired?: boolean;
  /** Whether a PUT of an object that isn't there creates it. */
  readonly createsOnUpdate?: boolean;
  /** Whether a deletion answers with the object instead of a Status. */
  readonly deleteAnswersObject?: boolean;
  /** Whether changes are counted by `metadata.generation`. */
  readonly generation?: boolean;
  /** Whether changed annotations count, too. */
  readonly generationCountsAnnotations?: boolean;
  /** The group that messages about such objects name. Default: the kind's own. */
  readonly messageGroup?: string;
  /** Annotations that tables leave out, since kube-apiserver's own form of the object has them elsewhere. */
  readonly hiddenInTables?: readonly string[];
  /** Whether a status may be given at creation and by writes of the whole object. */
  readonly statusIsOpen?: boolean;
}

/** One request to a subresource. */
export interface SubresourceCall {
  readonly resources: ResourceAccess;
  readonly target: { readonly kind: Kind; readonly namespace: string; readonly name: string };
  readonly body: unknown;
  readonly user: User;
  readonly isDryRun: boolean;
  readonly query: URLSearchParams;
}

/** What a subresource may do with the stored objects (`resources.ts`). */
export interface ResourceAccess extends Pick<Surroundings, "find" | "list" | "now"> {
  readonly store: {
    put(table: string, object: KubeObject): KubeObject;
    remove(table: string, last: KubeObject): unknown;
  };
  get(target: SubresourceCall["target"]): KubeObject;
  bind(target: SubresourceCall["target"], node: string): void;
  delete(target: SubresourceCall["target"], options: object): unknown;
  /** Signs a ServiceAccount's token; undefined where the server has no key. */
  readonly tokens: TokenIssuer;
}

/** Signs tokens of ServiceAccounts. */
export interface TokenIssuer {
  readonly issuer: string;
  readonly audience: string;
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
}

/** A subresource beside the status. Throws ApiError. */
export type Subresource =
  /** A part of the object that is written by itself. */
  | {
    readonly as: "part";
    readonly verbs: readonly string[];
    readonly answers?: GroupVersionKind;
    /** Leaves in `object` only what may be written here; the rest comes from `old`. */
    take(object: KubeObject, old: KubeObject, around: Surroundings): void;
    validate?(object: KubeObject, old: KubeObject): Cause[];
  }
  | {
    readonly as: "scale";
    readonly verbs: readonly string[];
    readonly answers: GroupVersionKind;
    readonly paths: ScalePaths;
  }
  | {
    readonly as: "action";
    readonly method: "POST" | "PUT";
    readonly verbs: readonly string[];
    readonly answers?: GroupVersionKind;
    handle(call: SubresourceCall):
      | { readonly status: number; readonly body: unknown }
      | Promise<
        { readonly status: number; readonly body: unknown }
      >;
  }
  /** A stream to a node, which this server has none of. */
  | { readonly as: "stream"; readonly verbs: readonly string[]; readonly answers?: GroupVersionKind };

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Where an object has its number of replicas, as fields of `autoscaling/v1` Scale. */
export interface ScalePaths {
  readonly spec: readonly string[];
  readonly status: readonly string[];
  /** Undefined where the object has no selector. */
  readonly selector?: readonly string[];
}

/** What a CustomResourceDefinition says about the objects of one version. */
export interface CustomSchema {
  /** The schema itself. */
  readonly root: Readonly<Record<string, unknown>>;
  /** Removes what the schema does not know; gives the paths of it. */
  prune(object: KubeObject): string[];
  applyDefaults(object: KubeObject): void;
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
  /** The table of the store that holds its objects; versions of one kind share it. */
  readonly table: string;
  /** The version in which the table holds them, as `apps/v1`. */
  readonly storedAs: string;
  /** Whether the status is a subresource. */
  readonly hasStatus: boolean;
  /** The other subresources, by name. */
  readonly subresources: Readonly<Record<string, Subresource>>;
  readonly columns: readonly Column[];
  readonly strategy: Strategy;
  /** Fields that objects can be selected by, beside name and namespace; how each is read. */
  readonly selectable: Readonly<Record<string, (object: KubeObject) => string>>;
  /** The type of a built-in kind. */
  readonly struct: Struct | undefined;
  /** The schema of a kind that a CustomResourceDefinition makes. */
  readonly custom: CustomSchema | undefined;
  /** How server-side apply divides its objects. */
  readonly schema: Schema;
  /** Told to every client that uses it. */
  readonly warning?: string;
}

export function apiVersionOf(kind: Pick<Kind, "group" | "version">): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** The verbs of custom resources, in the order in which a real server lists them. */
export const customVerbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"] as const;

/** What is particular about a kind. Default: name and age as columns, no rules but those of its type. */
export interface KindRules {
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly columns?: readonly Column[];
  readonly strategy?: Strategy;
  readonly selectable?: Kind["selectable"];
  /** Its subresources beside `status` and `scale`; verbs and answers come from the table. */
  readonly subresources?: Readonly<Record<string, SubresourceRules>>;
  /** Verbs of the table that kube-apiserver does not list. */
  readonly withoutVerbs?: readonly string[];
  readonly warning?: string;
}

type SubresourceRules = Subresource extends infer S ? S extends Subresource ? Omit<S, "verbs" | "answers"> : never
  : never;
