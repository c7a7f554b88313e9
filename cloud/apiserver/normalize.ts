// Objects as Go would have read them: null is "not given", and empty maps and lists of metadata and data are left out.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

/** Fields that Go's structs leave out when they are empty. */
const omittedWhenEmpty = {
  metadata: ["labels", "annotations", "finalizers", "ownerReferences", "managedFields"],
  object: ["data", "binaryData", "stringData"],
} as const;

/** Changes a fresh copy of an object. Custom resources keep their own nulls: their schema decides about them. */
export function normalize(object: KubeObject, isCustom: boolean): void {
  if (isCustom) withoutNulls(object.metadata);
  else {
    // Statuses keep theirs: `lastProbeTime: null` is what Go itself writes there.
    for (const [key, value] of Object.entries(object)) {
      if (value === null) delete object[key];
      else if (key !== "status") withoutNulls(value);
    }
  }
  delete object.metadata.selfLink;
  dropEmpty(object.metadata, omittedWhenEmpty.metadata);
  if (!isCustom) dropEmpty(object, omittedWhenEmpty.object);
}

function withoutNulls(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (inner === null && !Array.isArray(value)) delete (value as Record<string, unknown>)[key];
    else withoutNulls(inner);
  }
}

function dropEmpty(holder: Record<string, unknown>, fields: readonly string[]): void {
  for (const field of fields) {
    const value = holder[field];
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) delete holder[field];
  }
}
