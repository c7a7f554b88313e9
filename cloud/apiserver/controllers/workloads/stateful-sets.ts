// Keeps the numbered pods of a StatefulSet, one after the other, each with its own claims (Kubernetes v1.32
// `pkg/controller/statefulset`).
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { selectorMatches } from "../../kinds/label-selector.ts";
import type { Controller, ControllerDeps, KeyQueue } from "../controller.ts";
import { share } from "./counts.ts";
import { Owners } from "./owners.ts";
import { isEnded, isReady } from "../pod-state.ts";
import { availableIn, createPod, deletePod, manager, unlessZero, writeStatus } from "./pods.ts";
import { forgetOldRevisions, hashOf, type Revisions, revisionsOf } from "./revisions.ts";

const TABLE = "statefulsets.apps";
const COMPONENT = "statefulset-controller";
const HASH = "controller-revision-hash";

export const statefulSets: Controller = {
  name: "statefulset",
  start(deps) {
    const owners: Owners = new Owners(deps, {
      name: "statefulset",
      table: TABLE,
      kind: "StatefulSet",
      owned: ["pods"],
      selects: (owner, labels) => selectorMatches(at(owner, "spec", "selector"), labels),
      reconcile: (set, queue) => reconcile(deps, set, owners.claim(set, "pods"), queue),
    });
    return () => owners.stop();
  },
};

/** The number at the end of a pod's name; undefined where it is no pod of the set's naming. */
function ordinalOf(set: KubeObject, pod: KubeObject): number | undefined {
  const number = pod.metadata.name.startsWith(`${set.metadata.name}-`)
    ? pod.metadata.name.slice(set.metadata.name.length + 1)
    : "";
  return /^\d+$/.test(number) ? Number(number) : undefined;
}

function reconcile(deps: ControllerDeps, set: KubeObject, pods: readonly KubeObject[], queue: KeyQueue): void {
  const revisions = revisionsOf(deps, set);
  const { resources: { store } } = deps;
  try {
    if (set.metadata.deletionTimestamp === undefined) manage(deps, set, pods, revisions);
  } finally {
    const present = store.get(TABLE, keyOf(set)) ?? set;
    const after = deps.indices.controlledBy(set.metadata.uid as string, "pods").filter((pod) =>
      ordinalOf(set, pod) !== undefined
    );
    writeStatus(deps, TABLE, set, statusOf(deps, present, after, revisions));
    const waits = after.map((pod) => availableIn(pod, set, deps)).filter((wait) => wait > 0);
    const next = Math.min(...waits);
    if (Number.isFinite(next)) queue.addAfter(keyOf(set), next);
    const inUse = new Set([...after.map((pod) => pod.metadata.labels?.[HASH] ?? ""), currentOf(present, revisions)]);
    forgetOldRevisions(deps, set, revisions, inUse);
  }
}

/** The hash of the revision that pods below the partition, and those not updated yet, have. */
function currentOf(set: KubeObject, { all, current }: Revisions): string {
  const name = textAt(set, "status", "currentRevision");
  return hashOf(all.find(({ metadata }) => metadata.name === name) ?? current);
}

/** Makes, replaces and removes pods; in order one at a time, unless the set lets them go in parallel. */
function manage(deps: ControllerDeps, set: KubeObject, pods: readonly KubeObject[], revisions: Revisions): void {
  const start = Number(at(set, "spec", "ordinals", "start") ?? 0);
  const replicas = Number(at(set, "spec", "replicas") ?? 1);
  const isOrdered = textAt(set, "spec", "podManagementPolicy") !== "Parallel";
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]));
  const partition = Number(at(set, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0);
  const isRolling = textAt(set, "spec", "updateStrategy", "type") === "RollingUpdate";
  const isHealthy = (pod: KubeObject) =>
    availableIn(pod, set, deps) === 0 && pod.metadata.deletionTimestamp === undefined;

  for (let ordinal = start; ordinal < start + replicas; ordinal++) {
    let pod = byOrdinal.get(ordinal);
    if (pod !== undefined && isEnded(pod) && pod.metadata.deletionTimestamp === undefined) {
      deletePod(deps, set, pod, COMPONENT);
      pod = deps.resources.store.get("pods", keyOf(pod));
    }
    if (pod === undefined) {
      const isOld = isRolling && ordinal < start + partition;
      const revision = isOld
        ? revisions.all.find((one) => hashOf(one) === currentOf(set, revisions))
        : revisions.current;
      create(deps, set, ordinal, revision ?? revisions.current);
      if (isOrdered) return;
      continue;
    }
    if (isOrdered && !isHealthy(pod)) return;
  }
  // Those beyond the number go, the last first.
  const surplus = pods.filter((pod) => {
    const ordinal = ordinalOf(set, pod);
    return ordinal !== undefined && (ordinal < start || ordinal >= start + replicas);
  }).sort((a, b) => Number(ordinalOf(set, b)) - Number(ordinalOf(set, a)));
  for (const pod of surplus) {
    if (pod.metadata.deletionTimestamp === undefined) deletePod(deps, set, pod, COMPONENT);
    if (isOrdered) return;
  }
  if (!isRolling) return;
  const hash = hashOf(revisions.current);
  const limit = at(set, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable");
  let room = Math.max(1, share(limit ?? 1, replicas, "up"));
  for (let ordinal = start + replicas - 1; ordinal >= start + partition && room > 0; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) return;
    if (pod.metadata.labels?.[HASH] !== hash) {
      deletePod(deps, set, pod, COMPONENT);
      room--;
    } else if (!isHealthy(pod)) room--;
  }
}

function create(deps: ControllerDeps, set: KubeObject, ordinal: number, revision: KubeObject): void {
  const name = `${set.metadata.name}-${ordinal}`;
  const templates = listAt(set, "spec", "volumeClaimTemplates") as KubeObject[];
  for (const template of templates) ensureClaim(deps, set, template, name);
  const volumes = templates.map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: `${metadata.name}-${name}` },
  }));
  const { $patch: _patch, ...template } = at(revision, "data", "spec", "template") as Record<string, unknown>;
  const others = listAt(template, "spec", "volumes").filter((volume) =>
    !volumes.some((own) => own.name === at(volume, "name"))
  );
  createPod(deps, set, template, COMPONENT, {
    name,
    labels: {
      "statefulset.kubernetes.io/pod-name": name,
      "apps.kubernetes.io/pod-index": String(ordinal),
      [HASH]: hashOf(revision),
    },
    spec: {
      hostname: name,
      ...(textAt(set, "spec", "serviceName") === "" ? {} : { subdomain: textAt(set, "spec", "serviceName") }),
      ...(volumes.length + others.length === 0 ? {} : { volumes: [...volumes, ...others] }),
    },
  });
}

/** A claim stays when its pod goes: the next pod of that number has it again. */
function ensureClaim({ resources }: ControllerDeps, set: KubeObject, template: KubeObject, pod: string): void {
  const { namespace = "" } = set.metadata;
  const name = `${template.metadata.name}-${pod}`;
  const kind = resources.registry.find("", "v1", "persistentvolumeclaims");
  if (kind === undefined || resources.store.get(kind.table, `${namespace}/${name}`) !== undefined) return;
  const labels = { ...template.metadata.labels, ...at(set, "spec", "selector", "matchLabels") as object };
  const { annotations } = template.metadata;
  const metadata = { name, labels, ...(annotations === undefined ? {} : { annotations }) };
  resources.create(kind, namespace, structuredClone({ metadata, spec: template.spec }), { manager });
}

function statusOf(
  deps: ControllerDeps,
  set: KubeObject,
  pods: readonly KubeObject[],
  revisions: Revisions,
): Record<string, unknown> {
  const replicas = Number(at(set, "spec", "replicas") ?? 1);
  const updated = hashOf(revisions.current);
  const alive = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const ready = pods.filter(isReady);
  const updatedPods = alive.filter((pod) => pod.metadata.labels?.[HASH] === updated);
  const isPartitioned = Number(at(set, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0) > 0;
  const isDone = updatedPods.length === replicas && pods.length === replicas && updatedPods.every(isReady) &&
    !isPartitioned;
  const current = isDone || textAt(set, "status", "currentRevision") === "" ? updated : currentOf(set, revisions);
  const nameOf = (hash: string) => `${set.metadata.name}-${hash}`;
  return {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas: unlessZero(ready.length),
    currentReplicas: unlessZero(alive.filter((pod) => pod.metadata.labels?.[HASH] === current).length),
    updatedReplicas: unlessZero(updatedPods.length),
    currentRevision: nameOf(current),
    updateRevision: nameOf(updated),
    availableReplicas: pods.filter((pod) => availableIn(pod, set, deps) === 0).length,
    collisionCount: 0,
  };
}
