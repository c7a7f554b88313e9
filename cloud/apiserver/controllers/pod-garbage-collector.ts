// Removes pods that are terminating on a node that does not exist: no kubelet will confirm their end.
import { textAt } from "../../../protocol/apis/kube-object.ts";
import { reconciling } from "./controller.ts";

/**
 * kube-controller-manager's podgc, without its 40 s of quarantine and only for pods that are being deleted: a pod may well
 * be bound to an edge that joins later.
 */
export const podGarbageCollector = reconciling({
  name: "pod garbage collector",
  tables: ["pods", "nodes"],
  reconcile({ resources }) {
    const kind = resources.registry.find("", "v1", "pods");
    if (kind === undefined) return;
    const nodes = new Set(resources.store.list("nodes").map(({ metadata }) => metadata.name));
    for (const pod of resources.store.list("pods")) {
      const { deletionTimestamp, name, namespace = "" } = pod.metadata;
      if (deletionTimestamp === undefined || nodes.has(textAt(pod, "spec", "nodeName"))) continue;
      resources.delete({ kind, namespace, name }, { gracePeriodSeconds: 0 });
    }
  },
});
