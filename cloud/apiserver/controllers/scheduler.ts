// Binds pods to nodes: labels, taints and the number of pods are looked at, resources are not.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Controller } from "./controller.ts";

interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

/** Each unbound pod goes to the fitting Ready node with the fewest pods, the first by name among equals. */
export const scheduler: Controller = {
  name: "scheduler",
  watches: () => ["pods", "nodes"],
  reconcile(resources) {
    const kind = resources.registry.find("", "v1", "pods");
    if (kind === undefined) return;
    const pods = resources.store.list("pods");
    const load = new Map<string, number>();
    for (const pod of pods) {
      const node = textAt(pod, "spec", "nodeName");
      if (node !== "") load.set(node, (load.get(node) ?? 0) + 1);
    }
    const nodes = resources.store.list("nodes").filter(isReady);
    for (const pod of pods) {
      const unbound = textAt(pod, "spec", "nodeName") === "" && pod.metadata.deletionTimestamp === undefined;
      if (!unbound || textAt(pod, "spec", "schedulerName") !== "default-scheduler") continue;
      const best = nodes.filter((node) => fits(pod, node, load))
        .sort((a, b) => (load.get(a.metadata.name) ?? 0) - (load.get(b.metadata.name) ?? 0))[0];
      if (best === undefined) continue;
      load.set(best.metadata.name, (load.get(best.metadata.name) ?? 0) + 1);
      resources.bind({ kind, namespace: pod.metadata.namespace ?? "", name: pod.metadata.name }, best.metadata.name);
    }
  },
};

function isReady(node: KubeObject): boolean {
  const ready = listAt(node, "status", "conditions").find((c) => at(c, "type") === "Ready");
  return at(ready, "status") === "True" && at(node, "spec", "unschedulable") !== true;
}

function fits(pod: KubeObject, node: KubeObject, load: ReadonlyMap<string, number>): boolean {
  const labels = node.metadata.labels ?? {};
  const wanted = (at(pod, "spec", "nodeSelector") ?? {}) as Record<string, string>;
  if (!Object.entries(wanted).every(([key, value]) => labels[key] === value)) return false;
  const room = Number(at(node, "status", "allocatable", "pods") ?? 110);
  if ((load.get(node.metadata.name) ?? 0) >= room) return false;
  const tolerations = listAt(pod, "spec", "tolerations") as Toleration[];
  return listAt(node, "spec", "taints").every((taint) => {
    const [key, value, effect] = ["key", "value", "effect"].map((field) => textAt(taint, field));
    if (effect === "PreferNoSchedule") return true;
    return tolerations.some((t) =>
      (t.effect === undefined || t.effect === effect) &&
      (t.operator === "Exists" ? t.key === undefined || t.key === key : t.key === key && (t.value ?? "") === value)
    );
  });
}
