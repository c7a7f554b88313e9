// Deletions: with grace, with finalizers, of namespaces that have to be emptied first.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import type { Kind } from "../kinds/kind.ts";
import { storedForm } from "../shown.ts";
import type { Store } from "../storage/store.ts";
import { type DeleteOptions, finalizersOf, graceOf, refusePreconditions } from "./rules.ts";

/** Where objects are deleted, and when: Unix milliseconds. */
export interface DeletionDeps {
  readonly store: Store;
  readonly now: number;
}

/**
 * Deletes, or begins to: a pod on a node gets its grace period, finalizers keep an object until they are removed.
 * Returns the object as it now is, and whether it has been removed.
 */
export function deleteObject(
  deps: DeletionDeps,
  kind: Kind,
  old: KubeObject,
  options: DeleteOptions,
): { readonly object: KubeObject; readonly removed: boolean } {
  const { now, store } = deps;
  refusePreconditions(kind, old, options);
  const isDryRun = (options.dryRun ?? []).length > 0;
  const asked = options.gracePeriodSeconds;
  if (kind.plural === "namespaces" && kind.group === "") return endNamespace(deps, kind, old, isDryRun);
  const grace = kind.strategy.gracePeriod === undefined ? undefined : graceOf(kind, old, asked);
  const isEnding = old.metadata.deletionTimestamp !== undefined;
  const finalizers = finalizersOf(old, options.propagationPolicy);
  if (grace === undefined) {
    if (finalizers.length === 0) return { object: isDryRun ? old : removeObject(store, kind, old), removed: true };
    if (isEnding) return { object: old, removed: false };
    const marked = markedAs(now, old, 0, finalizers);
    return { object: isDryRun ? marked : store.put(kind.table, marked), removed: false };
  }
  if (isEnding && asked !== undefined && asked >= (old.metadata.deletionGracePeriodSeconds ?? 0) && asked > 0) {
    return { object: old, removed: false };
  }
  if (isEnding && asked === undefined) return { object: old, removed: false };
  const marked = markedAs(now, old, grace, finalizers);
  if (isDryRun) return { object: marked, removed: grace === 0 };
  // The real server writes the shortened grace first, then removes: watchers see both.
  const stored = store.put(kind.table, marked);
  if (grace > 0 || finalizers.length > 0) return { object: stored, removed: false };
  return { object: removeObject(store, kind, stored), removed: true };
}

/** Begins a namespace's deletion: it is Terminating until it is empty and its own finalizers (in its spec) are removed. */
function endNamespace(
  { now, store }: DeletionDeps,
  kind: Kind,
  old: KubeObject,
  isDryRun: boolean,
): { readonly object: KubeObject; readonly removed: boolean } {
  if (old.metadata.deletionTimestamp !== undefined) return { object: old, removed: false };
  const { deletionGracePeriodSeconds: _grace, ...metadata } = markedAs(now, old, 0, []).metadata;
  const ending = { ...old, metadata, status: { ...(old.status as object), phase: "Terminating" } };
  return { object: isDryRun ? ending : store.put(kind.table, ending), removed: false };
}

/** Removes it; returns its last state, with the version of the deletion. */
function removeObject(store: Store, kind: Kind, object: KubeObject): KubeObject {
  const last = store.remove(kind.table, storedForm(kind, object));
  return { ...object, metadata: { ...object.metadata, resourceVersion: last.metadata.resourceVersion as string } };
}

function markedAs(now: number, object: KubeObject, grace: number, finalizers: readonly string[]): KubeObject {
  const end = secondsOf(now + grace * 1000);
  const generation = object.metadata.generation;
  return {
    ...object,
    metadata: {
      ...object.metadata,
      deletionTimestamp: end,
      deletionGracePeriodSeconds: grace,
      ...(finalizers.length === 0 ? {} : { finalizers: [...finalizers] }),
      ...(generation === undefined || object.metadata.deletionTimestamp !== undefined
        ? {}
        : { generation: generation + 1 }),
    },
  };
}
