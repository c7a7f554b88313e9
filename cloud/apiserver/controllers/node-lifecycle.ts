// Sets the conditions of nodes with an overdue lease to Unknown, and taints nodes that aren't Ready, as kube-controller-manager's
// node lifecycle does.
import { type Clock, every } from "../../../base/time/clock.ts";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import type { Resources } from "../resources.ts";
import type { Controller, ControllerDeps } from "./controller.ts";
import { notReady, unreachable } from "./node-fit.ts";

/** kube-controller-manager's `--node-monitor-period` and `--node-monitor-grace-period`, milliseconds. */
const PERIOD_MS = 5_000;
const GRACE_MS = 50_000;
const LEASES = "kube-node-lease";

/** A node's last report, and when we saw it, in monotonic milliseconds: the node's clock may differ, and ours may be set. */
interface LastSeen {
  readonly renewed: string;
  readonly at: number;
}

/** Looks periodically; nodes that have never reported are ignored. */
export const nodeLifecycle: Controller = { name: "node-lifecycle", start };

function start({ clock, defer, resources, timeScale }: ControllerDeps): () => void {
  const lastSeen = new Map<string, LastSeen>();
  const timer = every(clock, PERIOD_MS / timeScale, () => {
    const nodes = resources.store.list("nodes");
    const names = new Set(nodes.map(({ metadata }) => metadata.name));
    for (const name of lastSeen.keys()) if (!names.has(name)) lastSeen.delete(name);
    for (const node of nodes) reconcile(resources, lastSeen, node, clock, GRACE_MS / timeScale);
  });
  // A node that says that it is Ready must not wait for that.
  const stop = resources.store.watch("nodes", ({ object, previous, type }) => {
    if (type === "DELETED" || readyOf(object) === readyOf(previous)) return;
    const { name } = object.metadata;
    defer(() => {
      const node = resources.store.get("nodes", name);
      if (node !== undefined) reconcile(resources, lastSeen, node, clock, GRACE_MS / timeScale);
    });
  });
  return () => {
    timer.cancel();
    stop();
  };
}

function readyOf(node: KubeObject | undefined): unknown {
  return at(listAt(node, "status", "conditions").find((condition) => at(condition, "type") === "Ready"), "status");
}

/** The taint of each state that a node may be in; a node that is Ready has none of them. */
const taintOf: Readonly<Record<string, string>> = { Unknown: unreachable, False: notReady };
const ours: ReadonlySet<unknown> = new Set([unreachable, notReady]);

function reconcile(
  resources: Resources,
  lastSeen: Map<string, LastSeen>,
  node: KubeObject,
  clock: Clock,
  grace: number,
): void {
  const { name } = node.metadata;
  const now = clock.monotonic();
  const lease = resources.store.get("leases.coordination.k8s.io", `${LEASES}/${name}`);
  const conditions = listAt(node, "status", "conditions") as { readonly type: string; readonly status: string }[];
  const ready = conditions.find(({ type }) => type === "Ready");
  // Its lease, or its own status: whichever it renews, it was heard (kube-controller-manager's tryUpdateNodeHealth).
  const renewed = `${textAt(lease, "spec", "renewTime")} ${textAt(ready, "lastHeartbeatTime")}`.trim();
  if (ready === undefined) return;
  const last = lastSeen.get(name);
  if (last?.renewed !== renewed) lastSeen.set(name, { renewed, at: now });
  // Of a node that has never told a time none is expected.
  const isLate = renewed !== "" && now - (lastSeen.get(name)?.at ?? now) > grace;
  const time = secondsOf(clock.now());
  const taints = listAt(node, "spec", "taints");
  const wanted = taintOf[isLate ? "Unknown" : ready.status];
  const present = taints.filter((taint) => ours.has(at(taint, "key")));
  const isTainted = wanted === undefined
    ? present.length === 0
    : present.length === 2 && present.every((taint) => at(taint, "key") === wanted);
  if (isTainted && (!isLate || ready.status === "Unknown")) return;
  const unknown = (condition: { readonly type: string }) => ({
    ...condition,
    status: "Unknown",
    reason: "NodeStatusUnknown",
    message: "Kubelet stopped posting node status.",
    lastTransitionTime: time,
  });
  const kept: unknown[] = taints.filter((taint) => !ours.has(at(taint, "key")));
  if (wanted !== undefined) {
    for (const effect of ["NoSchedule", "NoExecute"]) {
      const same = present.find((taint) => at(taint, "key") === wanted && at(taint, "effect") === effect);
      kept.push(same ?? { key: wanted, effect, timeAdded: time });
    }
  }
  const { taints: _taints, ...spec } = (node.spec ?? {}) as { readonly taints?: unknown };
  resources.store.put("nodes", {
    ...node,
    spec: kept.length === 0 ? spec : { ...spec, taints: kept },
    status: { ...(node.status as object), conditions: isLate ? conditions.map(unknown) : conditions },
  });
}
