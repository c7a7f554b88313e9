// One pod of an edge: its phase, its containers' restarts and ends, and what has been reported of it.
import { type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import type { PodAddresses, PodPhase, PodView } from "./pod-status.ts";
import type { StagedPod } from "./staged-pod.ts";
import type { Status } from "./status-patch.ts";

/** A pod of this edge, and how far it is. */
export interface Pod {
  object: KubeObject;
  phase: PodPhase;
  /** The phase the cloud knows. */
  reported: PodPhase | undefined;
  startedAt: number;
  readonly addresses: PodAddresses;
  /** By container: how often it was started again. */
  readonly restarts: Map<string, number>;
  exit: PodView["exit"];
  end: PodView["end"];
  isEnding: boolean;
  /** The cloud has been asked to delete the object. */
  isReleased: boolean;
  isBusy: boolean;
  /** The cloud is being asked for what the pod needs. */
  isAsking: boolean;
  /** What the pod needs was there when it was asked for. */
  hasNeeds: boolean;
  /** Its way from stage to stage, once it has begun one. */
  stages: StagedPod | undefined;
  staged: Status | undefined;
  /** Its status in the store when the edge started: what stages go on from, whatever was reported of it meanwhile. */
  stored: Status | undefined;
  /** Why containers can't be created, where its configuration can't be read. */
  errors: ReadonlyMap<string, string>;
  /** Events that were written of it, each once. */
  readonly events: Set<string>;
  /** The log lines that its stages have written, each with its time. */
  logs: readonly string[];
}

/** Lines kept of a pod. */
const MAX_LOG_LINES = 1000;
const noErrors: ReadonlyMap<string, string> = new Map();
export const noLogs: readonly string[] = [];

/** A pod that the cloud has just sent. */
export function newPod(object: KubeObject, now: number, addresses: PodAddresses): Pod {
  return {
    object,
    phase: "creating",
    reported: undefined,
    startedAt: now,
    addresses,
    restarts: new Map(),
    exit: undefined,
    end: undefined,
    isEnding: false,
    isReleased: false,
    isBusy: false,
    isAsking: false,
    hasNeeds: false,
    stages: undefined,
    staged: undefined,
    stored: undefined,
    errors: noErrors,
    events: new Set(),
    logs: noLogs,
  };
}

/** Keeps what its containers have logged, each line with its time (RFC 3339). */
export function log(pod: Pod, lines: readonly string[], now: number): void {
  const time = new Date(now).toISOString();
  pod.logs = [...pod.logs, ...lines.map((line) => `${time} ${line}`)].slice(-MAX_LOG_LINES);
}

/** From here on the pod's phase decides. */
export function leaveStages(pod: Pod): void {
  pod.stages?.stop();
  pod.staged = undefined;
}

export function restarted(pod: Pod, container: string): void {
  pod.restarts.set(container, (pod.restarts.get(container) ?? 0) + 1);
}

/** The containers whose image is another one. */
export function changedContainers(old: KubeObject, pod: KubeObject): string[] {
  const images = (of: KubeObject) =>
    new Map(listAt(of, "spec", "containers").map((c) => [textAt(c, "name"), textAt(c, "image")]));
  const before = images(old);
  return [...images(pod)].filter(([name, image]) => before.has(name) && before.get(name) !== image).map(([name]) =>
    name
  );
}
