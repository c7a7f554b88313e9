// Kinds with few rules: priority and runtime classes, limits, quotas, webhooks.
import { at, listAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, denied, wrong } from "../status.ts";
import { ageColumn, nameColumn, numberColumn, textColumn } from "./columns.ts";
import type { Column, KindRules } from "./kind.ts";

export const priorityClasses: KindRules = {
  shortNames: ["pc"],
  columns: [
    nameColumn,
    numberColumn("Value", "value"),
    { name: "Global-Default", type: "boolean", cell: (object) => object.globalDefault === true },
    ageColumn,
    textColumn("PreemptionPolicy", "preemptionPolicy"),
  ],
  strategy: {
    generation: true,
    validate(object, old) {
      const causes: Cause[] = [];
      if (Number(object.value) > 1_000_000_000 && !object.metadata.name.startsWith("system-")) {
        causes.push(denied("value", "maximum allowed value of a user defined priority is 1000000000"));
      }
      if (old === undefined) return causes;
      if (object.value !== old.value) causes.push(denied("value", "may not be changed in an update."));
      if (object.preemptionPolicy !== old.preemptionPolicy) {
        causes.push(denied("preemptionPolicy", "may not be changed in an update."));
      }
      return causes;
    },
  },
};

export const runtimeClasses: KindRules = {
  columns: [nameColumn, textColumn("Handler", "handler"), ageColumn],
  strategy: {
    createsOnUpdate: true,
    versionRequired: true,
    validate: (object, old) =>
      old === undefined || deepEqual(object.handler, old.handler)
        ? []
        : [wrong("handler", object.handler, "field is immutable")],
  },
};

export const limitRanges: KindRules = {
  shortNames: ["limits"],
  columns: [nameColumn, {
    name: "Created At",
    type: "date",
    cell: (object) => object.metadata.creationTimestamp ?? null,
  }],
  strategy: { createsOnUpdate: true },
};

const quotaColumn = (name: string, isWanted: (resource: string) => boolean): Column => ({
  name,
  type: "string",
  cell(object) {
    const hard = (at(object, "status", "hard") ?? {}) as Record<string, string>;
    const used = (at(object, "status", "used") ?? {}) as Record<string, string>;
    return Object.keys(hard).filter(isWanted).sort().map((r) => `${r}: ${used[r] ?? "0"}/${hard[r]}`).join(", ");
  },
});

export const resourceQuotas: KindRules = {
  shortNames: ["quota"],
  columns: [
    nameColumn,
    quotaColumn("Request", (resource) => !resource.startsWith("limits")),
    quotaColumn("Limit", (resource) => resource.startsWith("limits")),
    ageColumn,
  ],
  strategy: { deleteAnswersObject: true },
};

export const webhooks: KindRules = {
  categories: ["api-extensions"],
  columns: [nameColumn, { name: "Webhooks", type: "integer", cell: (o) => listAt(o, "webhooks").length }, ageColumn],
  strategy: { generation: true, versionRequired: true },
};
