// Names templates by a hash, and keeps the ControllerRevisions of DaemonSets and StatefulSets, by which `kubectl rollout` shows
// and undoes what was changed (Kubernetes v1.32 `pkg/controller/history`).
import { createHash } from "node:crypto";
import { at, isPlainObject, type KubeObject } from "../../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../../patch/json-patch.ts";
import type { ControllerDeps } from "../controller.ts";
import { deleteObject, manager, patchObject, referenceTo } from "./pods.ts";

const TABLE = "controllerrevisions.apps";
const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/** A short name of a template: the same for equal ones. `collisions` makes another one. */
export function templateHash(template: unknown, collisions = 0): string {
  const hash = createHash("sha256").update(`${sorted(template)} ${collisions}`).digest();
  return [...hash.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join("");
}

function sorted(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, one: unknown) =>
      isPlainObject(one) ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1)) : one,
  );
}

/** The revision that an owner is to have now, and all that it has had, oldest first. */
export interface Revisions {
  readonly current: KubeObject;
  readonly all: readonly KubeObject[];
}

const numberOf = (revision: KubeObject) => Number(revision.revision ?? 0);

/** Finds the revision of the owner's present template or makes it; one from the past becomes the newest again. */
export function revisionsOf(deps: ControllerDeps, owner: KubeObject): Revisions {
  const { indices, resources } = deps;
  const { name, namespace = "", uid = "" } = owner.metadata;
  const template = at(owner, "spec", "template") as object;
  const data = { spec: { template: { ...template, $patch: "replace" } } };
  const known = indices.controlledBy(uid, TABLE).sort((a, b) => numberOf(a) - numberOf(b));
  const last = known.at(-1);
  const next = last === undefined ? 1 : numberOf(last) + 1;
  const same = known.filter((revision) => deepEqual(revision.data, data)).at(-1);
  if (same !== undefined && same === last) return { current: same, all: known };
  if (same !== undefined) {
    const current = patchObject(deps, TABLE, same, { revision: next });
    return { current, all: [...known.filter((revision) => revision !== same), current] };
  }
  const hash = templateHash(template);
  const kind = resources.registry.ofTable(TABLE);
  if (kind === undefined) throw new Error("no kind ControllerRevision");
  const labels = { ...at(template, "metadata", "labels") as object, "controller-revision-hash": hash };
  const body = {
    metadata: { name: `${name}-${hash}`, labels, ownerReferences: [referenceTo(owner)] },
    data,
    revision: next,
  };
  const current = resources.create(kind, namespace, structuredClone(body), { manager }).object;
  return { current, all: [...known, current] };
}

/** Removes the oldest revisions beyond the limit, but for those that are in use. */
export function forgetOldRevisions(
  deps: ControllerDeps,
  owner: KubeObject,
  { all, current }: Revisions,
  inUse: ReadonlySet<string>,
): void {
  const limit = Number(at(owner, "spec", "revisionHistoryLimit") ?? 10);
  const old = all.filter((revision) => revision !== current && !inUse.has(hashOf(revision)));
  for (const revision of old.slice(0, Math.max(0, old.length - limit))) deleteObject(deps, TABLE, revision);
}

/** The hash that pods of a revision carry. */
export function hashOf(revision: KubeObject): string {
  return revision.metadata.labels?.["controller-revision-hash"] ?? "";
}
