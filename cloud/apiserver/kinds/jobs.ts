// Jobs and CronJobs.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, required, unsupported, wrong } from "../status.ts";
import { ageColumn, ageOf, nameColumn, templateColumns, textColumn } from "./columns.ts";
import type { Column, KindRules } from "./kind.ts";
import { podSpecErrors } from "./pod-spec.ts";
import { all, countErrors, goSelector, invalidAs, selector } from "./workload-rules.ts";

type Fields = Record<string, unknown>;

/** Labels by which a Job finds its pods; the short ones are those of old versions. */
const jobLabels = (uid: string, name: string) => ({
  "batch.kubernetes.io/controller-uid": uid,
  "batch.kubernetes.io/job-name": name,
  "controller-uid": uid,
  "job-name": name,
});

export const jobs: KindRules = {
  categories: all,
  selectable: { "status.successful": (object) => String(at(object, "status", "succeeded") ?? 0) },
  columns: [
    nameColumn,
    { name: "Status", type: "string", cell: jobStatus },
    {
      name: "Completions",
      type: "string",
      cell(job) {
        const done = Number(at(job, "status", "succeeded") ?? 0);
        const completions = at(job, "spec", "completions");
        if (completions !== undefined) return `${done}/${String(completions)}`;
        const parallelism = Number(at(job, "spec", "parallelism") ?? 0);
        return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
      },
    },
    {
      name: "Duration",
      type: "string",
      cell(job, now) {
        const start = at(job, "status", "startTime");
        const end = at(job, "status", "completionTime");
        if (start === undefined) return "";
        return ageOf(start, typeof end === "string" ? Date.parse(end) : now);
      },
    },
    ageColumn,
    ...templateColumns(selector),
  ],
  strategy: {
    generation: true,
    prepareCreate(job) {
      const spec = job.spec as Fields;
      if (spec.manualSelector === true) return;
      const own = jobLabels(job.metadata.uid as string, job.metadata.name);
      const template = spec.template as Fields;
      const metadata = (template.metadata ?? {}) as Fields;
      const labels = { ...metadata.labels as Record<string, string> | undefined, ...own };
      spec.template = { ...template, metadata: { ...metadata, labels } };
      job.metadata.labels ??= labels;
      spec.selector = {
        matchLabels: { "batch.kubernetes.io/controller-uid": own["batch.kubernetes.io/controller-uid"] },
      };
    },
    validate(job, old) {
      const causes = [
        ...countErrors(job, "parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"),
        ...podSpecErrors(at(job, "spec", "template", "spec"), "spec.template.spec"),
      ];
      const policy = textAt(job, "spec", "template", "spec", "restartPolicy");
      if (!["OnFailure", "Never"].includes(policy)) {
        const message = `Required value: valid values: "OnFailure", "Never"`;
        if (policy === "Always") {
          causes.push({
            ...unsupported("spec.template.spec.restartPolicy", policy, ["OnFailure", "Never"]),
          });
        } else causes.push({ reason: "FieldValueRequired", message, field: "spec.template.spec.restartPolicy" });
      }
      if (textAt(job, "spec", "completionMode") === "Indexed" && at(job, "spec", "completions") === undefined) {
        causes.push(required("spec.completions", "when completion mode is Indexed"));
      }
      if (old === undefined) return causes;
      for (const field of ["selector", "completionMode"]) {
        if (deepEqual(at(job, "spec", field), at(old, "spec", field))) continue;
        const value = at(job, "spec", field);
        const printed = field === "selector" ? goSelector(value) : JSON.stringify(value);
        causes.push(invalidAs(`spec.${field}`, printed, "field is immutable"));
      }
      if (
        textAt(job, "spec", "completionMode") !== "Indexed" &&
        !deepEqual(at(job, "spec", "completions"), at(old, "spec", "completions"))
      ) {
        causes.push(wrong("spec.completions", at(job, "spec", "completions"), "field is immutable"));
      }
      const isTemplateKept = deepEqual(at(job, "spec", "template"), at(old, "spec", "template"));
      if (!isTemplateKept && at(old, "spec", "suspend") !== true) {
        causes.push(invalidAs("spec.template", "core.PodTemplateSpec{…}", "field is immutable"));
      }
      return causes;
    },
  },
};

function jobStatus(job: KubeObject): string {
  const has = (type: string) =>
    listAt(job, "status", "conditions").some((c) => at(c, "type") === type && at(c, "status") === "True");
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (job.metadata.deletionTimestamp !== undefined) return "Terminating";
  if (has("Suspended")) return "Suspended";
  if (has("FailureTarget")) return "FailureTarget";
  if (has("SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

export const cronJobs: KindRules = {
  shortNames: ["cj"],
  categories: all,
  columns: [
    nameColumn,
    textColumn("Schedule", "spec", "schedule"),
    { name: "Timezone", type: "string", cell: (object) => textAt(object, "spec", "timeZone") || "<none>" },
    {
      name: "Suspend",
      type: "boolean",
      cell: (object) => at(object, "spec", "suspend") === true ? "True" : "False",
    },
    { name: "Active", type: "integer", cell: (object) => listAt(object, "status", "active").length },
    {
      name: "Last Schedule",
      type: "string",
      cell: (object, now) => {
        const last = at(object, "status", "lastScheduleTime");
        return last === undefined ? "<none>" : ageOf(last, now);
      },
    },
    ageColumn,
    ...templateColumns().map((column): Column => ({
      ...column,
      cell: (object, now) => column.cell({ ...object, spec: at(object, "spec", "jobTemplate", "spec") }, now),
    })),
    { name: "Selector", type: "string", wide: true, cell: () => "<none>" },
  ],
  strategy: {
    generation: true,
    validate(object) {
      const causes: Cause[] = [];
      if (textAt(object, "spec", "schedule") === "") causes.push(required("spec.schedule"));
      if (object.metadata.name.length > 52) {
        causes.push(wrong("metadata.name", object.metadata.name, "must be no more than 52 characters"));
      }
      const template = at(object, "spec", "jobTemplate", "spec", "template", "spec");
      causes.push(...podSpecErrors(template, "spec.jobTemplate.spec.template.spec"));
      const policy = textAt(template, "restartPolicy");
      if (!["OnFailure", "Never"].includes(policy)) {
        causes.push(unsupported("spec.jobTemplate.spec.template.spec.restartPolicy", policy, ["OnFailure", "Never"]));
      }
      return causes;
    },
  },
};
