// PodDisruptionBudgets and HorizontalPodAutoscalers.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Cause, required, wrong } from "../status.ts";
import { ageColumn, nameColumn, numberColumn } from "./columns.ts";
import type { Column, KindRules } from "./kind.ts";

type Fields = Record<string, unknown>;

const orNone = (name: string, field: string): Column => ({
  name,
  type: "string",
  cell: (object) => {
    const value = at(object, "spec", field);
    return value === undefined ? "N/A" : String(value);
  },
});

export const budgets: KindRules = {
  shortNames: ["pdb"],
  columns: [
    nameColumn,
    orNone("Min Available", "minAvailable"),
    orNone("Max Unavailable", "maxUnavailable"),
    numberColumn("Allowed Disruptions", "status", "disruptionsAllowed"),
    ageColumn,
  ],
  strategy: {
    generation: true,
    versionRequired: true,
    prepareCreate: (object) =>
      void (object.status = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
    validate(object) {
      if (at(object, "spec", "minAvailable") === undefined || at(object, "spec", "maxUnavailable") === undefined) {
        return [];
      }
      const printed =
        "policy.PodDisruptionBudgetSpec{MinAvailable:(*intstr.IntOrString)(0x0), Selector:(*v1.LabelSelector)(nil), MaxUnavailable:(*intstr.IntOrString)(0x0), UnhealthyPodEvictionPolicy:(*policy.UnhealthyPodEvictionPolicyType)(nil)}";
      return [{
        reason: "FieldValueInvalid",
        message: `Invalid value: ${printed}: minAvailable and maxUnavailable cannot be both set`,
        field: "spec",
      }];
    },
  },
};

function hpaErrors(object: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const max = at(object, "spec", "maxReplicas");
  const min = at(object, "spec", "minReplicas");
  if (typeof max !== "number" || max < 1) causes.push(wrong("spec.maxReplicas", max ?? 0, "must be greater than 0"));
  if (typeof min === "number" && typeof max === "number" && max < min) {
    causes.push(wrong("spec.maxReplicas", max, "must be greater than or equal to `minReplicas`"));
  }
  for (const field of ["kind", "name"]) {
    if (textAt(object, "spec", "scaleTargetRef", field) === "") causes.push(required(`spec.scaleTargetRef.${field}`));
  }
  return causes;
}

const hpaColumns: readonly Column[] = [
  nameColumn,
  {
    name: "Reference",
    type: "string",
    cell: (o) => `${textAt(o, "spec", "scaleTargetRef", "kind")}/${textAt(o, "spec", "scaleTargetRef", "name")}`,
  },
  {
    name: "Targets",
    type: "string",
    cell(object) {
      const all = listAt(object, "spec", "metrics").map((metric) => {
        const percent = at(metric, "resource", "target", "averageUtilization");
        const name = textAt(metric, "resource", "name");
        return percent === undefined ? "<unknown>/<auto>" : `${name}: <unknown>/${String(percent)}%`;
      });
      return all.join(", ") || "<none>";
    },
  },
  { name: "MinPods", type: "string", cell: (o) => String(at(o, "spec", "minReplicas") ?? "<unset>") },
  { name: "MaxPods", type: "string", cell: (o) => Number(at(o, "spec", "maxReplicas") ?? 0) },
  { name: "Replicas", type: "string", cell: (o) => Number(at(o, "status", "currentReplicas") ?? 0) },
  ageColumn,
];

export const autoscalers: KindRules = {
  shortNames: ["hpa"],
  categories: ["all"],
  columns: hpaColumns,
  strategy: {
    prepareCreate: (object) => void (object.status = { desiredReplicas: 0, currentMetrics: null }),
    validate: hpaErrors,
    show: toV2,
  },
};

/** `autoscaling/v1` knows one metric, the use of processors; all others are left out. */
export const autoscalersV1: KindRules = {
  ...autoscalers,
  strategy: {
    validate: hpaErrors,
    show(object) {
      const { behavior: _b, metrics: _m, ...spec } = (object.spec ?? {}) as Fields;
      const cpu = listAt(object, "spec", "metrics").find((metric) => textAt(metric, "resource", "name") === "cpu");
      const percent = at(cpu, "resource", "target", "averageUtilization");
      const { currentMetrics: _c, ...status } = (object.status ?? {}) as Fields;
      return {
        ...object,
        apiVersion: "autoscaling/v1",
        spec: { ...spec, ...(percent === undefined ? {} : { targetCPUUtilizationPercentage: percent }) },
        status: { currentReplicas: 0, ...status },
      };
    },
    store: toV2,
  },
};

function toV2(object: KubeObject): KubeObject {
  if (object.apiVersion !== "autoscaling/v1") return object;
  const { targetCPUUtilizationPercentage: percent = 80, ...spec } = (object.spec ?? {}) as Fields;
  const target = { type: "Utilization", averageUtilization: percent };
  return {
    ...object,
    apiVersion: "autoscaling/v2",
    spec: { ...spec, metrics: [{ type: "Resource", resource: { name: "cpu", target } }] },
    status: { desiredReplicas: 0, currentMetrics: null, ...(object.status as object) },
  };
}
