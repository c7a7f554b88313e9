// Keeps as many pods as a ReplicaSet or ReplicationController asks for (Kubernetes v1.32 `pkg/controller/replicaset`).
import { at, type KubeObject, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { reasonOf } from "../../../../base/log/logger.ts";
import { secondsOf } from "../../../../protocol/apis/time.ts";
import { selectorMatches } from "../../kinds/label-selector.ts";
import type { Controller, ControllerDeps, KeyQueue } from "../controller.ts";
import { Owners, type Selects } from "./owners.ts";
import { isActive, isReady } from "../pod-state.ts";
import { availableIn, condition, createPod, deletePod, unlessZero, writeStatus } from "./pods.ts";

/** Pods that are created or deleted at one go, as kube-controller-manager's burst. */
const BURST = 500;
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

interface Kept {
  readonly name: string;
  readonly table: string;
  readonly kind: string;
  readonly component: string;
  readonly selects: Selects;
}

export const replicaSets = controllerOf({
  name: "replicaset",
  table: "replicasets.apps",
  kind: "ReplicaSet",
  component: "replicaset-controller",
  selects: (owner, labels) => selectorMatches(at(owner, "spec", "selector"), labels),
});

export const replicationControllers = controllerOf({
  name: "replicationcontroller",
  table: "replicationcontrollers",
  kind: "ReplicationController",
  component: "replication-controller",
  selects(owner, labels) {
    const selector = Object.entries((at(owner, "spec", "selector") ?? {}) as Record<string, string>);
    return selector.length > 0 && selector.every(([label, value]) => labels[label] === value);
  },
});

function controllerOf(kept: Kept): Controller {
  const { name } = kept;
  return {
    name,
    start(deps) {
      const { kind, selects, table } = kept;
      const owners: Owners = new Owners(deps, {
        name,
        table,
        kind,
        owned: ["pods"],
        selects,
        reconcile: (set, queue) => reconcile(deps, kept, set, owners.claim(set, "pods"), queue),
      });
      return () => owners.stop();
    },
  };
}

function reconcile(
  deps: ControllerDeps,
  { component, table }: Kept,
  set: KubeObject,
  owned: readonly KubeObject[],
  queue: KeyQueue,
): void {
  const { indices, resources: { store } } = deps;
  let pods = owned.filter(isActive);
  const wanted = Number(at(set, "spec", "replicas") ?? 1);
  let failure: { readonly reason: string; readonly error: unknown } | undefined;
  if (set.metadata.deletionTimestamp === undefined) {
    try {
      for (let missing = Math.min(wanted - pods.length, BURST); missing > 0; missing--) {
        pods = [...pods, createPod(deps, set, at(set, "spec", "template"), component)];
      }
    } catch (error) {
      failure = { reason: "FailedCreate", error };
    }
    const surplus = Math.min(pods.length - wanted, BURST);
    if (surplus > 0) {
      const perNode = Map.groupBy(pods, (pod) => textAt(pod, "spec", "nodeName"));
      const onNode = (pod: KubeObject) => perNode.get(textAt(pod, "spec", "nodeName"))?.length ?? 0;
      const victims = [...pods].sort((a, b) => rankOf(a, b, onNode)).slice(0, surplus);
      for (const pod of victims) deletePod(deps, set, pod, component);
      pods = indices.controlledBy(set.metadata.uid as string, "pods").filter(isActive);
    }
    if (wanted !== pods.length && failure === undefined) queue.add(`${set.metadata.namespace}/${set.metadata.name}`);
  }
  const present = store.get(table, `${set.metadata.namespace}/${set.metadata.name}`) ?? set;
  writeStatus(deps, table, set, statusOf(deps, present, pods, failure, queue));
  // The queue tries again, later each time.
  if (failure !== undefined) throw failure.error;
}

function statusOf(
  deps: ControllerDeps,
  set: KubeObject,
  pods: readonly KubeObject[],
  failure: { readonly reason: string; readonly error: unknown } | undefined,
  queue: KeyQueue,
): Record<string, unknown> {
  const now = secondsOf(deps.clock.now());
  const labels = Object.entries((at(set, "spec", "template", "metadata", "labels") ?? {}) as Record<string, string>);
  const waits = pods.map((pod) => availableIn(pod, set, deps));
  const next = Math.min(...waits.filter((wait) => wait > 0));
  if (Number.isFinite(next)) queue.addAfter(`${set.metadata.namespace}/${set.metadata.name}`, next);
  const conditions = listAt(set, "status", "conditions");
  const others = conditions.filter((one) => at(one, "type") !== "ReplicaFailure");
  const all = failure === undefined ? others : [
    ...others,
    condition(conditions, {
      type: "ReplicaFailure",
      status: "True",
      reason: failure.reason,
      message: reasonOf(failure.error),
      now,
    }, false),
  ];
  return {
    replicas: pods.length,
    fullyLabeledReplicas: unlessZero(
      pods.filter(({ metadata }) => labels.every(([label, value]) => metadata.labels?.[label] === value)).length,
    ),
    readyReplicas: unlessZero(pods.filter(isReady).length),
    availableReplicas: unlessZero(waits.filter((wait) => wait === 0).length),
    observedGeneration: set.metadata.generation,
    conditions: all.length === 0 ? undefined : all,
  };
}

const phases = ["Pending", "Unknown", "Running"];

/** The pods that go first: unbound, pending, not ready, cheap, with many of their kind on their node, young. */
function rankOf(a: KubeObject, b: KubeObject, onNode: (pod: KubeObject) => number): number {
  const bound = (pod: KubeObject) => textAt(pod, "spec", "nodeName") === "" ? 0 : 1;
  const phase = (pod: KubeObject) => phases.indexOf(textAt(pod, "status", "phase"));
  const ready = (pod: KubeObject) => isReady(pod) ? 1 : 0;
  const cost = (pod: KubeObject) => Number(pod.metadata.annotations?.[DELETION_COST] ?? 0) || 0;
  const created = (pod: KubeObject) => Date.parse(pod.metadata.creationTimestamp ?? "");
  const restarts = (pod: KubeObject) =>
    Math.max(0, ...listAt(pod, "status", "containerStatuses").map((c) => Number(at(c, "restartCount") ?? 0)));
  return bound(a) - bound(b) || phase(a) - phase(b) || ready(a) - ready(b) || cost(a) - cost(b) ||
    onNode(b) - onNode(a) || restarts(b) - restarts(a) || created(b) - created(a);
}
