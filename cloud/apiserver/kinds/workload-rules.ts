// What Deployments, ReplicaSets, DaemonSets, StatefulSets and Jobs have in common.
import { at, isPlainObject, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, required, unsupported, wrong } from "../status.ts";
import type { Column } from "./kind.ts";
import { selectorErrors, selectorMatches } from "./label-selector.ts";
import { podSpecErrors } from "./pod-spec.ts";

/** The category of workloads. */
export const all = ["all"];

/** A value of a map of labels as Go prints it. */
export function goMap(labels: unknown): string {
  const entries = Object.entries((labels ?? {}) as Record<string, string>).sort(([a], [b]) => a < b ? -1 : 1);
  return `map[string]string{${entries.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(", ")}}`;
}

export function goSelector(selector: unknown): string {
  const labels = at(selector, "matchLabels");
  const map = labels === undefined ? "map[string]string(nil)" : goMap(labels);
  return `v1.LabelSelector{MatchLabels:${map}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}`;
}

/** As Go prints it, without quotes. */
export function invalidAs(field: string, printed: string, detail: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${printed}: ${detail}`, field };
}

/** What a selector and its template must have in common. */
export function templateErrors(object: KubeObject, policies: readonly string[], old?: KubeObject): Cause[] {
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

/** Numbers that can't be less than nothing. */
export function countErrors(object: KubeObject, ...names: string[]): Cause[] {
  return names.flatMap((name) => {
    const value = at(object, "spec", name);
    return typeof value === "number" && value < 0
      ? [wrong(`spec.${name}`, value, "must be greater than or equal to 0")]
      : [];
  });
}

/** Whether a number or a share is nothing. */
export const isZero = (value: unknown) => value === 0 || value === "0%";

/** No number of replicas in a status may be larger than that of all. */
export function statusErrors(object: KubeObject): Cause[] {
  const all = Number(at(object, "status", "replicas") ?? 0);
  return ["updatedReplicas", "readyReplicas", "availableReplicas"].flatMap((field) => {
    const value = at(object, "status", field);
    return typeof value === "number" && value > all
      ? [wrong(`status.${field}`, value, "cannot be greater than status.replicas")]
      : [];
  });
}

/** A column such as `2/3`. */
export const readyOf = (path: readonly string[], wanted: readonly string[]): Column => ({
  name: "Ready",
  type: "string",
  cell: (object) => `${Number(at(object, ...path) ?? 0)}/${Number(at(object, ...wanted) ?? 0)}`,
});

/** Where workloads say which pods are theirs. */
export const selector = ["spec", "selector"];
