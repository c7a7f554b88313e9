// What a Deployment's status says: how many replicas there are, and whether its rollout goes on (Kubernetes v1.32
// `pkg/controller/deployment/progress.go`).
import { at, type KubeObject, listAt } from "../../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../../protocol/apis/time.ts";
import type { ControllerDeps } from "../controller.ts";
import { condition, unlessZero } from "./pods.ts";

type Status = Record<string, unknown>;

/** Whether all replicas are of the present template and available, and no others are left. */
export function isComplete(deployment: KubeObject, status: Status): boolean {
  const wanted = Number(at(deployment, "spec", "replicas") ?? 1);
  const { availableReplicas = 0, replicas = 0, updatedReplicas = 0 } = status;
  return updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted;
}

/** The status, and after how many milliseconds the rollout may have taken too long. */
export function deploymentStatus(
  deps: ControllerDeps,
  deployment: KubeObject,
  newest: KubeObject | undefined,
  sets: readonly KubeObject[],
  mayLack: number,
): { readonly status: Status; readonly lookAgain?: number } {
  const count = (field: string, of: readonly KubeObject[] = sets) =>
    of.reduce((sum, set) => sum + Number(at(set, "status", field) ?? 0), 0);
  const wanted = Number(at(deployment, "spec", "replicas") ?? 1);
  const available = count("availableReplicas");
  const total = sets.reduce((sum, set) => sum + Number(at(set, "spec", "replicas") ?? 0), 0);
  const present = listAt(deployment, "status", "conditions");
  const now = secondsOf(deps.clock.now());
  const isAvailable = available >= wanted - mayLack;
  const status: Status = {
    observedGeneration: deployment.metadata.generation,
    replicas: unlessZero(count("replicas")),
    updatedReplicas: unlessZero(newest === undefined ? 0 : count("replicas", [newest])),
    readyReplicas: unlessZero(count("readyReplicas")),
    availableReplicas: unlessZero(available),
    unavailableReplicas: unlessZero(Math.max(0, total - available)),
    collisionCount: at(deployment, "status", "collisionCount"),
  };
  const availability = condition(present, {
    type: "Available",
    status: isAvailable ? "True" : "False",
    reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: isAvailable ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
    now,
  }, true);
  const failure = sets.flatMap((set) => listAt(set, "status", "conditions")).find((one) =>
    at(one, "type") === "ReplicaFailure"
  );
  const failures = failure === undefined ? [] : [
    condition(present, {
      type: "ReplicaFailure",
      status: "True",
      reason: String(at(failure, "reason")),
      message: String(at(failure, "message")),
      now,
    }, true),
  ];
  const { lookAgain, progress } = progressOf(deps, deployment, newest, status);
  const conditions = [availability, ...(progress === undefined ? [] : [progress]), ...failures];
  // The order stays as it was.
  const order = (one: unknown) => present.findIndex((old) => at(old, "type") === at(one, "type"));
  conditions.sort((a, b) => (order(a) === -1 ? 9 : order(a)) - (order(b) === -1 ? 9 : order(b)));
  return { status: { ...status, conditions }, ...(lookAgain === undefined ? {} : { lookAgain }) };
}

function progressOf(
  deps: ControllerDeps,
  deployment: KubeObject,
  newest: KubeObject | undefined,
  status: Status,
): { readonly progress?: Record<string, unknown>; readonly lookAgain?: number } {
  const deadline = at(deployment, "spec", "progressDeadlineSeconds");
  const present = listAt(deployment, "status", "conditions");
  const old = present.find((one) => at(one, "type") === "Progressing");
  const keep = old === undefined ? {} : { progress: old as Record<string, unknown> };
  if (typeof deadline !== "number" || deadline >= 2 ** 31 - 1) return {};
  const now = deps.clock.now();
  const say = (status: string, reason: string, message: string) => ({
    progress: condition(present, { type: "Progressing", status, reason, message, now: secondsOf(now) }, true),
  });
  if (at(deployment, "spec", "paused") === true) {
    if (at(old, "reason") === "DeploymentPaused") return keep;
    return say("Unknown", "DeploymentPaused", "Deployment is paused");
  }
  if (at(old, "reason") === "DeploymentPaused") return say("Unknown", "DeploymentResumed", "Deployment is resumed");
  if (newest === undefined) return keep;
  const named = `ReplicaSet "${newest.metadata.name}"`;
  if (isComplete(deployment, status)) {
    return say("True", "NewReplicaSetAvailable", `${named} has successfully progressed.`);
  }
  if (old === undefined) {
    return say("True", "NewReplicaSetCreated", `Created new replica set "${newest.metadata.name}"`);
  }
  const before = deployment.status;
  const has = (field: string, of: unknown) => Number(at(of, field) ?? 0);
  const oldReplicas = (of: unknown) => has("replicas", of) - has("updatedReplicas", of);
  const isProgress = has("updatedReplicas", status) > has("updatedReplicas", before) ||
    oldReplicas(status) < oldReplicas(before) ||
    has("readyReplicas", status) > has("readyReplicas", before) ||
    has("availableReplicas", status) > has("availableReplicas", before);
  const ms = deadline * 1000 / deps.timeScale;
  const isDone = at(old, "reason") === "NewReplicaSetAvailable";
  // Pods that come and go after a rollout don't begin another one.
  if (isDone && oldReplicas(status) === 0) return keep;
  if (isProgress || isDone) {
    const told = say("True", "ReplicaSetUpdated", `${named} is progressing.`).progress;
    return { progress: { ...told, lastUpdateTime: secondsOf(now) }, lookAgain: ms + 1000 };
  }
  const since = Date.parse(String(at(old, "lastUpdateTime")));
  if (at(old, "reason") === "ProgressDeadlineExceeded") return keep;
  if (now - since > ms) return say("False", "ProgressDeadlineExceeded", `${named} has timed out progressing.`);
  return { ...keep, lookAgain: since + ms - now + 1000 };
}
