// Binds pods to nodes; reports why a pod fits nowhere in its condition and an Event, as kube-scheduler does.
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { withCondition } from "../conditions.ts";
import type { Resources } from "../resources.ts";
import { reconciling } from "./controller.ts";
import { writeEvent } from "./events.ts";
import { isReady, type Misfit, misfitOf, NodeUse, scoreOf, usesNode } from "./node-fit.ts";
import { deepEqual } from "../patch/json-patch.ts";
import type { StoreEvent } from "../storage/event.ts";

/** Each unbound pod goes to the best of the nodes that it fits on, the first by name among equals. */
export const scheduler = reconciling({
  name: "scheduler",
  tables: ["pods", "nodes"],
  isConcerned: (table, event) => table === "nodes" ? changesNode(event) : changesPod(event),
  reconcile: ({ clock, resources }) => schedule(resources, () => clock.now()),
});

/** Whether the pod must be placed, or its end frees room; other changes of a pod's status are ignored. */
function changesPod({ object, previous, type }: StoreEvent): boolean {
  if (isUnbound(object) && type !== "DELETED") return true;
  const isRoomFree = type === "DELETED" || !usesNode(object);
  return isRoomFree && previous !== undefined && textAt(previous, "spec", "nodeName") !== "" && usesNode(previous);
}

/** Most changes of Nodes are heartbeats, and those change nothing that counts here. */
function changesNode({ object, previous, type }: StoreEvent): boolean {
  if (type !== "MODIFIED" || previous === undefined) return true;
  return isReady(object) !== isReady(previous) ||
    !deepEqual(object.spec, previous.spec) ||
    !deepEqual(object.metadata.labels, previous.metadata.labels) ||
    !deepEqual(at(object, "status", "allocatable"), at(previous, "status", "allocatable"));
}

function schedule(resources: Resources, now: () => number): void {
  const kind = resources.registry.find("", "v1", "pods");
  if (kind === undefined) return;
  const pods = resources.store.list("pods");
  const unbound = pods.filter(isUnbound).sort(byPriority);
  if (unbound.length === 0) return;
  const uses = usesOf(pods);
  const nodes = resources.store.list("nodes");
  for (const pod of unbound) {
    const misfits: Misfit[] = [];
    let best: { readonly node: string; readonly score: readonly number[] } | undefined;
    for (const node of nodes) {
      const use = uses.get(node.metadata.name) ?? new NodeUse();
      const misfit = misfitOf(pod, node, use);
      if (misfit !== undefined) {
        misfits.push(misfit);
        continue;
      }
      const score = scoreOf(pod, node, use);
      if (best === undefined || isBetter(score, best.score)) best = { node: node.metadata.name, score };
    }
    if (best === undefined) {
      refuse(resources, pod, messageOf(misfits, nodes.length), now());
      continue;
    }
    const use = uses.get(best.node) ?? new NodeUse();
    uses.set(best.node, use);
    use.add(pod);
    resources.bind({ kind, namespace: pod.metadata.namespace ?? "", name: pod.metadata.name }, best.node);
  }
}

function isUnbound({ metadata, spec }: KubeObject): boolean {
  return textAt(spec, "nodeName") === "" && metadata.deletionTimestamp === undefined &&
    textAt(spec, "schedulerName") === "default-scheduler" && listAt(spec, "schedulingGates").length === 0;
}

function byPriority(one: KubeObject, other: KubeObject): number {
  return Number(at(other, "spec", "priority") ?? 0) - Number(at(one, "spec", "priority") ?? 0);
}

/** What the pods that have a node use there. */
function usesOf(pods: readonly KubeObject[]): Map<string, NodeUse> {
  const uses = new Map<string, NodeUse>();
  for (const pod of pods) {
    const node = textAt(pod, "spec", "nodeName");
    if (node === "" || !usesNode(pod)) continue;
    const use = uses.get(node) ?? new NodeUse();
    uses.set(node, use);
    use.add(pod);
  }
  return uses;
}

function isBetter(score: readonly number[], other: readonly number[]): boolean {
  const at = score.findIndex((value, i) => value !== other[i]);
  return at !== -1 && (score[at] as number) > (other[at] as number);
}

/** As in `0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods. preemption: …`; reasons are in the order of their texts. */
function messageOf(misfits: readonly Misfit[], nodes: number): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const counted = (reasons: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    return [...counts].map(([reason, count]) => `${count} ${reason}`).sort().join(", ");
  };
  const preemption = misfits.map(({ isResolvable }) =>
    isResolvable ? "No preemption victims found for incoming pod" : "Preemption is not helpful for scheduling"
  );
  const available = `0/${nodes} nodes are available`;
  return `${available}: ${counted(misfits.flatMap(({ reasons }) => reasons))}. preemption: ${available}: ${
    counted(preemption)
  }.`;
}

function refuse(resources: Resources, pod: KubeObject, message: string, now: number): void {
  const known = listAt(pod, "status", "conditions").find((condition) => at(condition, "type") === "PodScheduled");
  if (at(known, "status") === "False" && at(known, "message") === message) return;
  if (resources.store.get("pods", keyOf(pod)) === undefined) return;
  const since = at(known, "status") === "False" ? at(known, "lastTransitionTime") : secondsOf(now);
  const condition = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message,
    lastProbeTime: null,
    lastTransitionTime: since,
  };
  resources.store.put("pods", withCondition(pod, condition));
  writeEvent(
    resources,
    pod,
    { type: "Warning", reason: "FailedScheduling", message, component: "default-scheduler" },
    now,
  );
}
