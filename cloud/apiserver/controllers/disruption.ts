// Tells of each PodDisruptionBudget how many of its pods may be evicted now (Kubernetes v1.32 `pkg/controller/disruption`).
import { at, type KubeObject, listAt } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { selectorMatches } from "../kinds/label-selector.ts";
import { type Controller, type ControllerDeps, KeyQueue } from "./controller.ts";
import { SelectedPods } from "./selected-pods.ts";
import { share } from "./workloads/counts.ts";
import { controllerOf, writeStatus } from "./workloads/pods.ts";
import { isEnded, isReady } from "./pod-state.ts";

const TABLE = "poddisruptionbudgets.policy";

export const disruption: Controller = { name: "disruption", start };

function start(deps: ControllerDeps): () => void {
  const { store } = deps.resources;
  const queue = new KeyQueue("disruption", deps, (key) => {
    const budget = store.get(TABLE, key);
    if (budget !== undefined) reconcile(deps, budget, pods.of(key));
  });
  const selectorOf = (budget: KubeObject) => {
    const selector = at(budget, "spec", "selector");
    return selector === undefined
      ? undefined
      : (labels: Readonly<Record<string, string>>) => selectorMatches(selector, labels);
  };
  const pods = new SelectedPods(deps, TABLE, selectorOf, (key) => queue.add(key));
  return () => {
    pods.stop();
    queue.stop();
  };
}

function reconcile(deps: ControllerDeps, budget: KubeObject, all: readonly KubeObject[]): void {
  const { clock } = deps;
  const pods = all.filter((pod) => !isEnded(pod));
  const healthy = pods.filter((pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined).length;
  const least = at(budget, "spec", "minAvailable");
  const most = at(budget, "spec", "maxUnavailable");
  const expected = typeof least === "number" && most === undefined ? pods.length : expectedOf(deps, pods);
  const desired = most === undefined
    ? share(least ?? 0, expected, "up")
    : Math.max(0, expected - share(most, expected, "up"));
  const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
  const present = listAt(budget, "status", "conditions");
  const old = present.find((one) => at(one, "type") === "DisruptionAllowed");
  const status = allowed > 0 ? "True" : "False";
  const facts = {
    type: "DisruptionAllowed",
    status,
    observedGeneration: budget.metadata.generation,
    lastTransitionTime: at(old, "status") === status ? at(old, "lastTransitionTime") : secondsOf(clock.now()),
    reason: allowed > 0 ? "SufficientPods" : "InsufficientPods",
    message: "",
  };
  writeStatus(deps, TABLE, budget, {
    disruptedPods: at(budget, "status", "disruptedPods"),
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    observedGeneration: budget.metadata.generation,
    conditions: [...present.filter((one) => one !== old), facts],
  });
}

const scales: Readonly<Record<string, string>> = {
  ReplicaSet: "replicasets.apps",
  ReplicationController: "replicationcontrollers",
  StatefulSet: "statefulsets.apps",
};

/** How many pods the controllers of these pods ask for; pods without one count themselves. */
function expectedOf({ resources: { store } }: ControllerDeps, pods: readonly KubeObject[]): number {
  let expected = 0;
  const seen = new Set<string>();
  for (const pod of pods) {
    const { namespace } = pod.metadata;
    const owner = controllerOf(pod);
    const table = scales[owner?.kind ?? ""];
    const object = table === undefined ? undefined : store.get(table, `${namespace}/${owner?.name}`);
    if (owner === undefined || object === undefined) {
      expected++;
      continue;
    }
    if (seen.has(owner.uid)) continue;
    seen.add(owner.uid);
    const top = object.metadata.ownerReferences?.find(({ controller, kind }) =>
      controller === true && kind === "Deployment"
    );
    const deployment = top === undefined ? undefined : store.get("deployments.apps", `${namespace}/${top.name}`);
    if (top !== undefined && deployment !== undefined) {
      if (seen.has(top.uid)) continue;
      seen.add(top.uid);
    }
    expected += Number(at(deployment ?? object, "spec", "replicas") ?? 1);
  }
  return expected;
}
