// LimitRanges: what containers get that ask for nothing, and how much they may ask for (the plugin `LimitRanger`).
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { quantityOf } from "../../../protocol/apis/quantity.ts";
import type { Surroundings } from "../kinds/kind.ts";
import { forbidden } from "../status.ts";

type Fields = Record<string, unknown>;
type Quantities = Readonly<Record<string, string>>;

/** Changes a decoded pod. Throws 403 where it is beyond a limit. */
export function limitPod(pod: KubeObject, { list }: Surroundings): void {
  const ranges = list("limitranges", pod.metadata.namespace ?? "");
  if (ranges.length === 0) return;
  const limits = ranges.flatMap((range) => listAt(range, "spec", "limits")).filter((l) =>
    textAt(l, "type") === "Container"
  );
  const set: string[] = [];
  for (const list of ["initContainers", "containers"]) {
    for (const container of listAt(pod, "spec", list) as Fields[]) {
      for (const limit of limits) {
        fill(container, limit, list === "initContainers" ? "init container" : "container", set);
      }
    }
  }
  if (set.length > 0) {
    pod.metadata.annotations = {
      ...pod.metadata.annotations,
      "kubernetes.io/limit-ranger": `LimitRanger plugin set: ${set.join("; ")}`,
    };
  }
  const problems = [...listAt(pod, "spec", "containers"), ...listAt(pod, "spec", "initContainers")]
    .flatMap((container) => limits.flatMap((limit) => problemsOf(container, limit)));
  if (problems.length === 0) return;
  const text = problems.length === 1 ? problems[0] as string : `[${problems.join(", ")}]`;
  throw forbidden({ group: "", plural: "pods" }, pod.metadata.name, text);
}

function fill(container: Fields, limit: unknown, what: string, set: string[]): void {
  const resources = { ...container.resources as Fields };
  const name = textAt(container, "name");
  const complete = (field: "requests" | "limits", from: Quantities, word: string) => {
    const given = (resources[field] ?? {}) as Quantities;
    const missing = Object.keys(from).filter((resource) => given[resource] === undefined).sort();
    if (missing.length === 0) return;
    resources[field] = { ...given, ...Object.fromEntries(missing.map((resource) => [resource, from[resource]])) };
    set.push(`${missing.join(", ")} ${word} for ${what} ${name}`);
  };
  complete("requests", (at(limit, "defaultRequest") ?? {}) as Quantities, "request");
  complete("limits", (at(limit, "default") ?? {}) as Quantities, "limit");
  container.resources = resources;
}

function problemsOf(container: unknown, limit: unknown): string[] {
  const found: string[] = [];
  const amount = (quantity: unknown) => quantityOf(quantity, 3) ?? 0;
  for (const [resource, max] of Object.entries((at(limit, "max") ?? {}) as Quantities)) {
    const used = at(container, "resources", "limits", resource);
    if (used === undefined) found.push(`maximum ${resource} usage per Container is ${max}.  No limit is specified`);
    else if (amount(used) > amount(max)) {
      found.push(`maximum ${resource} usage per Container is ${max}, but limit is ${String(used)}`);
    }
  }
  for (const [resource, min] of Object.entries((at(limit, "min") ?? {}) as Quantities)) {
    const used = at(container, "resources", "requests", resource);
    if (used === undefined) found.push(`minimum ${resource} usage per Container is ${min}.  No request is specified`);
    else if (amount(used) < amount(min)) {
      found.push(`minimum ${resource} usage per Container is ${min}, but request is ${String(used)}`);
    }
  }
  return found;
}
