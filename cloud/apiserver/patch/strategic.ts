// Strategic merge patch: lists merge by the key their field is declared with (k8s.io/apimachinery strategicpatch).
import { isPlainObject, type Json } from "../../../protocol/apis/kube-object.ts";
import { define } from "../../../protocol/apis/merge-patch.ts";
import { ApiError, badRequest } from "../status.ts";
import type { Field, Shape, Struct } from "../types/shape.ts";
import { deepEqual } from "./json-patch.ts";

type JsonObject = Record<string, Json>;

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const SET_ORDER = "$setElementOrder/";
const DELETE_FROM = "$deleteFromPrimitiveList/";

/** Applies a strategic merge patch to an object of a built-in type. Throws 400, 422 or 500 for a patch that makes no sense. */
export function applyStrategicPatch(struct: Struct, target: Json, patch: Json): Json {
  if (!isObject(patch)) throw badRequest("cannot unmarshal the patch into an object");
  return mergeObjects(isObject(target) ? target : {}, patch, struct);
}

function isObject(value: Json | undefined): value is JsonObject {
  return isPlainObject(value);
}

/** `shape` is undefined where nothing is known of the place: such lists are replaced. */
function mergeObjects(target: JsonObject, patch: JsonObject, shape: Shape | undefined): Json {
  const directive = patch[DIRECTIVE];
  if (directive === "replace") return withoutNulls(without(patch, DIRECTIVE));
  if (directive === "delete") return {};
  if (directive !== undefined) throw badDirective(directive, patch);
  const result: JsonObject = { ...target };
  retainKeys(result, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key === RETAIN_KEYS) continue;
    if (key.startsWith(SET_ORDER)) {
      const name = key.slice(SET_ORDER.length);
      // With a list of its own it is looked at there.
      if (Object.hasOwn(patch, name) || !Array.isArray(result[name]) || !Array.isArray(value)) continue;
      define(result, name, ordered(result[name], [], value, fieldOf(shape, name)?.mergeKey));
      continue;
    }
    if (key.startsWith(DELETE_FROM)) {
      const name = key.slice(DELETE_FROM.length);
      const list = result[name];
      if (Array.isArray(list) && Array.isArray(value)) result[name] = list.filter((item) => !value.includes(item));
      continue;
    }
    if (value === null) delete result[key];
    else mergeValue(result, key, value, shape, patch[`${SET_ORDER}${key}`]);
  }
  return result;
}

function mergeValue(
  result: JsonObject,
  key: string,
  value: Json,
  shape: Shape | undefined,
  order: Json | undefined,
): void {
  const current = Object.hasOwn(result, key) ? result[key] : undefined;
  const field = fieldOf(shape, key);
  const isSameType = Array.isArray(current) ? Array.isArray(value) : isObject(current) && isObject(value);
  if (!isSameType) {
    if (field?.shape.is === "list" && isObject(value)) throw cannotRestore(value);
    const kept = withoutDirectives(value);
    if (kept === undefined) delete result[key];
    else define(result, key, kept);
  } else if (Array.isArray(value)) define(result, key, mergeLists(current as Json[], value, field, order));
  else {
    const isReplaced = field?.patch === "replace";
    define(
      result,
      key,
      isReplaced ? value : mergeObjects(current as JsonObject, value as JsonObject, innerOf(shape, key)),
    );
  }
}

/** `$retainKeys` names all keys that may stay. */
function retainKeys(result: JsonObject, patch: JsonObject): void {
  const retained = patch[RETAIN_KEYS];
  if (!Array.isArray(retained)) return;
  for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];
}

function fieldOf(shape: Shape | undefined, name: string): Field | undefined {
  return shape?.is === "struct" ? shape.fields.get(name) : undefined;
}

/** The shape of what a key holds: a struct's field, or any entry of a map. */
function innerOf(shape: Shape | undefined, name: string): Shape | undefined {
  return shape?.is === "map" ? shape.value : fieldOf(shape, name)?.shape;
}

function mergeLists(current: Json[], patch: Json[], field: Field | undefined, order: Json | undefined): Json[] {
  if (field?.patch?.includes("merge") !== true) return patch;
  const { mergeKey } = field;
  if (mergeKey === undefined) {
    const merged = [...current, ...patch.filter((item) => !current.includes(item))];
    return ordered(merged, current, Array.isArray(order) ? order : patch, undefined, patch);
  }
  const item = field.shape.is === "list" ? field.shape.item : undefined;
  const keyOf = (value: Json): Json => {
    if (!isObject(value)) throw new ApiError(500, "", `expected an object in ${field.name}`);
    const key = value[mergeKey];
    if (key === undefined) {
      throw new ApiError(500, "", `map: ${goMap(value)} does not contain declared merge key: ${mergeKey}`);
    }
    return key;
  };
  let base = current;
  const plain: Json[] = [];
  let isReplaced = false;
  for (const entry of patch) {
    const directive = isObject(entry) ? entry[DIRECTIVE] : undefined;
    if (directive === undefined) plain.push(entry);
    else if (directive === "replace") isReplaced = true;
    else if (directive === "delete") {
      const key = keyOf(entry);
      base = base.filter((existing) => !deepEqual(keyOf(existing), key));
    } else throw badDirective(directive, entry as JsonObject);
  }
  if (isReplaced) return plain;
  const merged = [...base];
  for (const entry of plain) {
    const key = keyOf(entry);
    const at = merged.findIndex((existing) => deepEqual(keyOf(existing), key));
    if (at === -1) merged.push(mergeObjects({}, entry as JsonObject, item));
    else merged[at] = mergeObjects(merged[at] as JsonObject, entry as JsonObject, item);
  }
  return ordered(merged, base, Array.isArray(order) ? order : plain, mergeKey, plain);
}

/**
 * A merged list in its order: items of the patch as `order` has them, those of the server alone as they were, and between
 * the two as the server had them; what only one side knows goes before.
 */
function ordered(
  merged: Json[],
  server: Json[],
  order: Json[],
  mergeKey: string | undefined,
  patch: Json[] = order,
): Json[] {
  const id = (value: Json) => mergeKey !== undefined && isObject(value) ? value[mergeKey] : value;
  const indexIn = (list: readonly Json[], value: Json) => list.findIndex((other) => deepEqual(id(other), id(value)));
  const serverOrder = server.length === 0 ? merged : server;
  const named = patch === order ? order : [...order, ...patch];
  const ours = merged.filter((item) => indexIn(named, item) !== -1).sort((a, b) =>
    indexIn(named, a) - indexIn(named, b)
  );
  const theirs = merged.filter((item) => indexIn(named, item) === -1);
  const result: Json[] = [];
  let i = 0;
  let j = 0;
  while (i < theirs.length || j < ours.length) {
    if (i >= theirs.length) result.push(ours[j++] as Json);
    else if (j >= ours.length) result.push(theirs[i++] as Json);
    else {
      const left = indexIn(serverOrder, theirs[i] as Json);
      const right = indexIn(serverOrder, ours[j] as Json);
      if (left >= 0 && right >= 0 && left < right) result.push(theirs[i++] as Json);
      else result.push(ours[j++] as Json);
    }
  }
  return result;
}

function without(object: JsonObject, key: string): JsonObject {
  const { [key]: _removed, ...rest } = object;
  return rest;
}

/** What a patch says about a place where nothing is yet; undefined where it is an instruction alone. */
function withoutDirectives(value: Json): Json | undefined {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter((item) => item !== undefined);
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === RETAIN_KEYS || key.startsWith(SET_ORDER) || key.startsWith(DELETE_FROM) || inner === null) continue;
    const kept = withoutDirectives(inner);
    if (kept !== undefined) define(result, key, kept);
  }
  return result;
}

function withoutNulls(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

/** A map as Go prints it. */
function goMap(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(" ")}]`;
  if (!isObject(value)) return value === null ? "<nil>" : String(value);
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `map[${entries.map(([key, inner]) => `${key}:${goMap(inner)}`).join(" ")}]`;
}

function badDirective(directive: Json, patch: JsonObject): ApiError {
  return new ApiError(500, "", `unknown patch type: ${String(directive)} in map: ${goMap(patch)}`);
}

function cannotRestore(value: Json): ApiError {
  const message = `Invalid value: ${JSON.stringify(goMap(value))}: cannot restore slice from map`;
  return new ApiError(422, "Invalid", ` "" is invalid: patch: ${message}`, {
    causes: [{ reason: "FieldValueInvalid", message, field: "patch" }],
  });
}
