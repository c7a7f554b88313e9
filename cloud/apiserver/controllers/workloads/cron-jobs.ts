// Makes a Job at each time of a CronJob's schedule, and keeps as many old ones as are asked for (Kubernetes v1.32
// `pkg/controller/cronjob`). Schedules are read by croner.
import { Cron } from "croner";
import { at, keyOf, type KubeObject, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../../protocol/apis/time.ts";
import { reasonOf } from "../../../../base/log/logger.ts";
import type { Controller, ControllerDeps, KeyQueue } from "../controller.ts";
import { recordEvent } from "../events.ts";
import { Owners } from "./owners.ts";
import { deleteObject, manager, referenceTo, writeStatus } from "./pods.ts";

const TABLE = "cronjobs.batch";
const JOBS = "jobs.batch";
const COMPONENT = "cronjob-controller";
/** Missed times after which a CronJob says that it has missed many. */
const MANY = 100;
/** The longest that a timer is set for. */
const LONGEST_MS = 24 * 60 * 60_000;

export const cronJobs: Controller = {
  name: "cronjob",
  start(deps) {
    const owners: Owners = new Owners(deps, {
      name: "cronjob",
      table: TABLE,
      kind: "CronJob",
      owned: [JOBS],
      reconcile: (cron, queue) => reconcile(deps, cron, owners.claim(cron, JOBS), queue),
    });
    return () => owners.stop();
  },
};

const isFinished = (job: KubeObject) => endOf(job) !== undefined;
const endOf = (job: KubeObject) =>
  listAt(job, "status", "conditions").find((one) =>
    ["Complete", "Failed"].includes(textAt(one, "type")) && at(one, "status") === "True"
  );
const isComplete = (job: KubeObject) => at(endOf(job), "type") === "Complete";

function reconcile(deps: ControllerDeps, cron: KubeObject, owned: readonly KubeObject[], queue: KeyQueue): void {
  if (cron.metadata.deletionTimestamp !== undefined) return;
  const { clock, resources: { store } } = deps;
  const now = clock.now();
  let jobs = forgetOldJobs(deps, cron, owned);
  const lastSuccess = jobs.filter(isComplete).map((job) => textAt(job, "status", "completionTime")).sort().at(-1);
  let lastSchedule = textAt(cron, "status", "lastScheduleTime");
  if (at(cron, "spec", "suspend") !== true) {
    const schedule = scheduleOf(deps, cron);
    if (schedule === undefined) return;
    const due = lastDue(deps, cron, schedule, now);
    if (due !== undefined) {
      const made = begin(deps, cron, jobs, due, now);
      if (made !== undefined) {
        lastSchedule = secondsOf(due);
        jobs = deps.indices.controlledBy(cron.metadata.uid as string, JOBS);
      }
    }
    const next = schedule.nextRun(new Date(now));
    if (next !== null) queue.addAfter(keyOf(cron), Math.min(next.getTime() - now, LONGEST_MS));
  }
  const present = store.get(TABLE, keyOf(cron)) ?? cron;
  const active = jobs.filter((job) => !isFinished(job)).map((
    { apiVersion, kind, metadata: { name, namespace, resourceVersion, uid } },
  ) => ({
    kind,
    namespace,
    name,
    uid,
    apiVersion,
    resourceVersion,
  }));
  const known = listAt(present, "status", "active");
  // A reference is kept as it was made.
  const references = active.map((one) => known.find((old) => at(old, "uid") === one.uid) ?? one);
  writeStatus(deps, TABLE, present, {
    active: references.length === 0 ? undefined : references,
    lastScheduleTime: lastSchedule === "" ? undefined : lastSchedule,
    lastSuccessfulTime: lastSuccess ?? at(present, "status", "lastSuccessfulTime"),
  });
}

/** The schedule in its time zone; undefined, with an Event, where it can't be read. */
function scheduleOf(deps: ControllerDeps, cron: KubeObject): Cron | undefined {
  const pattern = textAt(cron, "spec", "schedule");
  try {
    return new Cron(pattern, { paused: true, timezone: textAt(cron, "spec", "timeZone") || "UTC" });
  } catch (error) {
    tell(
      deps,
      cron,
      "Warning",
      "UnparseableSchedule",
      `unparseable schedule: ${JSON.stringify(pattern)} : ${reasonOf(error)}`,
    );
    return undefined;
  }
}

/** The last time of the schedule that was not served yet and is not too long ago. */
function lastDue(deps: ControllerDeps, cron: KubeObject, schedule: Cron, now: number): number | undefined {
  const last = textAt(cron, "status", "lastScheduleTime") || cron.metadata.creationTimestamp || "";
  const deadline = at(cron, "spec", "startingDeadlineSeconds");
  const earliest = Math.max(Date.parse(last), typeof deadline === "number" ? now - deadline * 1000 : 0);
  let due: number | undefined;
  let missed = 0;
  for (
    let next = schedule.nextRun(new Date(earliest));
    next !== null && next.getTime() <= now;
    next = schedule.nextRun(next)
  ) {
    due = next.getTime();
    if (++missed <= MANY) continue;
    tell(
      deps,
      cron,
      "Warning",
      "TooManyMissedTimes",
      "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
    );
    due = schedule.previousRuns(1, new Date(now + 1))[0]?.getTime() ?? due;
    break;
  }
  return due;
}

/** Makes the Job of a time, unless others must not run beside it. */
function begin(
  deps: ControllerDeps,
  cron: KubeObject,
  jobs: readonly KubeObject[],
  due: number,
  now: number,
): KubeObject | undefined {
  const { resources } = deps;
  const running = jobs.filter((job) => !isFinished(job));
  const policy = textAt(cron, "spec", "concurrencyPolicy");
  const name = `${cron.metadata.name}-${Math.floor(due / 60_000)}`;
  const { namespace = "" } = cron.metadata;
  const known = resources.store.get(JOBS, `${namespace}/${name}`);
  if (known !== undefined) return known;
  if (policy === "Forbid" && running.length > 0) {
    tell(
      deps,
      cron,
      "Normal",
      "JobAlreadyActive",
      "Not starting job because prior execution is running and concurrency policy is Forbid",
    );
    return undefined;
  }
  if (policy === "Replace") { for (const job of running) deleteObject(deps, JOBS, job); }
  const kind = resources.registry.ofTable(JOBS);
  if (kind === undefined) throw new Error("no kind Job");
  const template = at(cron, "spec", "jobTemplate") as {
    readonly metadata?: Record<string, object>;
    readonly spec: object;
  };
  const metadata = {
    name,
    labels: { ...template.metadata?.labels },
    annotations: {
      ...template.metadata?.annotations,
      "batch.kubernetes.io/cronjob-scheduled-timestamp": secondsOf(due),
    },
    creationTimestamp: secondsOf(now),
    ownerReferences: [referenceTo(cron)],
  };
  const job = resources.create(kind, namespace, structuredClone({ metadata, spec: template.spec }), { manager }).object;
  tell(deps, cron, "Normal", "SuccessfulCreate", `Created job ${name}`);
  return job;
}

/** Deletes the oldest ended Jobs beyond the limits. Returns the others. */
function forgetOldJobs(deps: ControllerDeps, cron: KubeObject, jobs: readonly KubeObject[]): readonly KubeObject[] {
  const started = (job: KubeObject) => textAt(job, "status", "startTime");
  const gone = new Set<KubeObject>();
  for (
    const [isGood, field, byDefault] of [[true, "successfulJobsHistoryLimit", 3], [
      false,
      "failedJobsHistoryLimit",
      1,
    ]] as const
  ) {
    const limit = Number(at(cron, "spec", field) ?? byDefault);
    const ended = jobs.filter((job) => isFinished(job) && isComplete(job) === isGood).sort((a, b) =>
      started(a) < started(b) ? -1 : 1
    );
    for (const job of ended.slice(0, Math.max(0, ended.length - limit))) gone.add(job);
  }
  for (const job of gone) {
    deleteObject(deps, JOBS, job);
    tell(deps, cron, "Normal", "SuccessfulDelete", `Deleted job ${job.metadata.name}`);
  }
  return jobs.filter((job) => !gone.has(job));
}

function tell(
  { clock, resources }: ControllerDeps,
  cron: KubeObject,
  type: "Normal" | "Warning",
  reason: string,
  message: string,
): void {
  recordEvent(resources, cron, { type, reason, message, component: COMPONENT }, clock.now());
}
