// What a kubelet would say of a pod, as the patch that edgecore sends.
import { secondsOf } from "../../protocol/apis/time.ts";
import { type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { type Condition, sortedJson, type Status, statusPatch, withTransitions } from "./status-patch.ts";

/**
 * The simulated phase of a pod. `unpulled`: its image can't be pulled; `unconfigured`: a container's configuration can't be read,
 * so that it isn't created, and the others run; `unready`: it runs and its probe fails; `backoff`: a
 * container ended and waits to be started again; `stopped` and `failed` are the end.
 */
export type PodPhase =
  | "creating"
  | "unpulled"
  | "unconfigured"
  | "running"
  | "unready"
  | "backoff"
  | "stopped"
  | "failed";

/** Addresses the pod reports. */
export interface PodAddresses {
  readonly host: string;
  readonly pod: string;
}

/** What there is to say of a pod. Times are Unix milliseconds. */
export interface PodView {
  readonly phase: PodPhase;
  readonly addresses: PodAddresses;
  readonly startedAt: number;
  /** By container: how often it was started again. */
  readonly restarts: ReadonlyMap<string, number>;
  /** The containers' last end, where there was one; without a time where it was not observed. */
  readonly exit?: PodExit | undefined;
  /** The end of the present run, once it is over for good. */
  readonly end?: PodExit | undefined;
  /** By container: why it can't be created, where the pod is `unconfigured`. */
  readonly errors?: ReadonlyMap<string, string>;
  /** The status that its stages have computed, for a pod with stages. */
  readonly staged?: Status | undefined;
}

/** How containers ended. `at` and `startedAt` are Unix milliseconds. */
export interface PodExit {
  readonly code: number;
  readonly at?: number;
  readonly startedAt?: number;
}

/** The exit code of containers whose end was not observed. */
export const lostExit: PodExit = { code: 137 };

/** Whether its containers have ever run, as far as the phase tells. */
export function hasStarted(phase: PodPhase): boolean {
  return phase !== "creating" && phase !== "unpulled" && phase !== "unconfigured";
}

/** The stage of life of a pod with this phase. */
export function phaseOf(status: Status): PodPhase {
  const found = (["running", "stopped", "failed"] as const).find((phase) => phases[phase] === status.phase);
  return found ?? "creating";
}

const phases: Readonly<Record<PodPhase, string>> = {
  creating: "Pending",
  unpulled: "Pending",
  unconfigured: "Pending",
  running: "Running",
  unready: "Running",
  backoff: "Running",
  stopped: "Succeeded",
  failed: "Failed",
};

/**
 * The patch from the status the cloud has to the one the pod has now, as a JSON text; `metadata.uid` makes the API refuse
 * it for a recreated pod.
 */
export function podPatch(pod: KubeObject, view: PodView, now: number): string {
  const before = (pod.status ?? {}) as Status;
  return sortedJson({ metadata: { uid: pod.metadata.uid }, status: statusPatch(before, podStatus(pod, view, now)) });
}

/** The status a pod has now, with the parts of its former status that must not change. */
export function podStatus(pod: KubeObject, view: PodView, now: number): Status {
  const before = (pod.status ?? {}) as Status;
  const { addresses, phase, staged, startedAt } = view;
  if (staged !== undefined) {
    const conditions = (staged.conditions ?? []) as readonly Condition[];
    return { ...staged, conditions: withTransitions(before, conditions, secondsOf(now)) };
  }
  const init = initStatuses(pod, view);
  const { podIP: _ip, podIPs: _ips, message: _message, reason: _reason, ...rest } = before;
  return {
    ...rest,
    conditions: withTransitions(before, conditionsOf(pod, view), secondsOf(now)),
    containerStatuses: listAt(pod, "spec", "containers").map((container) =>
      containerStatus(container, view, now, init.length > 0)
    ),
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    hostIP: addresses.host,
    hostIPs: [{ ip: addresses.host }],
    // What ran before is Running also while it is started again.
    phase: phase === "creating" && view.exit !== undefined ? "Running" : phases[phase],
    ...(hasStarted(phase) || phase === "unconfigured" ? { podIP: addresses.pod, podIPs: [{ ip: addresses.pod }] } : {}),
    startTime: (before.startTime as string | undefined) ?? secondsOf(startedAt),
  };
}

function conditionsOf(pod: KubeObject, { errors, phase }: PodView) {
  const hasBadInit = phase === "unconfigured" && initNames(pod).some((name) => errors?.has(name));
  const names = listAt(pod, "spec", "containers").map((container) => textAt(container, "name"))
    .filter((name) => phase !== "unconfigured" || hasBadInit || errors?.has(name));
  const hasEnded = phase === "stopped" || phase === "failed";
  const hasSandbox = !hasEnded && phase !== "creating";
  const isReady = phase === "running";
  const ended = phase === "stopped" ? { reason: "PodCompleted" } : { reason: "PodFailed" };
  const unready = { reason: "ContainersNotReady", message: `containers with unready status: [${names.join(" ")}]` };
  const because = isReady ? {} : hasEnded ? ended : unready;
  const condition = (type: string, status: boolean, why: Record<string, string> = {}) => ({
    lastProbeTime: null,
    ...why,
    status: status ? "True" : "False",
    type,
  });
  return [
    condition("PodReadyToStartContainers", hasSandbox),
    hasBadInit
      ? condition("Initialized", false, {
        reason: "ContainersNotInitialized",
        message: `containers with incomplete status: [${initNames(pod).join(" ")}]`,
      })
      : condition("Initialized", true, phase === "stopped" ? ended : {}),
    condition("Ready", isReady, because),
    condition("ContainersReady", isReady, because),
    condition("PodScheduled", true),
  ];
}

function initNames(pod: KubeObject): string[] {
  return listAt(pod, "spec", "initContainers").map((container) => textAt(container, "name"));
}

/** Init containers are not simulated, but for those that can't be created: the pod waits for the first of these. */
function initStatuses(pod: KubeObject, { errors, phase }: PodView): Status[] {
  const failing = phase === "unconfigured" ? initNames(pod).find((name) => errors?.has(name)) : undefined;
  if (failing === undefined) return [];
  const containers = listAt(pod, "spec", "initContainers");
  const at = containers.findIndex((container) => textAt(container, "name") === failing);
  return containers.slice(at).map((container, i) => ({
    image: textAt(container, "image"),
    imageID: "",
    lastState: {},
    name: textAt(container, "name"),
    ready: false,
    restartCount: 0,
    started: false,
    state: {
      waiting: i === 0
        ? { reason: "CreateContainerConfigError", message: errors?.get(failing) }
        : { reason: "PodInitializing" },
    },
  }));
}

function containerStatus(container: unknown, view: PodView, now: number, isInitializing: boolean): Status {
  const { exit, phase } = view;
  const name = textAt(container, "name");
  const image = textAt(container, "image");
  const containerID = `skep://${name}`;
  const restartCount = view.restarts.get(name) ?? 0;
  const startedAt = secondsOf(view.startedAt);
  const ended = ({ code, at, startedAt: from = view.startedAt }: PodExit) =>
    at === undefined ? { exitCode: code, finishedAt: null, ...lost, startedAt: null } : {
      containerID,
      exitCode: code,
      finishedAt: secondsOf(at),
      reason: code === 0 ? "Completed" : "Error",
      startedAt: secondsOf(from),
    };
  const mounts = listAt(container, "volumeMounts").map(mountStatus);
  const common = {
    image,
    name,
    lastState: exit !== undefined && restartCount > 0 ? { terminated: ended(exit) } : {},
    restartCount,
    ...(mounts.length === 0 ? {} : { volumeMounts: mounts }),
  };
  const pulled = { imageID: image, containerID };
  const waiting = (reason: string, message?: string) => ({
    waiting: { reason, ...(message === undefined ? {} : { message }) },
  });
  switch (phase) {
    case "creating":
      return { ...common, imageID: "", ready: false, started: false, state: waiting("ContainerCreating") };
    case "unpulled": {
      const state = waiting("ImagePullBackOff", `Back-off pulling image "${image}"`);
      return { ...common, imageID: "", ready: false, started: false, state };
    }
    case "unconfigured": {
      const error = view.errors?.get(name);
      if (error === undefined && !isInitializing) {
        return { ...common, ...pulled, ready: true, started: true, state: { running: { startedAt } } };
      }
      const state = error === undefined || isInitializing
        ? waiting("PodInitializing")
        : waiting("CreateContainerConfigError", error);
      return { ...common, imageID: "", ready: false, started: false, state };
    }
    case "running":
    case "unready":
      return { ...common, ...pulled, ready: phase === "running", started: true, state: { running: { startedAt } } };
    case "backoff": {
      const state = waiting("CrashLoopBackOff", `back-off restarting failed container=${name}`);
      const lastState = { terminated: ended(exit ?? { code: 1, at: now }) };
      return { ...common, ...pulled, lastState, ready: false, started: false, state };
    }
    case "stopped":
    case "failed": {
      const state = { terminated: ended(view.end ?? { code: 0, at: now }) };
      return { ...common, ...pulled, ready: false, started: false, state };
    }
  }
}

const lost = {
  message: "The container could not be located when the pod was deleted.  The container used to be Running",
  reason: "ContainerStatusUnknown",
};

function mountStatus(mount: unknown): Status {
  const isReadOnly = (mount as { readOnly?: boolean }).readOnly === true;
  return {
    mountPath: textAt(mount, "mountPath"),
    name: textAt(mount, "name"),
    ...(isReadOnly ? { readOnly: true, recursiveReadOnly: "Disabled" } : {}),
  };
}
