// Strategic merge patch: lists merge by the key their field is declared with (k8s.io/apimachinery strategicpatch).
import { isPlainObject, type Json } from "../../../protocol/apis/kube-object.ts";
import { ApiError, badRequest } from "../status.ts";
import { define } from "../../../protocol/apis/merge-patch.ts";
import { deepEqual } from "./json-patch.ts";

type JsonObject = Record<string, Json>;

/**
 * The `patchMergeKey` of list fields of the kinds served here, by the field's name and, where one name means two things,
 * its parent's. Fields that aren't here are atomic: a patch replaces them.
 */
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: "type",
  addresses: "type",
  containers: "name",
  initContainers: "name",
  ephemeralContainers: "name",
  volumes: "name",
  env: "name",
  volumeMounts: "mountPath",
  volumeDevices: "devicePath",
  imagePullSecrets: "name",
  secrets: "name",
  hostAliases: "ip",
  podIPs: "ip",
  hostIPs: "ip",
  topologySpreadConstraints: "topologyKey",
  ownerReferences: "uid",
  resourceClaims: "name",
};
/** Lists of plain values that merge as sets. */
const mergedPrimitives = new Set(["finalizers"]);

function mergeKeyOf(field: string, parent: string): string | undefined {
  if (field === "ports") return parent === "spec" ? "port" : "containerPort";
  return mergeKeys[field];
}

/** Applies a strategic merge patch to an object of a built-in kind. Throws 400 or 500 for a patch that makes no sense. */
export function applyStrategicPatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) throw badRequest("cannot unmarshal the patch into an object");
  return mergeObjects(isObject(target) ? target : {}, patch, "");
}

function isObject(value: Json | undefined): value is JsonObject {
  return isPlainObject(value);
}

function mergeObjects(target: JsonObject, patch: JsonObject, parent: string): Json {
  const directive = patch.$patch;
  if (directive === "replace") return withoutDirectives(patch);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") throw internal(`Unknown patch type: ${String(directive)}`);
  const result: JsonObject = { ...target };
  if (Array.isArray(patch.$retainKeys)) {
    const retained = new Set(patch.$retainKeys);
    for (const key of Object.keys(result)) if (!retained.has(key)) delete result[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === "$patch" || key === "$retainKeys" || key.startsWith("$setElementOrder/")) continue;
    if (key.startsWith("$deleteFromPrimitiveList/")) {
      const field = key.slice("$deleteFromPrimitiveList/".length);
      const list = result[field];
      if (Array.isArray(list) && Array.isArray(value)) result[field] = list.filter((item) => !value.includes(item));
      continue;
    }
    if (value === null) {
      delete result[key];
      continue;
    }
    const current = Object.hasOwn(result, key) ? result[key] : undefined;
    if (Array.isArray(value)) {
      define(result, key, mergeLists(current, value, key, parent, patch[`$setElementOrder/${key}`]));
    } else if (isObject(value)) define(result, key, mergeObjects(isObject(current) ? current : {}, value, key));
    else define(result, key, value);
  }
  return result;
}

function mergeLists(
  current: Json | undefined,
  patch: Json[],
  field: string,
  parent: string,
  order: Json | undefined,
): Json {
  const base = Array.isArray(current) ? current : [];
  if (mergedPrimitives.has(field)) return [...base, ...patch.filter((item) => !base.includes(item))];
  const key = mergeKeyOf(field, parent);
  if (key === undefined) return patch.map(withoutDirectives);
  if (patch.some((item) => isObject(item) && item.$patch === "replace")) {
    return patch.filter((item) => !(isObject(item) && item.$patch === "replace")).map(withoutDirectives);
  }
  let result = [...base];
  for (const item of patch) {
    if (!isObject(item)) throw internal(`expected an object in ${field}`);
    const id = item[key];
    if (id === undefined) throw internal(`map: map[] does not contain declared merge key: ${key}`);
    const at = result.findIndex((existing) => isObject(existing) && deepEqual(existing[key], id));
    if (item.$patch === "delete") {
      result = result.filter((existing) => !(isObject(existing) && deepEqual(existing[key], id)));
    } else if (at === -1) result.push(mergeObjects({}, item, field));
    else result[at] = mergeObjects(result[at] as JsonObject, item, field);
  }
  return Array.isArray(order) ? ordered(result, order, key) : result;
}

/** Items named by `$setElementOrder` get that order; the others keep their place relative to their predecessor. */
function ordered(list: Json[], order: Json[], key: string): Json[] {
  const wanted = order.map((entry) => isObject(entry) ? entry[key] : entry);
  const rank = (item: Json) => wanted.findIndex((id) => isObject(item) && deepEqual(item[key], id));
  const named = list.filter((item) => rank(item) !== -1).sort((a, b) => rank(a) - rank(b));
  const result: Json[] = [];
  let next = 0;
  for (const item of list) {
    if (rank(item) === -1) result.push(item);
    else result.push(named[next++] as Json);
  }
  return result;
}

function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    if (!key.startsWith("$") && inner !== null) define(result, key, withoutDirectives(inner));
  }
  return result;
}

function internal(message: string): ApiError {
  return new ApiError(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });
}
