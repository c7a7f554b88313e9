// The pods of an edge: started when their configmaps, secrets and volumes are there, reported, and stopped within their grace period.
import type { EdgeEra } from "../era/edge-era.ts";
import { isDeepStrictEqual } from "node:util";
import type { Clock, Timer } from "../../base/time/clock.ts";
import { every } from "../../base/time/clock.ts";
import type { Random } from "../../base/random/random.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { at, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import type { MetaManager } from "../metamanager/metamanager.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import type { PodReports } from "./pod-reports.ts";
import { hasStarted, lostExit, type PodPhase } from "./pod-status.ts";
import { changedContainers, leaveStages, newPod, noLogs, type Pod, restarted } from "./pod.ts";
import type { PodEvent } from "./pod-config.ts";
import { PodRequirements } from "./pod-requirements.ts";
import { beginStages } from "./pod-stages.ts";
import type { StagedPod } from "./staged-pod.ts";
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
  readonly era: EdgeEra;
  readonly random: Random;
  /** Sends an Event about a pod; without a connection it is lost. */
  readonly tell: (pod: KubeObject, event: PodEvent) => void;
  /** Stages: pods they select go through them until they are deleted. */
  readonly stages?: Stages;
}

/** How a running pod can be changed. */
export type PodAction = "complete" | "fail" | "unready" | "ready";

/** A simulated kubelet: no containers, but everything the cloud can see of them. */
export class EdgePods {
  readonly #deps: PodsDeps;
  readonly #pods = new Map<string, Pod>();
  readonly #timers = new Set<Timer>();
  /** Images that can't be pulled for now. */
  readonly #missingImages = new Set<string>();
  readonly #requirements: PodRequirements;
  #sync: Timer | undefined;
  #addresses = 0;

  constructor(deps: PodsDeps) {
    this.#deps = deps;
    this.#requirements = new PodRequirements({ ...deps, advance: (pod) => void this.#advance(pod) });
  }

  /** Pods that run, by phase. */
  count(phase: PodPhase): number {
    return [...this.#pods.values()].filter((pod) => pod.phase === phase).length;
  }

  /** The edge starts: pods from the store run again, and what could not be reported is retried periodically. */
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

  /** An object that pods may wait for has arrived. */
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
    this.#requirements.clear();
  }

  /** Sets whether an image can be pulled. Pods that wait for it are started. */
  setImage(image: string, isThere: boolean): void {
    if (isThere) this.#missingImages.delete(image);
    else this.#missingImages.add(image);
    this.#advanceAll();
  }

  /**
   * Changes a running pod: its containers `complete` or `fail`, and are restarted as its restartPolicy says;
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

  /** The log of a pod, as its stages have written it: the last thousand lines, each after its time (RFC 3339). */
  logs(namespace: string, name: string): readonly string[] {
    return this.#named(namespace, name)?.logs ?? noLogs;
  }

  /** The logs of all pods that have one, by `namespace/name`. */
  allLogs(): Record<string, string> {
    const withLogs = [...this.#pods.values()].filter(({ logs }) => logs.length > 0);
    return Object.fromEntries(
      withLogs.map((
        { logs, object: { metadata } },
      ) => [`${metadata.namespace ?? "default"}/${metadata.name}`, logs.join("\n")]),
    );
  }

  #named(namespace: string, name: string): Pod | undefined {
    return this.#pods.values().find(({ object: { metadata } }) =>
      metadata.name === name && (metadata.namespace ?? "default") === namespace
    );
  }

  /** All containers have ended by themselves; they are restarted after the back-off, as the restartPolicy says. */
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
      const pod = newPod(object, this.#deps.clock.now(), { host: this.#deps.address, pod: this.#nextAddress() });
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

  /** The cloud has deleted the pod. Stops running containers and reports it, although the cloud does not store that. */
  delete(object: KubeObject): void {
    const pod = this.#pods.get(object.metadata.uid ?? "");
    if (pod === undefined) return;
    this.#pods.delete(object.metadata.uid ?? "");
    leaveStages(pod);
    this.#requirements.forget(object);
    const { clock, isConnected, reports } = this.#deps;
    if (!["running", "unready", "backoff"].includes(pod.phase) || !isConnected()) return reports.forget(object);
    pod.phase = "stopped";
    pod.end = { code: 0, at: clock.now(), startedAt: pod.startedAt };
    this.#report(pod).catch((error) => this.#notMoved(pod, error)).finally(() => reports.forget(object));
  }

  #advanceAll(): void {
    for (const pod of [...this.#pods.values()]) void this.#advance(pod);
  }

  /** Stops the containers within the grace period; simulated ones take a moment at most. */
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

  /** Advances a pod as far as possible, one step at a time, so that reports keep their order. */
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
    this.#deps.logger.debug("a pod could not be advanced; if it still exists, it is retried", {
      pod: `${metadata.namespace}/${metadata.name}`,
      error: reasonOf(error),
    });
  }

  /** Takes the next step; false where there is none for now. */
  async #step(pod: Pod): Promise<boolean> {
    if (pod.reported !== pod.phase) {
      await this.#report(pod);
      return true;
    }
    if (!hasStarted(pod.phase)) {
      if (pod.isEnding || !await this.#requirements.areThere(pod)) return false;
      const { stages } = this.#deps;
      if (stages?.areFor(pod.object)) {
        if (!pod.isEnding) pod.stages ??= this.#beginStages(pod, stages);
        return false;
      }
      const isMissing = listAt(pod.object, "spec", "containers").some((c) =>
        this.#missingImages.has(textAt(c, "image"))
      );
      const { errors } = this.#requirements.configOf(pod);
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

  #beginStages(pod: Pod, stages: Stages): StagedPod {
    const { clock, logger, random, timings } = this.#deps;
    const advance = () => void this.#advance(pod);
    return beginStages(pod, { stages, clock, random, logger, millisecond: timings.deviceMillisecond, advance });
  }

  #nextAddress(): string {
    this.#addresses++;
    return `10.88.${(this.#addresses >> 8) & 255}.${this.#addresses & 255}`;
  }
}
