// Empties namespaces that are being deleted, then lets them go.
import { at, keyOf, listAt } from "../../../protocol/apis/kube-object.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";
import { remove } from "./garbage-collector.ts";

export const namespaceLifecycle: Controller = { name: "namespace", start };

function start(deps: ControllerDeps): () => void {
  const { indices, resources } = deps;
  const { store } = resources;
  const ending = new Set<string>();
  const queue = new KeyQueue("namespace", deps, (name) => {
    const namespace = store.get("namespaces", name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    for (const { key, table } of indices.inNamespace(name)) {
      const object = store.get(table, key);
      if (object !== undefined) remove(resources, table, object);
    }
    const finalizers = listAt(namespace, "spec", "finalizers").filter((finalizer) => finalizer !== "kubernetes");
    const isHeld = finalizers.length > 0 || (namespace.metadata.finalizers ?? []).length > 0;
    if (indices.inNamespace(name).length === 0 && !isHeld) store.remove("namespaces", { ...namespace, spec: {} });
  });
  const see = (name: string, isEnding: boolean) => {
    if (isEnding) ending.add(name);
    if (ending.has(name)) queue.add(name);
  };
  for (const namespace of store.list("namespaces")) {
    see(namespace.metadata.name, namespace.metadata.deletionTimestamp !== undefined);
  }
  const stop = store.watchAll((table, { object, type }) => {
    if (table === "namespaces") {
      if (type === "DELETED") ending.delete(keyOf(object));
      else see(object.metadata.name, at(object, "metadata", "deletionTimestamp") !== undefined);
    } else if (ending.size > 0 && object.metadata.namespace !== undefined) see(object.metadata.namespace, false);
  });
  return () => {
    stop();
    queue.stop();
  };
}
