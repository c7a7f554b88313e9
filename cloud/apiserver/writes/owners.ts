// Who owns which fields of an object after a write.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { secondsOf } from "../../../protocol/apis/time.ts";
import { afterUpdate, type ManagedFieldsEntry, type Writer } from "../apply/managers.ts";
import { TypedError } from "../apply/typed.ts";
import { apiVersionOf, type Kind } from "../kinds/kind.ts";
import { emptyObject } from "../objects.ts";
import type { Stored } from "../storage/stored.ts";
import type { WriteOptions } from "./options.ts";

/** Who writes; undefined where nobody's fields are recorded. `now` is Unix milliseconds. */
export function writerOf(
  kind: Kind,
  subresource: string,
  { manager }: WriteOptions,
  now: number,
): Writer | undefined {
  if (manager === undefined) return undefined;
  return { manager, apiVersion: apiVersionOf(kind), subresource, time: secondsOf(now) };
}

/** The owners of a new object's fields. */
export function ownersAtCreation(
  kind: Kind,
  object: KubeObject,
  options: WriteOptions,
  applied: readonly ManagedFieldsEntry[] | undefined,
  now: number,
): readonly ManagedFieldsEntry[] | undefined {
  if (applied !== undefined) return applied;
  const writer = writerOf(kind, "", options, now);
  if (writer === undefined) return undefined;
  const given = managedReset(object.metadata.managedFields);
  if (given?.length === 0) return [];
  const isStatusLost = kind.hasStatus && kind.strategy.statusIsOpen !== true;
  const empty = emptyObject(kind);
  // What the server will drop is nobody's.
  const seen = isStatusLost ? { ...object, status: empty.status } : object;
  return owners(given, () => afterUpdate(kind.schema, given ?? [], empty, seen, writer));
}

/** The owners of an object's fields after it was replaced or patched. */
export function ownersAfter(
  kind: Kind,
  before: Stored,
  object: KubeObject,
  subresource: string,
  options: WriteOptions,
  reset: readonly ManagedFieldsEntry[] | undefined,
  now: number,
): readonly ManagedFieldsEntry[] {
  const writer = writerOf(kind, subresource, options, now);
  if (reset?.length === 0) return [];
  const entries = reset ?? before.entries;
  if (writer === undefined || entries.length === 0) return entries;
  return owners(
    entries,
    () => afterUpdate(kind.schema, entries, before.object, object, writer, subresource !== "scale"),
  );
}

/** Who owns what after a write. An object that can't be divided into fields keeps its owners: its kind's rules judge it. */
function owners<T>(kept: T, find: () => readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] | T {
  try {
    return find();
  } catch (error) {
    if (error instanceof TypedError) return kept;
    throw error;
  }
}

/** The entries that a client sent; an empty list where it asks to forget them all (`[{}]`), undefined where it says nothing. */
export function managedReset(given: unknown): readonly ManagedFieldsEntry[] | undefined {
  if (!Array.isArray(given) || given.length === 0) return undefined;
  const entries = given as ManagedFieldsEntry[];
  if (entries.length === 1 && Object.keys(entries[0] as object).length === 0) return [];
  const isGood = entries.every(({ fieldsType, operation }) =>
    fieldsType === "FieldsV1" && (operation === "Apply" || operation === "Update")
  );
  return isGood ? entries : undefined;
}
