// Removes objects whose owner no longer exists, and empties namespaces that are being deleted.
import { at, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { tableOf } from "../kinds/kind.ts";
import type { Resources } from "../resources.ts";
import { reconciling } from "./controller.ts";

/** One pass over everything: cheap at this server's size, and it can't miss an event. */
export const garbageCollector = reconciling({
  name: "garbage collector",
  tables: "*",
  reconcile({ resources }) {
    const uids = new Set<unknown>();
    for (const [, object] of resources.store.all()) uids.add(object.metadata.uid);
    for (const [table, object] of [...resources.store.all()]) {
      const owners = object.metadata.ownerReferences ?? [];
      if (owners.length > 0 && owners.every((owner) => !uids.has(owner.uid))) remove(resources, table, object);
    }
    for (const [table, object] of [...resources.store.all()]) settleOwner(resources, table, object);
    for (const namespace of resources.store.list("namespaces")) {
      if (namespace.metadata.deletionTimestamp !== undefined) empty(resources, namespace);
    }
  },
});

/** An owner that waits until its dependents are deleted (foreground) or orphaned (orphan). */
function settleOwner(resources: Resources, table: string, owner: KubeObject): void {
  const finalizers = owner.metadata.finalizers ?? [];
  const waits = finalizers.includes("foregroundDeletion");
  if (owner.metadata.deletionTimestamp === undefined || (!waits && !finalizers.includes("orphan"))) return;
  const dependents = [...resources.store.all()].filter(([, o]) =>
    o.metadata.ownerReferences?.some((r) => r.uid === owner.metadata.uid)
  );
  if (waits) {
    for (const [dependentTable, dependent] of dependents) remove(resources, dependentTable, dependent);
    const isBlocked = dependents.some(([, o]) =>
      o.metadata.ownerReferences?.some((r) => r.uid === owner.metadata.uid && r.blockOwnerDeletion)
    );
    if (isBlocked) return;
  } else {
    for (const [dependentTable, dependent] of dependents) {
      const kept = dependent.metadata.ownerReferences?.filter((r) => r.uid !== owner.metadata.uid) ?? [];
      resources.store.put(dependentTable, { ...dependent, metadata: { ...dependent.metadata, ownerReferences: kept } });
    }
  }
  const kind = resources.registry.all().find((k) => tableOf(k) === table);
  if (kind === undefined) return;
  const left = finalizers.filter((f) => f !== "foregroundDeletion" && f !== "orphan");
  const target = { kind, namespace: owner.metadata.namespace ?? "", name: owner.metadata.name };
  resources.patch(
    target,
    "application/merge-patch+json",
    { metadata: { finalizers: left.length === 0 ? null : left } },
    "",
    false,
  );
}

function remove(resources: Resources, table: string, object: KubeObject): boolean {
  const kind = resources.registry.all().find((k) => tableOf(k) === table);
  if (kind === undefined || object.metadata.deletionTimestamp !== undefined) return false;
  resources.delete({ kind, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, {});
  return true;
}

function empty(resources: Resources, namespace: KubeObject): void {
  const { name } = namespace.metadata;
  let left = 0;
  for (const [table, object] of [...resources.store.all()]) {
    if (object.metadata.namespace !== name) continue;
    left++;
    remove(resources, table, object);
  }
  const finalizers = ((at(namespace, "spec", "finalizers") ?? []) as string[]).filter((f) => f !== "kubernetes");
  if (left === 0 && finalizers.length === 0 && (namespace.metadata.finalizers ?? []).length === 0) {
    resources.store.remove("namespaces", { ...namespace, spec: {} });
  }
}
