// Describes a built-in kind in a few lines: what most kinds have in common is filled in.
import { ageColumn, nameColumn } from "./columns.ts";
import { allVerbs, type Column, type Kind, type Strategy, type Subresource } from "./kind.ts";

/** What is particular about a kind. Default: namespaced, of the core group in v1, all verbs, name and age as columns. */
export interface Entry {
  readonly kind: string;
  readonly plural: string;
  readonly singular?: string;
  readonly group?: string;
  readonly version?: string;
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs?: readonly string[];
  /** Whether the status is written apart. */
  readonly status?: boolean;
  /** Its other subresources. */
  readonly subresources?: Readonly<Record<string, Subresource>>;
  readonly columns?: readonly Column[];
  readonly strategy?: Strategy;
}

export function builtin(entry: Entry): Kind {
  return {
    group: entry.group ?? "",
    version: entry.version ?? "v1",
    kind: entry.kind,
    listKind: `${entry.kind}List`,
    plural: entry.plural,
    singular: entry.singular ?? entry.kind.toLowerCase(),
    namespaced: entry.namespaced ?? true,
    ...(entry.shortNames === undefined ? {} : { shortNames: entry.shortNames }),
    ...(entry.categories === undefined ? {} : { categories: entry.categories }),
    verbs: entry.verbs ?? allVerbs,
    hasStatus: entry.status ?? false,
    subresources: entry.subresources ?? {},
    columns: entry.columns ?? [nameColumn, ageColumn],
    strategy: entry.strategy ?? {},
    custom: false,
  };
}

/** Status is written through its subresource only: a create or update of the object keeps the old one. */
export const statusApart: Strategy = {
  prepareCreate(object) {
    delete object.status;
  },
  prepareUpdate(object, old) {
    if (old.status === undefined) delete object.status;
    else object.status = old.status;
  },
};
