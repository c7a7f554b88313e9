// Removes pods that are terminating on a node that does not exist: no kubelet will confirm their end.
import { keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";

/**
 * kube-controller-manager's podgc, without its 40 s of quarantine and only for pods that are being deleted: a pod may well
 * be bound to an edge that joins later.
 */
export const podGarbageCollector: Controller = { name: "podgc", start };

function start(deps: ControllerDeps): () => void {
  const { indices, resources } = deps;
  const { store } = resources;
  const queue = new KeyQueue("podgc", deps, (key) => {
    const kind = resources.registry.find("", "v1", "pods");
    const pod = store.get("pods", key);
    if (kind === undefined || pod === undefined || !isEnding(pod)) return;
    if (store.get("nodes", textAt(pod, "spec", "nodeName")) !== undefined) return;
    const { name, namespace = "" } = pod.metadata;
    resources.delete({ kind, namespace, name }, { gracePeriodSeconds: 0 });
  });
  const isEnding = ({ metadata }: KubeObject) => metadata.deletionTimestamp !== undefined;
  for (const pod of store.list("pods")) if (isEnding(pod)) queue.add(keyOf(pod));
  const stops = [
    store.watch("pods", ({ object, type }) => {
      if (type !== "DELETED" && isEnding(object)) queue.add(keyOf(object));
    }),
    store.watch("nodes", ({ object, type }) => {
      if (type === "DELETED") { for (const key of indices.podsOn(object.metadata.name)) queue.add(key); }
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    queue.stop();
  };
}
