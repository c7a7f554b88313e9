// The change between two statuses as a kubelet writes it: a strategic merge patch, its keys in Go's order.
import { isDeepStrictEqual } from "node:util";
import { isPlainObject } from "../../protocol/apis/kube-object.ts";

/** A status as plain JSON; conditions are identified by their type. */
export type Status = Readonly<Record<string, unknown>>;

/** One of the conditions of a status. */
export type Condition = Readonly<Record<string, unknown>> & { readonly type: string };

/**
 * What has to be patched to make `before` into `after`: changed fields whole, lost ones as null, of conditions only what
 * changed, with the order of all where there were some before. Other lists are written whole:
 * of those that have a merge key (addresses) an edge never changes single items.
 */
export function statusPatch(before: Status, after: Status): Status {
  const patch: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (key === "conditions") continue;
    const value = after[key] ?? null;
    if (!isDeepStrictEqual(before[key] ?? null, value)) patch[key] = value;
  }
  const old = (before.conditions ?? []) as readonly Condition[];
  const conditions = (after.conditions ?? []) as readonly Condition[];
  const changed = conditions.flatMap((condition) =>
    changeOf(old.find(({ type }) => type === condition.type), condition)
  );
  if (changed.length > 0) {
    patch.conditions = changed;
    if (old.length > 0) patch["$setElementOrder/conditions"] = conditions.map(({ type }) => ({ type }));
  }
  return patch;
}

function changeOf(old: Condition | undefined, condition: Condition): Status[] {
  if (old === undefined) return [condition];
  const keys = new Set([...Object.keys(old), ...Object.keys(condition)]);
  const changed = [...keys].filter((key) => !isDeepStrictEqual(old[key] ?? null, condition[key] ?? null));
  if (changed.length === 0) return [];
  return [Object.fromEntries([...changed, "type"].map((key) => [key, condition[key] ?? null]))];
}

/** The conditions with the times of their last change: of those whose status stays, it is the old one. */
export function withTransitions(before: Status, conditions: readonly Condition[], time: string): Condition[] {
  const old = (before.conditions ?? []) as readonly Condition[];
  return conditions.map((condition) => {
    const known = old.find(({ type }) => type === condition.type);
    const since = known?.status === condition.status ? known?.lastTransitionTime ?? time : time;
    return { ...condition, lastTransitionTime: since };
  });
}

/** JSON with its keys sorted, as Go writes maps. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, inner) =>
      isPlainObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1)) : inner,
  );
}
