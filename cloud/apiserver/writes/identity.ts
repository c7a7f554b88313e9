// What a write can't change about an object: which one it is, and how long it lives.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind } from "../kinds/kind.ts";
import { type Cause, conflict } from "../status.ts";

/** A body's uid must be that of the object it replaces. */
export function uidErrors(kind: Kind, object: KubeObject, old: KubeObject, isPatch: boolean): Cause[] {
  const { uid } = object.metadata;
  if (!uid || uid === old.metadata.uid) return [];
  if (isPatch || kind.custom !== undefined) {
    return [{
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(uid)}: field is immutable`,
      field: "metadata.uid",
    }];
  }
  const { name, namespace } = old.metadata;
  const path = `/registry/${kind.plural}/${namespace === undefined ? "" : `${namespace}/`}${name}`;
  throw conflict(
    kind,
    name,
    `StorageError: invalid object, Code: 4, Key: ${path}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
  );
}

/** A patch can't begin or change a deletion. */
export function lifeErrors(object: KubeObject, old: KubeObject): Cause[] {
  return (["deletionTimestamp", "deletionGracePeriodSeconds"] as const).flatMap((field): Cause[] => {
    const value = object.metadata[field];
    if (value === undefined || value === old.metadata[field]) return [];
    return [{
      reason: "FieldValueInvalid",
      message: `Invalid value: ${
        field === "deletionTimestamp" ? goTime(String(value)) : String(value)
      }: field is immutable`,
      field: `metadata.${field}`,
    }];
  });
}

/** A time as Go prints it. */
function goTime(text: string): string {
  return `${new Date(text).toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} +0000 UTC`;
}
