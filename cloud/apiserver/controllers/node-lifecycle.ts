// Says of nodes whose lease is overdue that nothing is known of them, as kube-controller-manager's node lifecycle does.
import { type Clock, every } from "../../../base/time/clock.ts";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import type { Resources } from "../resources.ts";

/** kube-controller-manager's `--node-monitor-period` and `--node-monitor-grace-period`, milliseconds. */
const PERIOD_MS = 5_000;
const GRACE_MS = 50_000;
const LEASES = "kube-node-lease";
const unreachable = "node.kubernetes.io/unreachable";

/** Looks from time to time; nodes that have never said anything are nobody's business. Returns the way to stop. */
export function followNodes(resources: Resources, clock: Clock, timeScale: number): () => void {
  const timer = every(clock, PERIOD_MS / timeScale, () => {
    for (const node of resources.store.list("nodes")) look(resources, node, clock.now(), GRACE_MS / timeScale);
  });
  return () => timer.cancel();
}

function look(resources: Resources, node: KubeObject, now: number, grace: number): void {
  const { name } = node.metadata;
  const lease = resources.store.get("leases.coordination.k8s.io", `${LEASES}/${name}`);
  const taints = listAt(node, "spec", "taints").filter((taint) => at(taint, "key") !== unreachable);
  const isTainted = taints.length < listAt(node, "spec", "taints").length;
  const conditions = listAt(node, "status", "conditions") as { readonly type: string; readonly status: string }[];
  const ready = conditions.find(({ type }) => type === "Ready");
  // The lease, or before there is one the node's own word.
  const heard = Date.parse(textAt(lease, "spec", "renewTime") || textAt(ready, "lastHeartbeatTime"));
  if (Number.isNaN(heard)) return;
  const isLate = now - heard > grace;
  if (isLate === isTainted || ready === undefined || (!isLate && ready.status === "Unknown")) return;
  const time = secondsOf(now);
  const unknown = (condition: { readonly type: string }) => ({
    ...condition,
    status: "Unknown",
    reason: "NodeStatusUnknown",
    message: "Kubelet stopped posting node status.",
    lastTransitionTime: time,
  });
  const taint = { key: unreachable, effect: "NoSchedule", timeAdded: time };
  const kept = { ...(node.spec as object), taints: isLate ? [...taints, taint] : taints } as { taints?: unknown[] };
  if (kept.taints?.length === 0) delete kept.taints;
  resources.store.put("nodes", {
    ...node,
    spec: kept,
    status: { ...(node.status as object), conditions: isLate ? conditions.map(unknown) : conditions },
  });
}
