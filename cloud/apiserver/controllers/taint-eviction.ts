// Deletes pods from nodes whose NoExecute taints they don't tolerate, or no longer, as kube-controller-manager's taint eviction does.
import type { Timer } from "../../../base/time/clock.ts";
import { at, keyOf, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { withCondition } from "../conditions.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";
import { recordEvent } from "./events.ts";
import { type Taint, toleratedSeconds, type Toleration } from "./tolerations.ts";

export const taintEviction: Controller = { name: "taint-eviction", start };

function start({ clock, indices, resources, timeScale }: ControllerDeps): () => void {
  const { store } = resources;
  const due = new Map<string, { readonly timer: Timer; readonly at: number }>();
  const cancel = (key: string) => {
    due.get(key)?.timer.cancel();
    due.delete(key);
  };
  const reconcile = (key: string) => {
    const pod = store.get("pods", key);
    const node = pod && store.get("nodes", textAt(pod, "spec", "nodeName"));
    if (pod === undefined || node === undefined || pod.metadata.deletionTimestamp !== undefined) return cancel(key);
    const taints = (listAt(node, "spec", "taints") as Taint[]).filter(({ effect }) => effect === "NoExecute");
    const seconds = toleratedSeconds(listAt(pod, "spec", "tolerations") as Toleration[], taints);
    if (taints.length === 0 || seconds === Infinity) return cancel(key);
    // A pod with a pending deletion keeps its deadline or gets an earlier one.
    const at = clock.monotonic() + seconds * 1000 / timeScale;
    if ((due.get(key)?.at ?? Infinity) <= at) return;
    cancel(key);
    const evictNow = () => {
      due.delete(key);
      evict(resources, key, clock.now());
    };
    due.set(key, { timer: clock.after(at - clock.monotonic(), evictNow), at });
  };
  for (const pod of store.list("pods")) if (textAt(pod, "spec", "nodeName") !== "") reconcile(keyOf(pod));
  const stops = [
    store.watch("pods", ({ object, previous, type }) => {
      const key = keyOf(object);
      if (type === "DELETED") return cancel(key);
      if (textAt(object, "spec", "nodeName") === "") return;
      if (previous === undefined || object.spec !== previous.spec || object.metadata.deletionTimestamp !== undefined) {
        reconcile(key);
      }
    }),
    store.watch("nodes", ({ object, previous, type }) => {
      if (previous !== undefined && type === "MODIFIED" && object.spec === previous.spec) return;
      // Most changes are heartbeats of nodes without such taints.
      const hasTaints = type !== "DELETED" &&
        listAt(object, "spec", "taints").some((t) => at(t, "effect") === "NoExecute");
      for (const key of indices.podsOn(object.metadata.name)) if (hasTaints || due.has(key)) reconcile(key);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    for (const key of [...due.keys()]) cancel(key);
  };
}

function evict(resources: Resources, key: string, now: number): void {
  const kind = resources.registry.find("", "v1", "pods");
  const pod = resources.store.get("pods", key);
  if (kind === undefined || pod === undefined) return;
  const { name, namespace = "" } = pod.metadata;
  const message = `Marking for deletion Pod ${namespace}/${name}`;
  recordEvent(resources, pod, {
    type: "Normal",
    reason: "TaintManagerEviction",
    message,
    component: "taint-eviction-controller",
  }, now);
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "DeletionByTaintManager",
    message: "Taint manager: deleting due to NoExecute taint",
    lastProbeTime: null,
    lastTransitionTime: secondsOf(now),
  };
  resources.store.put("pods", withCondition(pod, condition));
  resources.delete({ kind, namespace, name }, {});
}
