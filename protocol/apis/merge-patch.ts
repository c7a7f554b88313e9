// JSON Merge Patch (RFC 7386).
import { isPlainObject, type Json } from "./kube-object.ts";

/** Sets a key even where it is called `__proto__`. */
export function define(object: Record<string, Json>, key: string, value: Json): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else object[key] = value;
}

/** Applies a merge patch: null removes a key, objects merge, anything else replaces. Returns a new value. */
export function applyMergePatch(target: Json | undefined, patch: Json): Json {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const base = isPlainObject(target) ? target as { readonly [key: string]: Json } : {};
  const merged: Record<string, Json> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else define(merged, key, applyMergePatch(Object.hasOwn(base, key) ? base[key] : undefined, value));
  }
  return merged;
}
