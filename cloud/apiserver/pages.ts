// Lists with selectors, cut into pages that all show the same moment.
import { keyOf } from "../../protocol/apis/kube-object.ts";
import { jsonError } from "./json-error.ts";
import type { Kind } from "./kinds/kind.ts";
import { shown } from "./shown.ts";
import { badRequest } from "./status.ts";
import { selectedName, selectorOf } from "./storage/selectors.ts";
import type { Store } from "./storage/store.ts";
import type { Stored } from "./storage/stored.ts";
import { keyOfTarget } from "./writes/target.ts";

/** A list as it was at one moment. */
export interface Page {
  readonly revision: number;
  readonly items: readonly Stored[];
  /** The token for the rest. */
  readonly next?: string;
  readonly remaining?: number;
}

/** How long a list waits for a version that does not exist yet, as kube-apiserver does. */
export const FUTURE_VERSION_WAIT_MS = 3000;

/** Lists with selectors, pages and versions. `namespace` undefined means all of them. */
export function readPage(
  store: Store,
  kind: Kind,
  namespace: string | undefined,
  query: URLSearchParams,
): Page {
  const selected = selectorOf(query, kind.selectable, kind.namespaced);
  const limit = Number(query.get("limit") ?? 0);
  const from = pageOf(query.get("continue"));
  const exact = query.get("resourceVersionMatch") === "Exact" ? Number(query.get("resourceVersion")) : undefined;
  const revision = from?.revision ?? exact ?? store.revision;
  const name = selectedName(query);
  let all = name !== undefined && revision === store.revision && (namespace !== undefined || !kind.namespaced)
    ? one(store, kind, namespace, name)
    : store.listAt(kind.table, revision, namespace);
  if (selected !== undefined) all = all.filter((stored) => selected(shown(kind, stored).object));
  const start = from === undefined ? 0 : all.findIndex(({ object }) => keyOf(object) > from.after);
  const rest = start === -1 ? [] : start === 0 ? all : all.slice(start);
  const items = limit > 0 ? rest.slice(0, limit) : rest;
  const remaining = rest.length - items.length;
  const last = items.at(-1);
  return {
    revision,
    items: items.map((stored) => shown(kind, stored)),
    ...(remaining === 0 || last === undefined ? {} : {
      next: Buffer.from(JSON.stringify({ revision, after: keyOf(last.object) })).toString("base64url"),
      // With a selector the real server does not count what is left.
      ...(selected === undefined ? { remaining } : {}),
    }),
  };
}

function one(store: Store, kind: Kind, namespace: string | undefined, name: string): Stored[] {
  const found = store.find(kind.table, keyOfTarget({ kind, namespace: namespace ?? "", name }));
  return found === undefined ? [] : [found];
}

function pageOf(token: string | null): { readonly revision: number; readonly after: string } | undefined {
  if (token === null || token === "") return undefined;
  try {
    const page = JSON.parse(Buffer.from(token, "base64url").toString("utf8")) as { revision: number; after: string };
    if (Number.isInteger(page.revision) && typeof page.after === "string") return page;
  } catch {
    // falls through to the same answer
  }
  const text = Buffer.from(token, "base64url").toString("latin1");
  const why = jsonError(text) ?? "its fields are not those of a token";
  throw badRequest(`invalid continue token: continue key is not valid: ${why}`);
}
