// Deployments, ReplicaSets, DaemonSets, StatefulSets, Jobs, CronJobs and what they keep.
import { at, isPlainObject, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, denied, required, unsupported, wrong } from "../status.ts";
import { ageColumn, ageOf, nameColumn, numberColumn, templateColumns, textColumn } from "./columns.ts";
import { selectorErrors, selectorMatches } from "./label-selector.ts";
import type { Column, KindRules, Strategy } from "./kind.ts";
import { podSpecErrors } from "./pod-spec.ts";

type Fields = Record<string, unknown>;

const all = ["all"];

/** A value of a map of labels as Go prints it. */
function goMap(labels: unknown): string {
  const entries = Object.entries((labels ?? {}) as Record<string, string>).sort(([a], [b]) => a < b ? -1 : 1);
  return `map[string]string{${entries.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(", ")}}`;
}

function goSelector(selector: unknown): string {
  const labels = at(selector, "matchLabels");
  const map = labels === undefined ? "map[string]string(nil)" : goMap(labels);
  return `v1.LabelSelector{MatchLabels:${map}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}`;
}

/** As Go prints it, without quotes. */
function invalidAs(field: string, printed: string, detail: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${printed}: ${detail}`, field };
}

/** What a selector and its template must have in common. */
function templateErrors(object: KubeObject, policies: readonly string[], old?: KubeObject): Cause[] {
  const selector = at(object, "spec", "selector");
  const template = at(object, "spec", "template");
  const labels = at(template, "metadata", "labels");
  const causes: Cause[] = [];
  if (!isPlainObject(selector)) causes.push(required("spec.selector"));
  else {
    causes.push(...selectorErrors(selector, "spec.selector"));
    if (Object.keys(selector).length === 0) {
      causes.push(invalidAs("spec.selector", goSelector(selector), "empty selector is invalid for deployment"));
    }
  }
  if (!isPlainObject(selector) || !selectorMatches(selector, (labels ?? {}) as Record<string, string>)) {
    causes.push(
      invalidAs("spec.template.metadata.labels", goMap(labels), "`selector` does not match template `labels`"),
    );
  }
  causes.push(...podSpecErrors(at(template, "spec"), "spec.template.spec"));
  const policy = textAt(template, "spec", "restartPolicy");
  if (!policies.includes(policy)) causes.push(unsupported("spec.template.spec.restartPolicy", policy, policies));
  if (old !== undefined && !deepEqual(selector, at(old, "spec", "selector"))) {
    causes.push(invalidAs("spec.selector", goSelector(selector), "field is immutable"));
  }
  return causes;
}

function countErrors(object: KubeObject, ...names: string[]): Cause[] {
  return names.flatMap((name) => {
    const value = at(object, "spec", name);
    return typeof value === "number" && value < 0
      ? [wrong(`spec.${name}`, value, "must be greater than or equal to 0")]
      : [];
  });
}

const isZero = (value: unknown) => value === 0 || value === "0%";

/** No number of replicas in a status may be larger than that of all. */
function statusErrors(object: KubeObject): Cause[] {
  const all = Number(at(object, "status", "replicas") ?? 0);
  return ["updatedReplicas", "readyReplicas", "availableReplicas"].flatMap((field) => {
    const value = at(object, "status", field);
    return typeof value === "number" && value > all
      ? [wrong(`status.${field}`, value, "cannot be greater than status.replicas")]
      : [];
  });
}

const deploymentStrategy: Strategy = {
  generation: true,
  generationCountsAnnotations: true,
  validateStatus: statusErrors,
  validate(object, old) {
    const causes = [
      ...countErrors(object, "replicas", "minReadySeconds", "revisionHistoryLimit"),
      ...templateErrors(object, ["Always"], old),
    ];
    const update = at(object, "spec", "strategy", "rollingUpdate");
    const type = textAt(object, "spec", "strategy", "type");
    if (type === "Recreate" && update !== undefined) {
      causes.push(denied("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"));
    } else if (type !== "Recreate" && type !== "RollingUpdate") {
      causes.push(unsupported("spec.strategy", type, ["Recreate", "RollingUpdate"]));
    } else if (update !== undefined && isZero(at(update, "maxSurge")) && isZero(at(update, "maxUnavailable"))) {
      causes.push(invalidAs(
        "spec.strategy.rollingUpdate.maxUnavailable",
        'intstr.IntOrString{Type:0, IntVal:0, StrVal:""}',
        "may not be 0 when `maxSurge` is 0",
      ));
    }
    return causes;
  },
};

const readyOf = (path: readonly string[], wanted: readonly string[]): Column => ({
  name: "Ready",
  type: "string",
  cell: (object) => `${Number(at(object, ...path) ?? 0)}/${Number(at(object, ...wanted) ?? 0)}`,
});

const selector = ["spec", "selector"];

export const deployments: KindRules = {
  shortNames: ["deploy"],
  categories: all,
  strategy: deploymentStrategy,
  columns: [
    nameColumn,
    readyOf(["status", "readyReplicas"], ["spec", "replicas"]),
    numberColumn("Up-to-date", "status", "updatedReplicas"),
    numberColumn("Available", "status", "availableReplicas"),
    ageColumn,
    ...templateColumns(selector),
  ].map((column) => ["Up-to-date", "Available"].includes(column.name) ? { ...column, type: "string" } : column),
};

const replicaColumns = [
  nameColumn,
  numberColumn("Desired", "spec", "replicas"),
  numberColumn("Current", "status", "replicas"),
  numberColumn("Ready", "status", "readyReplicas"),
  ageColumn,
  ...templateColumns(selector),
];

const byReplicas: KindRules["selectable"] = {
  "status.replicas": (object) => String(at(object, "status", "replicas") ?? 0),
};
/** Its status begins with a number. */
const counting: Strategy = { generation: true, prepareCreate: (object) => void (object.status = { replicas: 0 }) };

export const replicaSets: KindRules = {
  shortNames: ["rs"],
  categories: all,
  columns: replicaColumns,
  selectable: byReplicas,
  strategy: {
    ...counting,
    validate: (object, old) => [
      ...countErrors(object, "replicas", "minReadySeconds"),
      ...templateErrors(object, ["Always"], old),
    ],
  },
};

export const replicationControllers: KindRules = {
  shortNames: ["rc"],
  categories: all,
  columns: replicaColumns,
  selectable: byReplicas,
  strategy: {
    ...counting,
    validate(object) {
      const labels = (at(object, "spec", "template", "metadata", "labels") ?? {}) as Record<string, string>;
      const wanted = (at(object, "spec", "selector") ?? {}) as Record<string, string>;
      if (Object.keys(wanted).length === 0) return [required("spec.selector")];
      if (at(object, "spec", "template") === undefined) return [required("spec.template")];
      return Object.entries(wanted).every(([key, value]) => labels[key] === value) ? [] : [
        invalidAs("spec.template.metadata.labels", goMap(labels), "`selector` does not match template `labels`"),
      ];
    },
  },
};

export const daemonSets: KindRules = {
  shortNames: ["ds"],
  categories: all,
  columns: [
    nameColumn,
    numberColumn("Desired", "status", "desiredNumberScheduled"),
    numberColumn("Current", "status", "currentNumberScheduled"),
    numberColumn("Ready", "status", "numberReady"),
    numberColumn("Up-to-date", "status", "updatedNumberScheduled"),
    numberColumn("Available", "status", "numberAvailable"),
    {
      name: "Node Selector",
      type: "string",
      cell(object) {
        const labels = Object.entries(
          (at(object, "spec", "template", "spec", "nodeSelector") ?? {}) as Record<string, string>,
        );
        return labels.map(([key, value]) => `${key}=${value}`).join(",") || "<none>";
      },
    },
    ageColumn,
    ...templateColumns(selector),
  ],
  strategy: {
    generation: true,
    hiddenInTables: ["deprecated.daemonset.template.generation"],
    prepareCreate(object) {
      object.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };
      const metadata = object.metadata;
      metadata.annotations = { ...metadata.annotations, "deprecated.daemonset.template.generation": "1" };
    },
    prepareUpdate(object, old) {
      const key = "deprecated.daemonset.template.generation";
      const before = Number(old.metadata.annotations?.[key] ?? 0);
      const isChanged = !deepEqual(at(object, "spec", "template"), at(old, "spec", "template"));
      const annotations = { ...object.metadata.annotations, [key]: String(isChanged ? before + 1 : before) };
      object.metadata.annotations = annotations;
    },
    validate: (object, old) => templateErrors(object, ["Always"], old),
  },
};

const STATEFUL_CHANGES =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

export const statefulSets: KindRules = {
  shortNames: ["sts"],
  categories: all,
  columns: [
    nameColumn,
    readyOf(["status", "readyReplicas"], ["spec", "replicas"]),
    ageColumn,
    ...templateColumns(),
  ],
  strategy: {
    generation: true,
    prepareCreate: (object) => void (object.status = { replicas: 0, availableReplicas: 0 }),
    validate(object, old) {
      const causes = [...countErrors(object, "replicas"), ...templateErrors(object, ["Always"])];
      if (old === undefined) return causes;
      const kept = (of: KubeObject) => {
        const {
          minReadySeconds: _m,
          ordinals: _o,
          persistentVolumeClaimRetentionPolicy: _p,
          replicas: _r,
          revisionHistoryLimit: _h,
          template: _t,
          updateStrategy: _u,
          ...rest
        } = of.spec as Fields;
        return rest;
      };
      return deepEqual(kept(object), kept(old)) ? causes : [...causes, denied("spec", STATEFUL_CHANGES)];
    },
  },
};

export const controllerRevisions: KindRules = {
  columns: [
    nameColumn,
    {
      name: "Controller",
      type: "string",
      cell(object) {
        const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
        if (owner === undefined) return "<none>";
        const group = owner.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0]}` : "";
        return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
      },
    },
    { name: "Revision", type: "string", cell: (object) => Number(at(object, "revision") ?? 0) },
    ageColumn,
  ],
  strategy: {
    validate(object, old) {
      if (old === undefined || deepEqual(object.data, old.data)) return [];
      const bytes = [...Buffer.from(JSON.stringify(object.data))].map((byte) => `0x${byte.toString(16)}`).join(", ");
      const printed = `runtime.RawExtension{Raw:[]uint8{${bytes}}, Object:runtime.Object(nil)}`;
      return [invalidAs("data", printed, "field is immutable")];
    },
  },
};

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

export const podTemplates: KindRules = {
  strategy: { deleteAnswersObject: true, generation: true },
  columns: [
    nameColumn,
    {
      name: "Containers",
      type: "string",
      cell: (o) => listAt(o, "template", "spec", "containers").map((c) => textAt(c, "name")).join(","),
    },
    {
      name: "Images",
      type: "string",
      cell: (o) => listAt(o, "template", "spec", "containers").map((c) => textAt(c, "image")).join(","),
    },
    {
      name: "Pod Labels",
      type: "string",
      cell: (o) =>
        Object.entries((at(o, "template", "metadata", "labels") ?? {}) as Record<string, string>)
          .map(([key, value]) => `${key}=${value}`).join(",") || "<none>",
    },
  ],
};
