// Values under a schema of server-side apply: checked, turned into sets of fields, compared, merged and pruned.
// The rules are those of structured-merge-diff v4 (`typed`), which kube-apiserver uses.
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { child, type FieldSet, isEmpty, isMember, leaf } from "./field-set.ts";
import { type Schema, untyped } from "./schema.ts";

/** A value that does not fit its schema; `message` begins with the path. */
export class TypedError extends Error {}

type Tree = Record<string, FieldSet>;
type JsonObject = Record<string, unknown>;

/** The steps of a list's items, in their order. */
interface Items {
  readonly steps: readonly string[];
  readonly values: ReadonlyMap<string, unknown>;
}

/** A place without a known type is an object where its value is one, else a field as a whole. */
function resolved(schema: Schema, ...values: unknown[]): Schema {
  if (schema.is !== "object") return schema;
  return values.some((value) => value !== undefined && value !== null && !isPlainObject(value))
    ? { is: "leaf" }
    : schema;
}

/** Throws TypedError for the first value that doesn't fit. `path` is as in `.spec.ports`. */
export function check(schema: Schema, value: unknown, path = ""): void {
  if (value === null || value === undefined) return;
  switch (schema.is) {
    case "leaf": {
      const { type } = schema;
      const found = typeof value === "bigint" ? "number" : typeof value;
      if (type === undefined || found === (type === "numeric" ? "number" : type)) return;
      throw new TypedError(`${path}: expected ${type}, got ${goValue(value)}`);
    }
    case "object":
      if (schema === untyped && !isPlainObject(value)) return;
      if (!isPlainObject(value)) throw new TypedError(`${path}: expected map, got ${goValue(value)}`);
      for (const [name, inner] of Object.entries(value)) {
        const field = schema.field(name);
        if (field === undefined) throw new TypedError(`${path}.${name}: field not declared in schema`);
        check(field, inner, `${path}.${name}`);
      }
      return;
    default: {
      if (!Array.isArray(value)) throw new TypedError(`${path}: expected list, got ${goValue(value)}`);
      const { values } = itemsOf(schema, value, path, true);
      for (const [step, inner] of values) check(schema.item, inner, `${path}${stepText(step)}`);
    }
  }
}

function goValue(value: unknown): string {
  if (isPlainObject(value)) return "&{map[]}";
  return `&value.valueUnstructured{Value:${typeof value === "string" ? JSON.stringify(value) : String(value)}}`;
}

function stepText(step: string): string {
  if (step.startsWith("v:")) return `[=${step.slice(2)}]`;
  const keys = JSON.parse(step.slice(2)) as Record<string, unknown>;
  return `[${Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}

type ListSchema = Extract<Schema, { is: "set" | "list" }>;

function itemsOf(schema: ListSchema, value: unknown, path = "", isStrict = false): Items {
  const steps: string[] = [];
  const values = new Map<string, unknown>();
  for (const [i, item] of (Array.isArray(value) ? value as unknown[] : []).entries()) {
    const step = stepOf(schema, item, i, path);
    if (values.has(step)) {
      if (isStrict) throw new TypedError(`${path}: duplicate entries for key ${stepText(step)}`);
      continue;
    }
    steps.push(step);
    values.set(step, item);
  }
  return { steps, values };
}

function stepOf(schema: ListSchema, item: unknown, index: number, path: string): string {
  if (schema.is === "set") return `v:${JSON.stringify(item)}`;
  if (!isPlainObject(item)) {
    throw new TypedError(`${path}: element ${index}: associative list with keys may not have non-map elements`);
  }
  const keys: JsonObject = {};
  let isAny = false;
  for (const key of [...schema.keys].sort()) {
    const value = item[key] ?? schema.defaultOf(key);
    if (value === undefined) continue;
    keys[key] = value;
    if (Object.hasOwn(item, key)) isAny = true;
  }
  if (!isAny || schema.keys.some((key) => !Object.hasOwn(keys, key) && schema.keys.length === 1)) {
    const key = schema.keys.find((name) => !Object.hasOwn(keys, name)) ?? schema.keys[0];
    throw new TypedError(
      `${path}: element ${index}: associative list with keys has an element that omits key field ${
        JSON.stringify(key)
      } (and doesn't have default value)`,
    );
  }
  return `k:${JSON.stringify(keys)}`;
}

/** All fields of a value. */
export function fieldSetOf(schema: Schema, value: unknown): FieldSet {
  return setOf(schema, value) ?? {};
}

/** The set below a place; undefined where the place itself is the field. */
function setOf(given: Schema, value: unknown): FieldSet | undefined {
  const schema = resolved(given, value);
  if (schema.is === "leaf") return undefined;
  const tree: Tree = {};
  if (schema.is === "object") {
    for (const [name, inner] of Object.entries((value ?? {}) as JsonObject)) {
      const below = setOf(schema.field(name) ?? { is: "leaf" }, inner);
      const isOwn = below === undefined || inner === null || (isPlainObject(inner) && isEmpty(inner as never)) ||
        !schema.isField(name);
      const node = nodeOf(isOwn, below ?? {});
      if (node !== undefined) tree[`f:${name}`] = node;
    }
    return tree;
  }
  for (const [step, inner] of itemsOf(schema, value).values) {
    tree[step] = nodeOf(true, setOf(schema.item, inner) ?? {})!;
  }
  return tree;
}

function nodeOf(member: boolean, below: FieldSet): FieldSet | undefined {
  if (isEmpty(below)) return member ? leaf : undefined;
  return member ? { ".": leaf, ...below } : below;
}

/** What changed from one value to another. */
export interface Comparison {
  /** New fields, and those with another value. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

/** Compares two values of a schema. */
export function compare(schema: Schema, before: unknown, after: unknown): Comparison {
  const changed: Tree = {};
  const removed: Tree = {};
  compareChildren(resolved(schema, before, after), before, after, changed, removed);
  return { changed, removed };
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isPlainObject(value) && isEmpty(value as never);
}

function compareChildren(schema: Schema, before: unknown, after: unknown, changed: Tree, removed: Tree): void {
  if (schema.is === "leaf") return;
  if (schema.is === "object") {
    const old = (before ?? {}) as JsonObject;
    const now = (after ?? {}) as JsonObject;
    for (const name in old) compareOne(schema.field(name), `f:${name}`, old[name], own(now, name), changed, removed);
    for (const name in now) {
      if (!Object.hasOwn(old, name)) {
        compareOne(schema.field(name), `f:${name}`, undefined, now[name], changed, removed);
      }
    }
    return;
  }
  const old = itemsOf(schema, before).values;
  const now = itemsOf(schema, after).values;
  for (const [step, value] of old) compareOne(schema.item, step, value, now.get(step), changed, removed);
  for (const [step, value] of now) {
    if (!old.has(step)) compareOne(schema.item, step, undefined, value, changed, removed);
  }
}

function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function compareOne(
  given: Schema | undefined,
  step: string,
  before: unknown,
  after: unknown,
  changed: Tree,
  removed: Tree,
): void {
  if (before === after) return;
  const schema = resolved(given ?? { is: "leaf" }, before, after);
  if (schema.is === "leaf" || (isNothing(before) && isNothing(after))) {
    if (before === undefined) changed[step] = leaf;
    else if (after === undefined) removed[step] = leaf;
    else if (!deepEqual(before, after)) changed[step] = leaf;
    return;
  }
  const innerChanged: Tree = {};
  const innerRemoved: Tree = {};
  compareChildren(schema, before, after, innerChanged, innerRemoved);
  const now = nodeOf(before === undefined, innerChanged);
  if (now !== undefined) changed[step] = now;
  const gone = nodeOf(after === undefined, innerRemoved);
  if (gone !== undefined) removed[step] = gone;
}

/** The live value with all that the applied one says. */
export function merge(given: Schema, live: unknown, applied: unknown): unknown {
  const schema = resolved(given, live, applied);
  if (applied === undefined) return live;
  if (live === undefined || live === null || applied === null || schema.is === "leaf") return applied;
  if (schema.is === "object") {
    const merged: JsonObject = { ...live as JsonObject };
    for (const [name, value] of Object.entries(applied as JsonObject)) {
      define(merged, name, merge(schema.field(name) ?? { is: "leaf" }, own(live as JsonObject, name), value));
    }
    return merged;
  }
  return mergeLists(schema, itemsOf(schema, live), itemsOf(schema, applied));
}

function define(object: JsonObject, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else object[name] = value;
}

/** Applied items are in their own order; items that are only in the live list keep their place between them. */
function mergeLists(schema: ListSchema, live: Items, applied: Items): unknown[] {
  const merged: unknown[] = [];
  const shared = applied.steps.filter((step) => live.values.has(step));
  const done = new Set<string>();
  let nextShared = 0;
  const take = (step: string) => {
    merged.push(merge(schema.item, live.values.get(step), applied.values.get(step)));
    done.add(step);
    if (shared[nextShared] === step) nextShared++;
  };
  for (let l = 0, a = 0; l < live.steps.length || a < applied.steps.length;) {
    const mine = live.steps[l];
    const theirs = applied.steps[a];
    if (mine !== undefined && theirs !== undefined) {
      if (mine === theirs) {
        take(mine);
        l++;
        a++;
        continue;
      }
      if (applied.values.has(mine) && shared[nextShared] !== undefined && shared[nextShared] !== mine) {
        l++;
        continue;
      }
    }
    if (mine !== undefined && !applied.values.has(mine)) {
      merged.push(live.values.get(mine));
      l++;
      continue;
    }
    if (mine !== undefined && done.has(mine)) l++;
    if (theirs !== undefined) {
      take(theirs);
      a++;
    }
  }
  return merged;
}

/** A value without the fields in `last` that are in `owned` no more. Undefined where nothing is left of it. */
export function prune(given: Schema, value: unknown, last: FieldSet, owned: FieldSet): unknown {
  const schema = resolved(given, value);
  if (value === null || value === undefined || schema.is === "leaf") return value;
  const pruned = (step: string, inner: unknown, itemSchema: Schema): { readonly kept: unknown } | undefined => {
    const before = child(last, step);
    if (before === undefined) return { kept: inner };
    const now = child(owned, step);
    if (now === undefined && isMember(before)) return undefined;
    const kept = prune(itemSchema, inner, before, now ?? {});
    return kept === undefined ? undefined : { kept };
  };
  if (schema.is === "object") {
    const result: JsonObject = {};
    for (const [name, inner] of Object.entries(value as JsonObject)) {
      const found = pruned(`f:${name}`, inner, schema.field(name) ?? { is: "leaf" });
      if (found !== undefined) define(result, name, found.kept);
    }
    return isEmpty(result as never) && !isEmpty(value as never) ? undefined : result;
  }
  const { steps, values } = itemsOf(schema, value);
  const result = steps.flatMap((step) => {
    const found = pruned(step, values.get(step), schema.item);
    return found === undefined ? [] : [found.kept];
  });
  return result.length === 0 && steps.length > 0 ? undefined : result;
}
