// The rules of single writes: what a patch makes of an object, what a client can't change, what holds a deletion up.
import type { Json, KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind } from "../kinds/kind.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../../../protocol/apis/merge-patch.ts";
import { applyStrategicPatch } from "../patch/strategic.ts";
import { emptyStatus } from "../objects.ts";
import { type Cause, conflict, forbidden, unsupportedMediaType } from "../status.ts";

/** What a client may ask of a deletion (`metav1.DeleteOptions`). */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | bigint;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly dryRun?: readonly string[];
}

/** An object that is being deleted may lose finalizers, but not get new ones. */
export function refuseNewFinalizers(object: KubeObject, old: KubeObject): Cause[] {
  if (old.metadata.deletionTimestamp === undefined) return [];
  const added = (object.metadata.finalizers ?? []).filter((f) => !(old.metadata.finalizers ?? []).includes(f));
  if (added.length === 0) return [];
  const list = `[]string{${added.map((f) => JSON.stringify(f)).join(", ")}}`;
  return [{
    reason: "FieldValueForbidden",
    message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${list}`,
    field: "metadata.finalizers",
  }];
}

/** The object that a patch makes of another. Throws 400, 415, 422 or 500. */
export function applyPatch(kind: Kind, type: string, target: Json, patch: Json): Json {
  switch (type) {
    case "application/json-patch+json":
      return applyJsonPatch(target, patch);
    case "application/merge-patch+json":
      return applyMergePatch(target, patch);
    case "application/strategic-merge-patch+json":
      if (kind.struct !== undefined) return applyStrategicPatch(kind.struct, target, patch);
      throw unsupportedMediaType(patchTypes(kind));
    default:
      throw unsupportedMediaType(patchTypes(kind));
  }
}

/** The media types of patches that a kind takes, in the order in which kube-apiserver names them. */
export function patchTypes(kind: Kind): string[] {
  return [
    "application/json-patch+json",
    "application/merge-patch+json",
    ...(kind.custom === undefined ? ["application/strategic-merge-patch+json"] : []),
    "application/apply-patch+yaml",
  ];
}

/** What a client can't change about an object's identity and life. */
export function keepMetadata(object: KubeObject, old: KubeObject): void {
  const { metadata } = object;
  const kept = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
  ] as const;
  for (const field of kept) {
    if (old.metadata[field] === undefined) delete metadata[field];
    else metadata[field] = old.metadata[field] as never;
  }
}

/** A write to `status`: a custom resource changes nothing else, a built-in kind may also change labels and annotations. */
export function takeStatus(kind: Kind, object: KubeObject, old: KubeObject): void {
  const { metadata, status } = object;
  for (const key of Object.keys(object)) delete object[key];
  Object.assign(object, old);
  object.metadata = kind.custom === undefined ? metadata : structuredClone(old.metadata);
  if (status === undefined) delete object.status;
  else object.status = status;
}

/** What a generation counts: all but metadata, and but the status where that is written apart. */
export function counted(kind: Kind, { status, metadata: _metadata, ...rest }: KubeObject): unknown {
  return kind.hasStatus ? rest : { ...rest, status };
}

/** Seconds of grace of a deletion, by the kind and by what was asked. */
export function graceOf(kind: Kind, object: KubeObject, asked: number | bigint | undefined): number {
  const own = kind.strategy.gracePeriod?.(object) ?? 0;
  if (own === 0) return 0;
  const seconds = Number(asked ?? own);
  // As kube-apiserver's `rest.BeforeDelete`: less than nothing is one second. More than a double holds is never waited for anyway.
  return seconds < 0 ? 1 : Math.min(seconds, Number.MAX_SAFE_INTEGER);
}

/** The finalizers of an object whose deletion begins with that policy. */
export function finalizersOf(object: KubeObject, policy: DeleteOptions["propagationPolicy"]): string[] {
  const present = (object.metadata.finalizers ?? []).filter((f) => f !== "foregroundDeletion" && f !== "orphan");
  if (policy === "Foreground") return [...present, "foregroundDeletion"];
  if (policy === "Orphan") return [...present, "orphan"];
  return object.metadata.finalizers ?? [];
}

/** Throws for a failed precondition and for a namespace that must not be deleted. */
export function refusePreconditions(kind: Kind, object: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { name } = object.metadata;
  if (uid !== undefined && uid !== object.metadata.uid) {
    throw conflict(
      kind,
      name,
      `the UID in the precondition (${uid}) does not match the UID in record (${object.metadata.uid}). The object might have been deleted and then recreated`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion) {
    throw conflict(
      kind,
      name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${object.metadata.resourceVersion}). The object might have been modified`,
    );
  }
  const permanent = kind.plural === "namespaces" && ["default", "kube-system", "kube-public"].includes(name);
  if (permanent) throw forbidden(kind, name, "this namespace may not be deleted");
}

/** A new object's status is empty, whatever its client says. */
export function resetStatus(kind: Kind, object: KubeObject): void {
  const status = emptyStatus(kind);
  if (status === undefined) delete object.status;
  else object.status = status;
}

/** A write to the object leaves its status as it is, where that is written apart. */
export function keepStatus(object: KubeObject, old: KubeObject): void {
  if (old.status === undefined) delete object.status;
  else object.status = old.status;
}
