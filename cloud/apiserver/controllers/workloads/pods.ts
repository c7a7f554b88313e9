// What all controllers of workloads do with pods: tell their state, create them from templates, delete them, with Events.
import {
  at,
  isPlainObject,
  type KubeObject,
  type OwnerReference,
  textAt,
} from "../../../../protocol/apis/kube-object.ts";
import { reasonOf } from "../../../../base/log/logger.ts";
import { deepEqual } from "../../patch/json-patch.ts";
import type { ControllerDeps } from "../controller.ts";
import { recordEvent } from "../events.ts";
import { readyCondition } from "../pod-state.ts";

/** The manager that a real controller manager writes under. */
export const manager = "kube-controller-manager";

/** Milliseconds until a pod that is ready counts as available: 0 where it is; Infinity where it is not ready. */
export function availableIn(pod: KubeObject, owner: KubeObject, { clock, timeScale }: ControllerDeps): number {
  const condition = readyCondition(pod);
  if (condition === undefined) return Infinity;
  const wait = Number(at(owner, "spec", "minReadySeconds") ?? 0) * 1000 / timeScale;
  if (wait === 0) return 0;
  const since = Date.parse(textAt(condition, "lastTransitionTime"));
  return Number.isNaN(since) ? Infinity : Math.max(0, since + wait - clock.now());
}

/** The reference to the controller of an object. */
export function controllerOf(object: KubeObject | undefined): OwnerReference | undefined {
  return object?.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

export function referenceTo(owner: KubeObject): OwnerReference {
  const { apiVersion = "v1", kind = "", metadata: { name, uid = "" } } = owner;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** What a controller adds to the template of a pod. */
export interface PodMore {
  readonly name?: string;
  /** What its name begins with, where it has none. Default: the owner's name. */
  readonly generateName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly spec?: Readonly<Record<string, unknown>>;
}

/**
 * Creates a pod from its owner's template. Throws where the API refuses it, after an Event that says so; `component` names
 * the controller in Events.
 */
export function createPod(
  deps: ControllerDeps,
  owner: KubeObject,
  template: unknown,
  component: string,
  more: PodMore = {},
): KubeObject {
  const { clock, resources } = deps;
  const { name: ownerName, namespace = "" } = owner.metadata;
  const { annotations, finalizers, generateName = `${ownerName}-`, labels, name, spec } = more;
  const own = (at(template, "metadata") ?? {}) as Record<string, Readonly<Record<string, string>>>;
  const all = { ...own.annotations, ...annotations };
  const pod = {
    metadata: {
      ...(name === undefined ? { generateName } : { name }),
      labels: { ...own.labels, ...labels },
      ...(Object.keys(all).length === 0 ? {} : { annotations: all }),
      finalizers: [...(Array.isArray(own.finalizers) ? own.finalizers : []), ...finalizers ?? []],
      ownerReferences: [referenceTo(owner)],
    },
    spec: { ...at(template, "spec") as object, ...spec },
  };
  const kind = resources.registry.find("", "v1", "pods");
  if (kind === undefined) throw new Error("no kind Pod");
  try {
    const { object } = resources.create(kind, namespace, structuredClone(pod), { manager });
    const message = `Created pod: ${object.metadata.name}`;
    recordEvent(resources, owner, { type: "Normal", reason: "SuccessfulCreate", message, component }, clock.now());
    return object;
  } catch (error) {
    const message = `Error creating: ${reasonOf(error)}`;
    recordEvent(resources, owner, { type: "Warning", reason: "FailedCreate", message, component }, clock.now());
    throw error;
  }
}

/** Deletes a pod with its grace; one that is being deleted is left alone. */
export function deletePod(deps: ControllerDeps, owner: KubeObject, pod: KubeObject, component: string): void {
  if (pod.metadata.deletionTimestamp !== undefined) return;
  deleteObject(deps, "pods", pod);
  const message = `Deleted pod: ${pod.metadata.name}`;
  recordEvent(
    deps.resources,
    owner,
    { type: "Normal", reason: "SuccessfulDelete", message, component },
    deps.clock.now(),
  );
}

export function deleteObject({ resources }: ControllerDeps, table: string, object: KubeObject): void {
  const kind = resources.registry.ofTable(table);
  const { name, namespace = "", uid } = object.metadata;
  if (kind === undefined || resources.store.get(table, `${namespace}/${name}`)?.metadata.uid !== uid) return;
  resources.delete({ kind, namespace, name }, { propagationPolicy: "Background" });
}

/** Changes a part of an object as a merge patch. */
export function patchObject(
  { resources }: ControllerDeps,
  table: string,
  object: KubeObject,
  patch: unknown,
): KubeObject {
  const kind = resources.registry.ofTable(table);
  if (kind === undefined) throw new Error(`no kind for ${table}`);
  const { name, namespace = "" } = object.metadata;
  const target = { kind, namespace, name };
  return resources.patch(target, "application/merge-patch+json", patch as never, "", { manager }).object;
}

/** Writes a status where it differs; fields that are undefined are left out. */
export function writeStatus(
  { resources }: ControllerDeps,
  table: string,
  object: KubeObject,
  status: Record<string, unknown>,
): void {
  const { name, namespace = "" } = object.metadata;
  const present = resources.store.get(table, `${namespace}/${name}`);
  if (present === undefined || present.metadata.uid !== object.metadata.uid) return;
  const wanted = Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
  if (deepEqual(present.status ?? {}, wanted)) return;
  resources.store.put(table, { ...present, status: wanted } as KubeObject);
}

/** A number that is left out of a status where it is zero. */
export function unlessZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

/** A condition of a status; its time of transition is kept while its status is. */
export function condition(
  present: readonly unknown[],
  { now, ...facts }: { type: string; status: string; reason: string; message: string; now: string },
  withUpdateTime: boolean,
): Record<string, unknown> {
  const old = present.find((one) => at(one, "type") === facts.type);
  const isSame = at(old, "status") === facts.status && at(old, "reason") === facts.reason &&
    at(old, "message") === facts.message;
  if (isSame && isPlainObject(old)) return old;
  const lastTransitionTime = at(old, "status") === facts.status ? at(old, "lastTransitionTime") : now;
  return {
    type: facts.type,
    status: facts.status,
    ...(withUpdateTime ? { lastUpdateTime: now } : {}),
    lastTransitionTime,
    reason: facts.reason,
    message: facts.message,
  };
}
