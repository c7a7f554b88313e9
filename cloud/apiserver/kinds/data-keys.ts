// Rules that ConfigMaps and Secrets share: keys, total size, immutability.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, denied, wrong } from "../status.ts";

const dataKey = /^[-._a-zA-Z0-9]+$/;

/** ConfigMaps and Secrets: keys, total size, and that an immutable one stays as it is. */
export function dataErrors(object: KubeObject, old: KubeObject | undefined, fields: readonly string[]): Cause[] {
  const causes: Cause[] = [];
  let total = 0;
  for (const field of fields) {
    for (const [key, value] of Object.entries((object[field] ?? {}) as Record<string, string>)) {
      total += value.length;
      if (!dataKey.test(key)) {
        causes.push(
          wrong(
            `${field}[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          ),
        );
      }
    }
  }
  if (total > 1024 * 1024) {
    causes.push({ reason: "FieldValueTooLong", message: "Too long: may not be more than 1048576 bytes", field: "" });
  }
  if (old?.immutable === true) {
    if (object.immutable !== true) causes.push(denied("immutable", "field is immutable when `immutable` is set"));
    for (const field of fields) {
      if (!deepEqual(object[field] ?? {}, old[field] ?? {})) {
        causes.push(denied(field, "field is immutable when `immutable` is set"));
      }
    }
  }
  return causes;
}
