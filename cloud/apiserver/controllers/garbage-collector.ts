// Removes objects whose owners no longer exist, and lets owners go that wait for their dependents.
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Resources } from "../resources.ts";
import type { StoreEvent } from "../storage/event.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";
import type { Place } from "./indices.ts";

/** Events come and go by the thousand and own nothing. */
const ignored: ReadonlySet<string> = new Set(["events"]);

export const garbageCollector: Controller = { name: "garbagecollector", start };

function start(deps: ControllerDeps): () => void {
  const { indices, resources } = deps;
  const { store } = resources;
  const queue = new KeyQueue("garbagecollector", deps, (id) => reconcile(deps, placeOf(id)));
  const see = (table: string, { object, previous, type }: StoreEvent) => {
    if (ignored.has(table)) return;
    const { ownerReferences = [], uid = "" } = object.metadata;
    if (type === "DELETED") {
      for (const place of indices.dependentsOf(uid)) queue.add(idOf(place));
      // Owners that are being deleted may have waited for it.
      for (const owner of ownerReferences) {
        const place = indices.placeOf(owner.uid);
        if (place !== undefined) queue.add(idOf(place));
      }
      return;
    }
    const isNew = previous === undefined && ownerReferences.length > 0;
    if (
      isNew || waitsForDependents(object) ||
      (previous !== undefined && ownerReferences !== previous.metadata.ownerReferences)
    ) {
      queue.add(idOf({ table, key: keyOf(object) }));
    }
  };
  for (const [table, object] of store.all()) {
    const hasOwners = (object.metadata.ownerReferences ?? []).length > 0;
    if (ignored.has(table) || (!hasOwners && !waitsForDependents(object))) continue;
    queue.add(idOf({ table, key: keyOf(object) }));
  }
  const stop = store.watchAll(see);
  return () => {
    stop();
    queue.stop();
  };
}

const waiting: ReadonlySet<string> = new Set(["foregroundDeletion", "orphan"]);

function waitsForDependents({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined &&
    (metadata.finalizers ?? []).some((finalizer) => waiting.has(finalizer));
}

const idOf = ({ key, table }: Place) => `${table} ${key}`;

function placeOf(id: string): Place {
  const space = id.indexOf(" ");
  return { table: id.slice(0, space), key: id.slice(space + 1) };
}

function reconcile(deps: ControllerDeps, { key, table }: Place): void {
  const { indices, resources } = deps;
  const object = resources.store.get(table, key);
  if (object === undefined) return;
  const { deletionTimestamp, ownerReferences = [] } = object.metadata;
  if (deletionTimestamp !== undefined) {
    if (waitsForDependents(object)) settle(deps, table, object);
    return;
  }
  if (ownerReferences.length > 0 && ownerReferences.every((owner) => !indices.has(owner.uid))) {
    remove(resources, table, object);
  }
}

/** An owner that waits until its dependents are deleted (foreground) or orphaned (orphan). */
function settle({ indices, resources }: ControllerDeps, table: string, owner: KubeObject): void {
  const finalizers = owner.metadata.finalizers ?? [];
  const uid = owner.metadata.uid as string;
  const dependents = indices.dependentsOf(uid);
  if (finalizers.includes("foregroundDeletion")) {
    let isBlocked = false;
    for (const place of dependents) {
      const dependent = resources.store.get(place.table, place.key);
      if (dependent === undefined) continue;
      const isBlocking = dependent.metadata.ownerReferences?.some((r) => r.uid === uid && r.blockOwnerDeletion);
      remove(resources, place.table, dependent, "Foreground");
      if (isBlocking && resources.store.get(place.table, place.key) !== undefined) isBlocked = true;
    }
    if (isBlocked) return;
  } else {
    for (const place of dependents) {
      const dependent = resources.store.get(place.table, place.key);
      if (dependent === undefined) continue;
      const kept = dependent.metadata.ownerReferences?.filter((reference) => reference.uid !== uid) ?? [];
      const { ownerReferences: _o, ...metadata } = dependent.metadata;
      const freed = kept.length === 0 ? metadata : { ...metadata, ownerReferences: kept };
      resources.store.put(place.table, { ...dependent, metadata: freed as KubeObject["metadata"] });
    }
  }
  const kind = resources.registry.ofTable(table);
  if (kind === undefined) return;
  const left = finalizers.filter((finalizer) => !waiting.has(finalizer));
  const target = { kind, namespace: owner.metadata.namespace ?? "", name: owner.metadata.name };
  resources.patch(target, "application/merge-patch+json", {
    metadata: { finalizers: left.length === 0 ? null : left },
  });
}

/** Deletes an object as a client would; what is being deleted already is left alone. */
export function remove(
  resources: Resources,
  table: string,
  object: KubeObject,
  propagationPolicy: "Background" | "Foreground" = "Background",
): void {
  const kind = resources.registry.ofTable(table);
  if (kind === undefined || object.metadata.deletionTimestamp !== undefined) return;
  const { name, namespace = "", uid } = object.metadata;
  resources.delete({ kind, namespace, name }, {
    propagationPolicy,
    ...(uid === undefined ? {} : { preconditions: { uid } }),
  });
}
