// The edge's pods: started when what they mount is there, reported, stopped within their grace.
import { isDeepStrictEqual } from "node:util";
import type { Clock, Timer } from "../../base/time/clock.ts";
import { every } from "../../base/time/clock.ts";
import type { Random } from "../../base/random/random.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { at, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { CloudError, type MetaManager } from "../metamanager/metamanager.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import type { PodReports } from "./pod-reports.ts";
import {
  hasStarted,
  lostExit,
  phaseOf,
  type PodAddresses,
  type PodPhase,
  podStatus,
  type PodView,
} from "./pod-status.ts";
import { type PodConfig, type PodEvent, readPodConfig } from "./pod-config.ts";
import { needsOf, tokensOf } from "./pod-needs.ts";
import { storageNeeds } from "./pod-storage.ts";
import { StagedPod } from "./staged-pod.ts";
import type { Stages } from "./stages.ts";
import type { Status } from "./status-patch.ts";

/** Injected dependencies. */
export interface PodsDeps {
  readonly node: string;
  readonly address: string;
  readonly reports: PodReports;
  readonly meta: MetaManager;
  readonly store: EdgeStore;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isConnected: () => boolean;
  /** A cloud of v1.1 does not answer where something is missing: nothing must wait for it. */
  readonly isV11: boolean;
  readonly random: Random;
  /** Writes an event about a pod, where the cloud can be had. */
  readonly tell: (pod: KubeObject, event: PodEvent) => void;
  /** Pods that these are for live by them until they are to go. */
  readonly stages?: Stages;
}

interface Pod {
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
  /** What its stages have made it say, each line with its time. */
  logs: readonly string[];
}

/** Lines kept of a pod. */
const MAX_LOG_LINES = 1000;
const noErrors: ReadonlyMap<string, string> = new Map();
const noLogs: readonly string[] = [];

/** What a pod can be made to do. */
export type PodAction = "complete" | "fail" | "unready" | "ready";

/** A simulated kubelet: no containers, but everything the cloud can see of them. */
export class EdgePods {
  readonly #deps: PodsDeps;
  readonly #pods = new Map<string, Pod>();
  readonly #timers = new Set<Timer>();
  /** Images that can't be had, for now. */
  readonly #missingImages = new Set<string>();
  /** Service-account tokens that have been asked for since the start: a kubelet keeps them in memory only. */
  readonly #tokens = new Set<string>();
  #sync: Timer | undefined;
  #addresses = 0;

  constructor(deps: PodsDeps) {
    this.#deps = deps;
  }

  /** Pods that run, by phase. */
  count(phase: PodPhase): number {
    return [...this.#pods.values()].filter((pod) => pod.phase === phase).length;
  }

  /** The edge starts: pods from the store run again, and what could not be reported is tried from time to time. */
  start(): void {
    const { clock, reports, store, timings } = this.#deps;
    reports.start();
    for (const [, pod] of store.entries(resourceTypes.pod)) {
      this.put(pod);
      this.#restart(pod);
    }
    this.#sync = every(clock, timings.podSync, () => this.#advanceAll());
  }

  /** What ran when the edge stopped is restarted: how it ended is unknown. */
  #restart({ metadata, status }: KubeObject): void {
    const pod = this.#pods.get(metadata.uid ?? "");
    if (pod === undefined || pod.phase !== "creating" || textAt(status, "phase") !== "Running") return;
    pod.exit = lostExit;
    pod.stored = status as Status;
    for (const container of listAt(status, "containerStatuses")) {
      pod.restarts.set(textAt(container, "name"), Number(at(container, "restartCount") ?? 0) + 1);
    }
  }

  connected(): void {
    this.#advanceAll();
  }

  /** Something has come that pods may wait for. */
  wake(): void {
    this.#advanceAll();
  }

  stop(): void {
    this.#sync?.cancel();
    this.#deps.reports.stop();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    for (const { stages } of this.#pods.values()) stages?.stop();
    this.#pods.clear();
    this.#tokens.clear();
  }

  /** An image can't be had from now on, or again can. Pods that wait for it are started at the next look. */
  setImage(image: string, isThere: boolean): void {
    if (isThere) this.#missingImages.delete(image);
    else this.#missingImages.add(image);
    this.#advanceAll();
  }

  /**
   * Makes a running pod do something: its containers `complete` or `fail`, and are started again as its restartPolicy says;
   * it becomes `unready` or `ready`. False where there is no such pod running.
   */
  make(namespace: string, name: string, action: PodAction, exitCode = action === "fail" ? 1 : 0): boolean {
    const pod = this.#named(namespace, name);
    if (pod === undefined || !["running", "unready"].includes(pod.phase)) return false;
    leaveStages(pod);
    if (action === "ready" || action === "unready") pod.phase = action === "ready" ? "running" : "unready";
    else this.#exit(pod, exitCode);
    void this.#advance(pod);
    return true;
  }

  /** What a pod's stages have made its containers say: lines, each with its time before it (RFC 3339), the last thousand. */
  logs(namespace: string, name: string): readonly string[] {
    return this.#named(namespace, name)?.logs ?? noLogs;
  }

  /** Of all pods that have said something, by `namespace/name`. */
  allLogs(): Record<string, string> {
    const said = [...this.#pods.values()].filter(({ logs }) => logs.length > 0);
    return Object.fromEntries(
      said.map((
        { logs, object: { metadata } },
      ) => [`${metadata.namespace ?? "default"}/${metadata.name}`, logs.join("\n")]),
    );
  }

  #named(namespace: string, name: string): Pod | undefined {
    return this.#pods.values().find(({ object: { metadata } }) =>
      metadata.name === name && (metadata.namespace ?? "default") === namespace
    );
  }

  /** All containers have ended by themselves. What was started again and ends again waits for its turn. */
  #exit(pod: Pod, code: number): void {
    const { clock, timings } = this.#deps;
    const policy = textAt(pod.object, "spec", "restartPolicy") || "Always";
    const exit = { code, at: clock.now(), startedAt: pod.startedAt };
    if (policy === "Never" || (policy === "OnFailure" && code === 0)) {
      pod.end = exit;
      pod.phase = code === 0 ? "stopped" : "failed";
      return;
    }
    pod.exit = exit;
    pod.phase = "backoff";
    this.#later(timings.crashBackoff, () => {
      if (pod.phase !== "backoff") return;
      for (const container of listAt(pod.object, "spec", "containers")) restarted(pod, textAt(container, "name"));
      pod.startedAt = clock.now();
      pod.phase = "running";
      void this.#advance(pod);
    });
  }

  #later(ms: number, run: () => void): void {
    const timer = this.#deps.clock.after(ms, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }

  /** The cloud has sent a pod, or a new version of one. */
  put(object: KubeObject): void {
    const uid = object.metadata.uid ?? "";
    const known = this.#pods.get(uid);
    if (known === undefined) {
      const pod: Pod = {
        object,
        phase: "creating",
        reported: undefined,
        startedAt: this.#deps.clock.now(),
        addresses: { host: this.#deps.address, pod: this.#nextAddress() },
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
      this.#pods.set(uid, pod);
      // A pod that had ended before this edge started again stays ended.
      const ended = textAt(object, "status", "phase");
      if (ended === "Succeeded") pod.phase = pod.reported = "stopped";
      if (ended === "Failed") pod.phase = pod.reported = "failed";
    } else {
      const changed = known.phase === "running" ? changedContainers(known.object, object) : [];
      for (const container of changed) {
        restarted(known, container);
        known.exit ??= { code: 0, at: this.#deps.clock.now() };
        known.reported = undefined;
      }
      known.object = object;
      if (known.staged !== undefined) known.stages?.replace(object);
    }
    const pod = this.#pods.get(uid) as Pod;
    if (object.metadata.deletionTimestamp !== undefined) this.#end(pod);
    void this.#advance(pod);
  }

  /** The cloud has deleted the pod. What still runs is ended, and its end reported, although the cloud will not store it. */
  delete(object: KubeObject): void {
    const pod = this.#pods.get(object.metadata.uid ?? "");
    if (pod === undefined) return;
    this.#pods.delete(object.metadata.uid ?? "");
    leaveStages(pod);
    const { clock, isConnected, reports } = this.#deps;
    if (!["running", "unready", "backoff"].includes(pod.phase) || !isConnected()) return reports.forget(object);
    pod.phase = "stopped";
    pod.end = { code: 0, at: clock.now(), startedAt: pod.startedAt };
    this.#report(pod).catch((error) => this.#notMoved(pod, error)).finally(() => reports.forget(object));
  }

  #advanceAll(): void {
    for (const pod of [...this.#pods.values()]) void this.#advance(pod);
  }

  /** Containers get their grace to stop; simulated ones take a moment at most. */
  #end(pod: Pod): void {
    if (pod.isEnding) return;
    pod.isEnding = true;
    leaveStages(pod);
    const grace = Number(pod.object.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    this.#later(Math.min(grace, this.#deps.timings.podStop), () => {
      pod.end ??= { code: 0, at: this.#deps.clock.now(), startedAt: pod.startedAt };
      if (pod.phase !== "failed") pod.phase = "stopped";
      void this.#advance(pod);
    });
  }

  /** Moves a pod on as far as it goes now; one step at a time, so that reports keep their order. */
  async #advance(pod: Pod): Promise<void> {
    if (pod.isBusy || !this.#deps.isConnected()) return;
    pod.isBusy = true;
    try {
      while (this.#pods.get(pod.object.metadata.uid ?? "") === pod && await this.#step(pod));
    } catch (error) {
      this.#notMoved(pod, error);
    } finally {
      pod.isBusy = false;
    }
  }

  #notMoved({ object: { metadata } }: Pod, error: unknown): void {
    this.#deps.logger.debug("a pod could not be moved on; if it is still there, it is tried again", {
      pod: `${metadata.namespace}/${metadata.name}`,
      error: reasonOf(error),
    });
  }

  /** Does the next thing there is to do; false where there is none for now. */
  async #step(pod: Pod): Promise<boolean> {
    if (pod.reported !== pod.phase) {
      await this.#report(pod);
      return true;
    }
    if (!hasStarted(pod.phase)) {
      if (pod.isEnding || !await this.#hasAllItNeeds(pod)) return false;
      if (this.#deps.stages?.areFor(pod.object)) {
        if (!pod.isEnding) pod.stages ??= this.#beginStages(pod);
        return false;
      }
      const isMissing = listAt(pod.object, "spec", "containers").some((c) =>
        this.#missingImages.has(textAt(c, "image"))
      );
      const { errors } = this.#configOf(pod);
      const next = isMissing ? "unpulled" : errors.size > 0 ? "unconfigured" : "running";
      const isSame = pod.phase === next && isDeepStrictEqual(pod.errors, errors);
      if (pod.isEnding || isSame || hasStarted(pod.phase)) return false;
      if (pod.phase === next) pod.reported = undefined;
      if (next === "unconfigured" && pod.phase !== next) pod.startedAt = this.#deps.clock.now();
      pod.errors = errors;
      if (next === "running") pod.startedAt = this.#deps.clock.now();
      pod.phase = next;
      return true;
    }
    if ((pod.phase === "stopped" || pod.phase === "failed") && pod.isEnding && !pod.isReleased) {
      await this.#deps.reports.release(pod.object);
      pod.isReleased = true;
    }
    return false;
  }

  async #report(pod: Pod): Promise<void> {
    const { phase, object, staged } = pod;
    await this.#deps.reports.report(object, pod);
    // The next report contains a change that came meanwhile.
    if (pod.staged !== staged) return;
    if (pod.object === object || changedContainers(object, pod.object).length === 0) pod.reported = phase;
  }

  /** From here on its status is what its stages make of it; it begins with the one it has. */
  #beginStages(pod: Pod): StagedPod {
    const { clock, logger, random, stages, timings } = this.#deps;
    const { object } = pod;
    const { namespace = "default", name } = object.metadata;
    const now = clock.now();
    const status = pod.stored ?? object.status as Status | undefined;
    const hasPhase = ["Running", "Succeeded", "Failed"].includes(textAt(status, "phase"));
    pod.staged = hasPhase ? status as Status : podStatus(object, pod, now);
    if (hasPhase) pod.phase = phaseOf(pod.staged);
    return new StagedPod({ ...object, status: pod.staged }, {
      stages: stages as Stages,
      clock,
      random: random.stream(`stages/${namespace}/${name}`),
      millisecond: timings.deviceMillisecond,
      changed: (status) => {
        pod.staged = status;
        pod.phase = phaseOf(status);
        pod.reported = undefined;
        void this.#advance(pod);
      },
      logged: (lines) => {
        const at = new Date(clock.now()).toISOString();
        pod.logs = [...pod.logs, ...lines.map((line) => `${at} ${line}`)].slice(-MAX_LOG_LINES);
      },
      failed: (error) =>
        logger.warn("a stage could not be worked out; its pod stays as it is", {
          pod: `${namespace}/${name}`,
          error: reasonOf(error),
        }),
    });
  }

  /** Whether all is there that a pod needs; asks the cloud for the rest. */
  async #hasAllItNeeds(pod: Pod): Promise<boolean> {
    if (!this.#deps.isV11) return await this.#fetchNeeds(pod);
    const { object } = pod;
    const hasClaims = listAt(object, "spec", "volumes").some((v) => at(v, "persistentVolumeClaim") !== undefined);
    const { store } = this.#deps;
    if (pod.hasNeeds || (!hasClaims && needsOf(object).every(({ path }) => store.get(path) !== undefined))) return true;
    if (pod.isAsking) return false;
    pod.isAsking = true;
    this.#fetchNeeds(pod).then((has) => pod.hasNeeds = has, () => {}).finally(() => {
      pod.isAsking = false;
      if (pod.hasNeeds) void this.#advance(pod);
    });
    return false;
  }

  /** Asks the cloud for configmaps, secrets, volumes and tokens that aren't here yet. */
  async #fetchNeeds(pod: Pod): Promise<boolean> {
    const { meta, node, reports, store } = this.#deps;
    for (const need of needsOf(pod.object)) {
      if (store.get(need.path) !== undefined) continue;
      try {
        await meta.query(need.path);
      } catch (error) {
        if (!(error instanceof CloudError)) throw error;
      }
    }
    if (this.#configOf(pod).unmounted !== undefined || !await storageNeeds(meta, node, pod.object)) return false;
    for (const token of reports.hasTokens ? tokensOf(pod.object) : []) {
      const { path, content } = token;
      if (store.get(path) !== undefined && this.#tokens.has(path)) continue;
      await meta.query(path, content);
      this.#tokens.add(path);
    }
    return true;
  }

  /** What keeps the pod from starting; events say so, each once. */
  #configOf(pod: Pod): PodConfig {
    const { store, tell } = this.#deps;
    const config = readPodConfig(pod.object, (path) => store.get(path));
    for (const event of config.events) {
      if (pod.events.has(event.message)) continue;
      pod.events.add(event.message);
      tell(pod.object, event);
    }
    return config;
  }

  #nextAddress(): string {
    this.#addresses++;
    return `10.88.${(this.#addresses >> 8) & 255}.${this.#addresses & 255}`;
  }
}

/** From here on the pod is what its phase says. */
function leaveStages(pod: Pod): void {
  pod.stages?.stop();
  pod.staged = undefined;
}

function restarted(pod: Pod, container: string): void {
  pod.restarts.set(container, (pod.restarts.get(container) ?? 0) + 1);
}

/** The containers whose image is another one. */
function changedContainers(old: KubeObject, pod: KubeObject): string[] {
  const images = (of: KubeObject) =>
    new Map(listAt(of, "spec", "containers").map((c) => [textAt(c, "name"), textAt(c, "image")]));
  const before = images(old);
  return [...images(pod)].filter(([name, image]) => before.has(name) && before.get(name) !== image).map(([name]) =>
    name
  );
}
