// Who owns which field of an object: `metadata.managedFields`, after updates and after applies.
// Source: kube-apiserver's field manager (apimachinery v1.32 `pkg/util/managedfields`).
import { isPlainObject, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Cause } from "../status.ts";
import { ApiError } from "../status.ts";
import {
  difference,
  type FieldSet,
  intersection,
  isEmpty,
  membersOf,
  none,
  pathText,
  union,
  without,
} from "./field-set.ts";
import type { Schema } from "./schema.ts";
import { check, compare, type Comparison, fieldSetOf, merge, prune, TypedError } from "./typed.ts";

/** One entry of `metadata.managedFields`. */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: "Apply" | "Update";
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: FieldSet;
  readonly subresource?: string;
}

/** Texts of entries that are kept with their values: many objects are written by the same managers at the same time. */
const MAX_READ = 256;
/** Letters of a text that is kept: longer ones are rare. */
const MAX_READ_LENGTH = 16 * 1024;
const read = new Map<string, readonly ManagedFieldsEntry[]>();
const texts = new WeakMap<ManagedFieldsEntry, string>();

/** The entries of a `metadata.managedFields`, which is valid JSON; not to be changed. */
export function entriesOf(text: string): readonly ManagedFieldsEntry[] {
  let entries = read.get(text);
  if (entries !== undefined) return entries;
  entries = JSON.parse(text) as ManagedFieldsEntry[];
  if (text.length > MAX_READ_LENGTH) return entries;
  if (read.size >= MAX_READ) read.clear();
  read.set(text, entries);
  return entries;
}

/** Entries as JSON; undefined where there are none. */
export function entriesText(entries: readonly ManagedFieldsEntry[] | undefined): string | undefined {
  if (entries === undefined || entries.length === 0) return undefined;
  return `[${entries.map(entryText).join(",")}]`;
}

/** Most entries of a write are those of the write before. */
function entryText(entry: ManagedFieldsEntry): string {
  let text = texts.get(entry);
  if (text === undefined) {
    text = JSON.stringify(entry);
    texts.set(entry, text);
  }
  return text;
}

/** Who writes: the field manager's name, and by which part of the API. `time` is RFC 3339. */
export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
}

/** Managers by update that an entry is kept for; the oldest ones beyond it become one. */
const MAX_UPDATE_MANAGERS = 10;
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Fields of metadata that nobody owns, and what every object has. */
const unowned: readonly (readonly string[])[] = [
  ["f:apiVersion"],
  ["f:kind"],
  ...[
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
  ].map((name) => ["f:metadata", `f:${name}`]),
];

function stripped(set: FieldSet): FieldSet {
  let result = set;
  if (Object.hasOwn(set, "f:apiVersion") || Object.hasOwn(set, "f:kind") || Object.hasOwn(set, "f:metadata")) {
    for (const path of unowned) result = without(result, path);
  }
  return result;
}

/** A manager's entries are told apart by all but their time and fields; appliers also not by their version. */
function identityOf({ apiVersion, manager, operation, subresource }: ManagedFieldsEntry): string {
  return JSON.stringify([manager, operation, operation === "Apply" ? "" : apiVersion, subresource ?? ""]);
}

function entryOf(
  { apiVersion, manager, subresource }: Writer,
  operation: "Apply" | "Update",
  fieldsV1: FieldSet,
  time: string | undefined,
): ManagedFieldsEntry {
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(subresource === "" ? {} : { subresource }),
  };
}

/** Appliers first, then the oldest, then by name. */
function sorted(entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  const key = (
    e: ManagedFieldsEntry,
  ) => [e.operation ?? "", e.time ?? "", e.manager ?? "", e.apiVersion ?? "", e.subresource ?? ""];
  return entries.map((entry) => ({ entry, key: key(entry) }))
    .sort((a, b) => {
      const at = a.key.findIndex((part, i) => part !== b.key[i]);
      return at === -1 ? 0 : (a.key[at] as string) < (b.key[at] as string) ? -1 : 1;
    })
    .map(({ entry }) => entry);
}

/** The oldest managers by update become one, where there are too many. */
function capped(entries: readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] {
  const updates = entries.filter(({ operation }) => operation === "Update");
  if (updates.length <= MAX_UPDATE_MANAGERS) return entries;
  const oldest = sorted(updates).slice(0, updates.length - MAX_UPDATE_MANAGERS + 1);
  const [first] = oldest as [ManagedFieldsEntry];
  const ancient: ManagedFieldsEntry = {
    manager: "ancient-changes",
    operation: "Update",
    ...(first.apiVersion === undefined ? {} : { apiVersion: first.apiVersion }),
    ...(oldest.at(-1)?.time === undefined ? {} : { time: oldest.at(-1)?.time as string }),
    fieldsType: "FieldsV1",
    fieldsV1: oldest.reduce<FieldSet>((all, { fieldsV1 = none }) => union(all, fieldsV1), none),
  };
  const merged = new Set(oldest);
  return [...entries.filter((entry) => !merged.has(entry)), ancient];
}

/** Takes what changed from all managers but one, who keeps its own. */
function taken(
  entries: readonly ManagedFieldsEntry[],
  { changed, removed }: Comparison,
  but: string,
): ManagedFieldsEntry[] {
  return entries.flatMap((entry) => {
    if (identityOf(entry) === but) return [entry];
    const left = difference(difference(entry.fieldsV1 ?? none, changed), removed);
    return isEmpty(left) ? [] : [left === entry.fieldsV1 ? entry : { ...entry, fieldsV1: left }];
  });
}

/** An object's entries after somebody replaced or patched it. `old` is an empty object of its kind at its creation. */
export function afterUpdate(
  schema: Schema,
  entries: readonly ManagedFieldsEntry[],
  old: unknown,
  object: unknown,
  writer: Writer,
  hasTime = true,
): readonly ManagedFieldsEntry[] {
  const found = compare(schema, old, object);
  const comparison = { changed: stripped(found.changed), removed: stripped(found.removed) };
  if (isEmpty(comparison.changed) && isEmpty(comparison.removed)) return entries;
  const others = taken(entries, comparison, "");
  if (isEmpty(comparison.changed)) return sorted(others);
  const entry = entryOf(writer, "Update", comparison.changed, hasTime ? writer.time : undefined);
  const identity = identityOf(entry);
  const previous = others.find((other) => identityOf(other) === identity);
  const all = [
    ...others.filter((other) => other !== previous),
    previous === undefined ? entry : { ...entry, fieldsV1: union(previous.fieldsV1 ?? none, comparison.changed) },
  ];
  return sorted(capped(all));
}

/** What an apply makes of an object. */
export interface Applied {
  readonly object: KubeObject;
  readonly entries: readonly ManagedFieldsEntry[];
}

/** What an apply does. */
export interface ApplyRequest {
  readonly schema: Schema;
  /** What is there; an object without fields where nothing is. */
  readonly live: KubeObject;
  readonly entries: readonly ManagedFieldsEntry[];
  /** What the client sent. */
  readonly applied: KubeObject;
  readonly writer: Writer;
  readonly force: boolean;
  /** Fields that this part of the API ignores, such as `f:status`. */
  readonly ignored: readonly string[];
  /** `NAME; GROUP/VERSION, Kind=KIND`, for messages. */
  readonly about: string;
  /** The object as it would be stored, defaults filled in: only then is it known what changed. */
  readonly settle: (object: KubeObject) => KubeObject;
}

/** Applies an object. Throws 409 for fields that others own, and 500 for values that do not fit the schema. */
export function apply(request: ApplyRequest): Applied {
  try {
    return applied(request);
  } catch (error) {
    if (!(error instanceof ConflictsError) || request.writer.manager !== "kubectl" || request.force) throw error;
    // What `kubectl apply` of the client's side wrote before belongs to the same person.
    const allowed = lastAppliedSet(request);
    if (allowed === undefined || error.conflicts.some(({ fields }) => !isEmpty(difference(fields, allowed)))) {
      throw error;
    }
    return applied({ ...request, force: true });
  }
}

function applied(
  { about, applied: given, entries, force, ignored, live, schema, settle, writer }: ApplyRequest,
): Applied {
  const { metadata, ...rest } = given;
  const { managedFields: _m, ...kept } = metadata;
  let config: KubeObject = { ...rest, metadata: kept as KubeObject["metadata"] };
  try {
    check(schema, config);
  } catch (error) {
    if (!(error instanceof TypedError)) throw error;
    throw new ApiError(500, "", `failed to create typed patch object (${about}): ${error.message}`);
  }
  config = Object.fromEntries(Object.entries(config).filter(([name]) => !ignored.includes(`f:${name}`))) as KubeObject;
  const mine = identityOf(entryOf(writer, "Apply", none, undefined));
  const last = entries.find((entry) => identityOf(entry) === mine)?.fieldsV1;
  const set = stripped(fieldSetOf(schema, config));
  const others = entries.filter((entry) => identityOf(entry) !== mine);
  let merged = merge(schema, live, config) as KubeObject;
  if (last !== undefined) {
    const owned = others.reduce((all, { fieldsV1 = none }) => union(all, fieldsV1), set);
    merged = prune(schema, merged, last, owned) as KubeObject;
  }
  const found = compare(schema, live, merged);
  const comparison = { changed: stripped(found.changed), removed: stripped(found.removed) };
  if (!force) refuseConflicts(others, comparison.changed);
  const isSame = isEmpty(comparison.changed) && isEmpty(comparison.removed);
  const previous = entries.find((entry) => identityOf(entry) === mine);
  // What was sent and ignored counts as a change here.
  const isTouched = !isSame || ignored.some((name) => given[name.slice(2)] !== undefined);
  const time = isTouched ? writer.time : previous?.time;
  const entry = entryOf(writer, "Apply", set, time);
  const own = isEmpty(set) ? [] : [entry];
  return { object: isSame ? live : settle(merged), entries: sorted([...taken(others, comparison, ""), ...own]) };
}

interface Conflict {
  readonly entry: ManagedFieldsEntry;
  readonly fields: FieldSet;
}

/** Fields that somebody else owns and that would change. */
export class ConflictsError extends ApiError {
  readonly conflicts: readonly Conflict[];
  constructor(conflicts: readonly Conflict[], message: string, causes: readonly unknown[]) {
    super(409, "Conflict", message, { causes });
    this.conflicts = conflicts;
  }
}

function refuseConflicts(others: readonly ManagedFieldsEntry[], changed: FieldSet): void {
  const conflicts = others.map((entry) => ({ entry, fields: intersection(entry.fieldsV1 ?? none, changed) }))
    .filter(({ fields }) => !isEmpty(fields));
  if (conflicts.length === 0) return;
  const found = conflicts.flatMap(({ entry, fields }) =>
    [...membersOf(fields)].map((path) => ({ manager: nameOf(entry), path: pathText(path) }))
  );
  const [first] = found as [typeof found[number]];
  let message = `Apply failed with 1 conflict: conflict with ${first.manager}: ${first.path}`;
  if (found.length > 1) {
    const managers = [...new Set(found.map(({ manager }) => manager))].sort();
    const lines = managers.flatMap((manager) => [
      `conflicts with ${manager}:`,
      ...found.filter((one) => one.manager === manager).map(({ path }) => `- ${path}`),
    ]);
    message = `Apply failed with ${found.length} conflicts: ${lines.join("\n")}`;
  }
  const causes = found.map(({ manager, path }): Omit<Cause, "reason"> & { readonly reason: string } => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${manager}`,
    field: path,
  }));
  throw new ConflictsError(conflicts, message, causes);
}

function nameOf({ apiVersion, manager, operation, subresource }: ManagedFieldsEntry): string {
  const name = `${JSON.stringify(manager)}${
    subresource === undefined ? "" : ` with subresource ${JSON.stringify(subresource)}`
  }`;
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}

/** The fields that `kubectl apply` wrote last, by its annotation. */
function lastAppliedSet({ live, schema }: ApplyRequest): FieldSet | undefined {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  try {
    const config: unknown = JSON.parse(text);
    return isPlainObject(config) ? stripped(fieldSetOf(schema, config)) : undefined;
  } catch {
    return undefined;
  }
}

/** An applied object with `kubectl`'s annotation of what it applied last, where it has had one. */
export function withLastApplied(object: KubeObject, config: KubeObject, manager: string): KubeObject {
  const { annotations } = object.metadata;
  if (manager !== "kubectl" || annotations?.[LAST_APPLIED] === undefined) return object;
  const { [LAST_APPLIED]: _last, ...others } = config.metadata.annotations ?? {};
  const { annotations: _a, managedFields: _m, ...metadata } = config.metadata;
  const bare = { ...config, metadata: { ...metadata, ...(isEmpty(others as never) ? {} : { annotations: others }) } };
  const text = `${JSON.stringify(sortedKeys(bare))}\n`;
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, [LAST_APPLIED]: text } } };
}

/** As Go's encoder writes maps. */
function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, sortedKeys(v)]),
  );
}
