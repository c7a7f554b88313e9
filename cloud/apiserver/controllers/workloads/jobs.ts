// Runs the pods of a Job until enough have succeeded or too many have failed (Kubernetes v1.32 `pkg/controller/job`).
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../../protocol/apis/time.ts";
import type { Controller, ControllerDeps, KeyQueue } from "../controller.ts";
import { recordEvent } from "../events.ts";
import { Indexes } from "./job-indexes.ts";
import { Owners } from "./owners.ts";
import { isEnded, isReady } from "../pod-state.ts";
import { controllerOf, createPod, deleteObject, deletePod, patchObject, unlessZero, writeStatus } from "./pods.ts";

const TABLE = "jobs.batch";
const COMPONENT = "job-controller";
/** Keeps a pod until its Job has counted it. */
const TRACKING = "batch.kubernetes.io/job-tracking";
const INDEX = "batch.kubernetes.io/job-completion-index";
/** Waits before a failed pod is replaced, the first and the longest. */
const BACKOFF_MS = 10_000;
const LONGEST_BACKOFF_MS = 10 * 60_000;

export const jobs: Controller = {
  name: "job",
  start(deps) {
    const owners: Owners = new Owners(deps, {
      name: "job",
      table: TABLE,
      kind: "Job",
      owned: ["pods"],
      reconcile: (job, queue) => new Look(deps, job, owners.claim(job, "pods"), queue).run(),
    });
    // Of a Job that is gone nobody counts the pods any more.
    const { store } = deps.resources;
    const free = (pod: KubeObject) => {
      const owner = controllerOf(pod);
      if (owner?.kind !== "Job" || !(pod.metadata.finalizers ?? []).includes(TRACKING) || deps.indices.has(owner.uid)) {
        return;
      }
      deps.defer(() => release(deps, pod));
    };
    const stops = [
      store.watch("pods", ({ object, type }) => {
        if (type !== "DELETED") free(object);
      }),
      store.watch(TABLE, ({ object, type }) => {
        if (type !== "DELETED") return;
        for (const { key, table } of deps.indices.dependentsOf(object.metadata.uid ?? "")) {
          const pod = table === "pods" ? store.get(table, key) : undefined;
          if (pod !== undefined) free(pod);
        }
      }),
    ];
    return () => {
      for (const stop of stops) stop();
      owners.stop();
    };
  },
};

/** Lets a pod go that was counted. */
function release(deps: ControllerDeps, { metadata }: KubeObject): void {
  const pod = deps.resources.store.get("pods", `${metadata.namespace}/${metadata.name}`);
  if (pod === undefined || pod.metadata.uid !== metadata.uid) return;
  const kept = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== TRACKING);
  patchObject(deps, "pods", pod, { metadata: { finalizers: kept.length === 0 ? null : kept } });
}

const isTracked = (pod: KubeObject) => (pod.metadata.finalizers ?? []).includes(TRACKING);
const hasSucceeded = (pod: KubeObject) => textAt(pod, "status", "phase") === "Succeeded";
/** A pod that is being deleted before its end has failed. */
const hasFailed = (pod: KubeObject) =>
  textAt(pod, "status", "phase") === "Failed" || (pod.metadata.deletionTimestamp !== undefined && !hasSucceeded(pod));
const indexOf = (pod: KubeObject) => Number(pod.metadata.annotations?.[INDEX] ?? -1);

/** What has ended so far. */
interface Counted {
  readonly succeeded: number;
  readonly failed: number;
  readonly indexes: Indexes;
  /** Pods that no status has counted yet. */
  readonly fresh: readonly KubeObject[];
}

/** One look at a Job. */
class Look {
  readonly #deps: ControllerDeps;
  readonly #job: KubeObject;
  readonly #pods: readonly KubeObject[];
  readonly #queue: KeyQueue;
  readonly #isIndexed: boolean;

  constructor(deps: ControllerDeps, job: KubeObject, pods: readonly KubeObject[], queue: KeyQueue) {
    this.#deps = deps;
    this.#job = job;
    this.#pods = pods;
    this.#queue = queue;
    this.#isIndexed = textAt(job, "spec", "completionMode") === "Indexed";
  }

  #spec(field: string): number | undefined {
    const value = at(this.#job, "spec", field);
    return typeof value === "number" ? value : undefined;
  }

  #has(type: string): boolean {
    return listAt(this.#job, "status", "conditions").some((one) =>
      at(one, "type") === type && at(one, "status") === "True"
    );
  }

  run(): void {
    const job = this.#job;
    if (this.#has("Complete") || this.#has("Failed")) {
      for (const pod of this.#pods) if (isTracked(pod)) release(this.#deps, pod);
      return this.#expire();
    }
    if (job.metadata.deletionTimestamp !== undefined || textAt(job, "spec", "managedBy") !== "") return;
    const now = this.#deps.clock.now();
    const counted = this.#count();
    const active = this.#pods.filter((pod) => !isEnded(pod) && pod.metadata.deletionTimestamp === undefined);
    const startTime = at(job, "status", "startTime");
    const since = typeof startTime === "string" ? Date.parse(startTime) : now;
    const deadline = (this.#spec("activeDeadlineSeconds") ?? Infinity) * 1000 / this.#deps.timeScale;
    const isSuspended = at(job, "spec", "suspend") === true;
    const completions = this.#spec("completions");
    const limit = this.#spec("backoffLimit") ?? 6;
    // Without completions, one success is enough, once the others have ended.
    const isDone = completions === undefined
      ? counted.succeeded > 0 && active.length === 0
      : counted.succeeded >= completions;
    if (isDone) {
      return this.#end("Complete", "CompletionsReached", "Reached expected number of succeeded pods", counted, []);
    }
    const restarts = textAt(job, "spec", "template", "spec", "restartPolicy") === "OnFailure" ? restartsOf(active) : 0;
    if (counted.failed > limit || (restarts > 0 && restarts >= limit)) {
      return this.#end(
        "Failed",
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
        counted,
        active,
      );
    }
    if (!isSuspended && now - since >= deadline) {
      return this.#end("Failed", "DeadlineExceeded", "Job was active longer than specified deadline", counted, active);
    }
    if (!isSuspended && Number.isFinite(deadline)) this.#queue.addAfter(keyOf(job), since + deadline - now);
    let error: unknown;
    if (isSuspended) {
      for (const pod of active) deletePod(this.#deps, job, pod, COMPONENT);
    } else {
      try {
        this.#manage(active, counted);
      } catch (caught) {
        error = caught;
      }
    }
    this.#write(
      counted,
      isSuspended ? this.#suspended(true) : this.#has("Suspended") ? this.#suspended(false) : undefined,
    );
    if (error !== undefined) throw error;
  }

  /** Counts pods that have ended, each once: what is counted loses its finalizer after the status is written. */
  #count(): Counted {
    const { status } = this.#job;
    const fresh = this.#pods.filter((pod) => isTracked(pod) && (hasSucceeded(pod) || hasFailed(pod)));
    const indexes = new Indexes(textAt(status, "completedIndexes"));
    const failed = Number(at(status, "failed") ?? 0) + fresh.filter(hasFailed).length;
    if (!this.#isIndexed) {
      return {
        succeeded: Number(at(status, "succeeded") ?? 0) + fresh.filter(hasSucceeded).length,
        failed,
        indexes,
        fresh,
      };
    }
    const most = this.#spec("completions") ?? 0;
    for (const pod of fresh) {
      if (hasSucceeded(pod) && indexOf(pod) >= 0 && indexOf(pod) < most) indexes.add(indexOf(pod));
    }
    return { succeeded: indexes.size, failed, indexes, fresh };
  }

  /** As many pods as may run beside each other and are still needed. */
  #manage(active: readonly KubeObject[], { failed, fresh, indexes, succeeded }: Counted): void {
    const parallelism = this.#spec("parallelism") ?? 1;
    const completions = this.#spec("completions");
    const needed = completions === undefined
      ? (succeeded > 0 ? active.length : parallelism)
      : Math.min(parallelism, completions - succeeded);
    const wanted = Math.max(0, needed);
    if (active.length > wanted) {
      const last = [...active].sort((a, b) =>
        Date.parse(b.metadata.creationTimestamp ?? "") - Date.parse(a.metadata.creationTimestamp ?? "")
      );
      for (const pod of last.slice(0, active.length - wanted)) deletePod(this.#deps, this.#job, pod, COMPONENT);
      return;
    }
    if (active.length === wanted) return;
    const wait = this.#backoff(failed, fresh);
    if (wait > 0) return this.#queue.addAfter(keyOf(this.#job), wait);
    const taken = new Set(active.map(indexOf));
    let index = 0;
    for (let missing = wanted - active.length; missing > 0; missing--) {
      if (!this.#isIndexed) {
        this.#create();
        continue;
      }
      while (indexes.has(index) || taken.has(index)) index++;
      this.#create(index++);
    }
  }

  /** Milliseconds until a failed pod may be replaced: twice as long for each failure. */
  #backoff(failed: number, fresh: readonly KubeObject[]): number {
    const ended = this.#pods.filter((pod) => hasFailed(pod) && isEnded(pod)).map((pod) =>
      endOf(pod) ?? this.#deps.clock.now()
    );
    if (failed === 0 || (ended.length === 0 && fresh.length === 0)) return 0;
    const wait = Math.min(BACKOFF_MS * 2 ** (failed - 1), LONGEST_BACKOFF_MS) / this.#deps.timeScale;
    return ended.length === 0 ? 0 : Math.max(0, Math.max(...ended) + wait - this.#deps.clock.now());
  }

  #create(index?: number): void {
    const job = this.#job;
    const template = at(job, "spec", "template");
    if (index === undefined) {
      createPod(this.#deps, job, template, COMPONENT, { finalizers: [TRACKING] });
      return;
    }
    const variable = {
      name: "JOB_COMPLETION_INDEX",
      valueFrom: { fieldRef: { fieldPath: `metadata.labels['${INDEX}']` } },
    };
    const withIndex = (container: unknown) => ({
      ...container as object,
      env: [...listAt(container, "env"), variable],
    });
    createPod(this.#deps, job, template, COMPONENT, {
      generateName: `${job.metadata.name}-${index}-`,
      labels: { [INDEX]: String(index) },
      annotations: { [INDEX]: String(index) },
      finalizers: [TRACKING],
      spec: {
        hostname: `${job.metadata.name}-${index}`,
        containers: listAt(template, "spec", "containers").map(withIndex),
      },
    });
  }

  #suspended(isSuspended: boolean) {
    const reason = isSuspended ? "JobSuspended" : "JobResumed";
    return this.#condition("Suspended", isSuspended, reason, isSuspended ? "Job suspended" : "Job resumed");
  }

  #condition(type: string, isTrue: boolean, reason: string, message: string) {
    const now = secondsOf(this.#deps.clock.now());
    return { type, status: isTrue ? "True" : "False", lastProbeTime: now, lastTransitionTime: now, reason, message };
  }

  #end(
    type: "Complete" | "Failed",
    reason: string,
    message: string,
    counted: Counted,
    active: readonly KubeObject[],
  ): void {
    for (const pod of active) deletePod(this.#deps, this.#job, pod, COMPONENT);
    const before = type === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
    this.#write(counted, this.#condition(before, true, reason, message), this.#condition(type, true, reason, message));
    const facts = type === "Complete"
      ? { type: "Normal", reason: "Completed", message: "Job completed" } as const
      : { type: "Warning", reason, message } as const;
    recordEvent(this.#deps.resources, this.#job, { ...facts, component: COMPONENT }, this.#deps.clock.now());
  }

  #write({ failed, fresh, indexes, succeeded }: Counted, ...changed: (Record<string, unknown> | undefined)[]): void {
    const { indices, resources: { store } } = this.#deps;
    const job = store.get(TABLE, keyOf(this.#job)) ?? this.#job;
    const pods = indices.controlledBy(job.metadata.uid as string, "pods");
    const active = pods.filter((pod) => !isEnded(pod) && pod.metadata.deletionTimestamp === undefined);
    const now = secondsOf(this.#deps.clock.now());
    const present = listAt(job, "status", "conditions");
    const news = changed.filter((one) => one !== undefined).filter((one) =>
      !present.some((old) => at(old, "type") === one.type && at(old, "status") === one.status)
    );
    const conditions = [...present.filter((old) => !news.some((one) => one.type === at(old, "type"))), ...news];
    const isComplete = conditions.some((one) => at(one, "type") === "Complete");
    const isSuspended = at(job, "spec", "suspend") === true;
    writeStatus(this.#deps, TABLE, job, {
      conditions: conditions.length === 0 ? undefined : conditions,
      startTime: isSuspended ? undefined : at(job, "status", "startTime") ?? now,
      completionTime: isComplete ? now : undefined,
      active: unlessZero(active.length),
      succeeded: unlessZero(succeeded),
      failed: unlessZero(failed),
      terminating: pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isEnded(pod)).length,
      completedIndexes: this.#isIndexed && indexes.size > 0 ? indexes.toString() : undefined,
      uncountedTerminatedPods: {},
      ready: active.filter(isReady).length,
    });
    for (const pod of fresh) release(this.#deps, pod);
  }

  /** Removes a Job that has ended as long ago as it asks for. */
  #expire(): void {
    const seconds = this.#spec("ttlSecondsAfterFinished");
    if (seconds === undefined) return;
    const end = listAt(this.#job, "status", "conditions").find((one) =>
      ["Complete", "Failed"].includes(textAt(one, "type"))
    );
    const wait = Date.parse(textAt(end, "lastTransitionTime")) + seconds * 1000 / this.#deps.timeScale -
      this.#deps.clock.now();
    if (wait > 0) this.#queue.addAfter(keyOf(this.#job), wait);
    else deleteObject(this.#deps, TABLE, this.#job);
  }
}

function restartsOf(pods: readonly KubeObject[]): number {
  return pods.flatMap((
    pod,
  ) => [...listAt(pod, "status", "initContainerStatuses"), ...listAt(pod, "status", "containerStatuses")])
    .reduce((sum: number, container) => sum + Number(at(container, "restartCount") ?? 0), 0);
}

/** When the last container of a pod ended. */
function endOf(pod: KubeObject): number | undefined {
  const times = listAt(pod, "status", "containerStatuses").map((c) =>
    Date.parse(textAt(c, "state", "terminated", "finishedAt"))
  );
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.max(...known);
}
