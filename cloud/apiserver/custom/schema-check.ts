// Values under a CustomResourceDefinition's schema, with kube-apiserver's words for what doesn't fit.
// Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
import { isIPv4, isIPv6 } from "node:net";
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { deepEqual } from "../patch/json-patch.ts";
import { type Cause, required, unsupported, wrong } from "../status.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;
type JsonObject = Readonly<Record<string, unknown>>;

/**
 * What is wrong with a value. What stands in `old` unchanged is not judged again, so that a schema may become stricter
 * than what is stored. `path` is as in `spec.list[0]`, "" for the whole object.
 */
export function schemaErrors(schema: JsonSchema, value: unknown, old: unknown, path = ""): Cause[] {
  if (value === undefined || (old !== undefined && deepEqual(value, old))) return [];
  const typeError = typeErrorOf(schema, value, path);
  if (typeError !== undefined) return [typeError];
  if (value === null) return [];
  const causes: Cause[] = [];
  if (typeof value === "string") causes.push(...stringErrors(schema, value, path));
  else if (typeof value === "number" || typeof value === "bigint") {
    causes.push(...numberErrors(schema, Number(value), path));
  } else if (Array.isArray(value)) causes.push(...listErrors(schema, value, old, path));
  else if (isPlainObject(value)) causes.push(...objectErrors(schema, value, old, path));
  if (Array.isArray(schema.enum) && !schema.enum.some((allowed) => deepEqual(allowed, value))) {
    causes.push(
      unsupported(
        path,
        value,
        schema.enum.map((allowed) => typeof allowed === "string" ? allowed : JSON.stringify(allowed)),
      ),
    );
  }
  causes.push(...combinedErrors(schema, value, path));
  return causes;
}

function named(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value))) return "integer";
  return typeof value;
}

function typeErrorOf(schema: JsonSchema, value: unknown, path: string): Cause | undefined {
  const found = named(value);
  const isEither = schema["x-kubernetes-int-or-string"] === true;
  if (value === null && schema.nullable === true) return undefined;
  const wanted = isEither ? "integer,string" : schema.type;
  if (typeof wanted !== "string" || wanted === "") return undefined;
  const fits = isEither
    ? found === "integer" || found === "string"
    : found === wanted || (wanted === "number" && found === "integer");
  if (fits) return undefined;
  return {
    reason: "FieldValueTypeInvalid",
    message: `Invalid value: ${JSON.stringify(found)}: ${path} in body must be of type ${wanted}: ${
      JSON.stringify(found)
    }`,
    field: path,
  };
}

const tooMany = (field: string, found: number, most: unknown): Cause => ({
  reason: "FieldValueTooMany",
  message: `Too many: ${found}: must have at most ${String(most)} items`,
  field,
});

function stringErrors(schema: JsonSchema, value: string, path: string): Cause[] {
  const { format, maxLength, minLength, pattern } = schema;
  const length = [...value].length;
  // The first fault of a text is the one that is told.
  if (typeof maxLength === "number" && length > maxLength) {
    return [{ reason: "FieldValueTooLong", message: `Too long: may not be more than ${maxLength} bytes`, field: path }];
  }
  if (typeof minLength === "number" && length < minLength) {
    return [wrong(path, value, `${path} in body should be at least ${minLength} chars long`)];
  }
  if (typeof pattern === "string" && !regexpOf(pattern).test(value)) {
    return [wrong(path, value, `${path} in body should match '${pattern}'`)];
  }
  if (typeof format === "string" && formats[format]?.(value) === false) {
    const shown = JSON.stringify(value);
    return [{
      reason: "FieldValueTypeInvalid",
      message: `Invalid value: ${shown}: ${path} in body must be of type ${format}: ${shown}`,
      field: path,
    }];
  }
  return [];
}

const patterns = new Map<string, RegExp>();

/** Go's syntax is nearly ours; a pattern that isn't matches everything. */
function regexpOf(pattern: string): RegExp {
  let found = patterns.get(pattern);
  if (found === undefined) {
    try {
      found = new RegExp(pattern, "u");
    } catch {
      try {
        found = new RegExp(pattern);
      } catch {
        found = /(?:)/;
      }
    }
    patterns.set(pattern, found);
  }
  return found;
}

function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (match === null) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** The formats that kube-apiserver checks; all others are accepted. */
const formats: Readonly<Record<string, (text: string) => boolean>> = {
  "date-time": (text) =>
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text.replace(" ", "T"))),
  date: isDate,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: (text) => {
    const [address = "", bits = "", more] = text.split("/");
    const most = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
    return more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= most;
  },
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  hostname: (text) =>
    text.length <= 253 &&
    /^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*\.?$/.test(text),
  uri: (text) => /^[A-Za-z][A-Za-z0-9+.-]*:.+/.test(text) || text.startsWith("/"),
  uuid: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  mac: (text) => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text),
  duration: (text) =>
    /^([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(text) || text === "0" || /^\d+\s*[a-z]+$/.test(text),
  byte: (text) => /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0,
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
  isbn10: (text) => /^\d{9}[\dX]$/.test(text.replace(/[-\s]/g, "")),
  isbn13: (text) => /^\d{13}$/.test(text.replace(/[-\s]/g, "")),
  creditcard: (text) => /^\d{13,19}$/.test(text.replace(/[-\s]/g, "")),
  ssn: (text) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  hexcolor: (text) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  rgbcolor: (text) => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/.test(text),
};

function numberErrors(schema: JsonSchema, value: number, path: string): Cause[] {
  const { exclusiveMaximum, exclusiveMinimum, maximum, minimum, multipleOf } = schema;
  const causes: Cause[] = [];
  const refuse = (rule: string) => causes.push(wrong(path, value, `${path} in body should be ${rule}`));
  if (typeof minimum === "number" && (exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    refuse(exclusiveMinimum === true ? `greater than ${minimum}` : `greater than or equal to ${minimum}`);
  }
  if (typeof maximum === "number" && (exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    refuse(exclusiveMaximum === true ? `less than ${maximum}` : `less than or equal to ${maximum}`);
  }
  if (typeof multipleOf === "number") {
    const times = value / multipleOf;
    if (Math.abs(times - Math.round(times)) > 1e-9) refuse(`a multiple of ${multipleOf}`);
  }
  return causes;
}

function listErrors(schema: JsonSchema, value: readonly unknown[], old: unknown, path: string): Cause[] {
  const { items, maxItems, minItems } = schema;
  const causes: Cause[] = [];
  if (typeof maxItems === "number" && value.length > maxItems) causes.push(tooMany(path, value.length, maxItems));
  if (typeof minItems === "number" && value.length < minItems) {
    causes.push(wrong(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  const keys = (schema["x-kubernetes-list-map-keys"] ?? []) as readonly string[];
  const kind = schema["x-kubernetes-list-type"];
  const keyOf = (item: unknown) =>
    kind === "map" && isPlainObject(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item;
  const seen = new Set<string>();
  for (const [i, item] of value.entries()) {
    if (isPlainObject(items)) {
      const before = Array.isArray(old) && kind === "map"
        ? old.find((other) => deepEqual(keyOf(other), keyOf(item)))
        : undefined;
      causes.push(...schemaErrors(items, item, before, `${path}[${i}]`));
    }
    if (kind !== "set" && kind !== "map") continue;
    const key = JSON.stringify(keyOf(item));
    if (seen.has(key)) {
      const shown = kind === "map" ? goMap(keyOf(item)) : JSON.stringify(item);
      causes.push({ reason: "FieldValueDuplicate", message: `Duplicate value: ${shown}`, field: `${path}[${i}]` });
    }
    seen.add(key);
  }
  return causes;
}

function goMap(value: unknown): string {
  const entries = Object.entries((value ?? {}) as JsonObject).map(([k, v]) =>
    `${JSON.stringify(k)}:${JSON.stringify(v)}`
  );
  return `map[string]interface {}{${entries.join(", ")}}`;
}

function objectErrors(schema: JsonSchema, value: JsonObject, old: unknown, path: string): Cause[] {
  const { additionalProperties, maxProperties, minProperties, properties, required: names } = schema;
  const causes: Cause[] = [];
  const count = Object.keys(value).length;
  if (typeof maxProperties === "number" && count > maxProperties) causes.push(tooMany(path, count, maxProperties));
  if (typeof minProperties === "number" && count < minProperties) {
    causes.push(wrong(path, count, `${path} in body should have at least ${minProperties} properties`));
  }
  const step = (name: string) => path === "" ? name : `${path}.${name}`;
  for (const name of Array.isArray(names) ? names as string[] : []) {
    if (!Object.hasOwn(value, name)) causes.push(required(step(name)));
  }
  const before = isPlainObject(old) ? old : {};
  for (const [name, inner] of Object.entries(value)) {
    const own = isPlainObject(properties) && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    const oldInner = Object.hasOwn(before, name) ? before[name] : undefined;
    if (isPlainObject(own)) causes.push(...schemaErrors(own, inner, oldInner, step(name)));
  }
  if (schema["x-kubernetes-embedded-resource"] === true) {
    for (const name of ["apiVersion", "kind"]) {
      if (typeof value[name] !== "string" || value[name] === "") causes.push(required(step(name), "must not be empty"));
    }
  }
  return causes;
}

/** `allOf`, `anyOf`, `oneOf` and `not`, as go-openapi reports them. */
function combinedErrors(schema: JsonSchema, value: unknown, path: string): Cause[] {
  const causes: Cause[] = [];
  const report = (what: string) =>
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: "": ${JSON.stringify(path)} ${what}`,
      field: "<nil>",
    });
  const tried = (list: unknown) => (list as JsonSchema[]).map((one) => schemaErrors(one, value, undefined, path));
  const best = (results: readonly Cause[][]) => results.toSorted((a, b) => a.length - b.length)[0] ?? [];
  if (Array.isArray(schema.anyOf)) {
    const results = tried(schema.anyOf);
    if (!results.some((errors) => errors.length === 0)) {
      report("must validate at least one schema (anyOf)");
      causes.push(...best(results));
    }
  }
  if (Array.isArray(schema.oneOf)) {
    const results = tried(schema.oneOf);
    const good = results.filter((errors) => errors.length === 0).length;
    if (good === 0) {
      report("must validate one and only one schema (oneOf). Found none valid");
      causes.push(...best(results));
    } else if (good > 1) report(`must validate one and only one schema (oneOf). Found ${good} valid alternatives`);
  }
  if (Array.isArray(schema.allOf)) {
    const results = tried(schema.allOf);
    const bad = results.filter((errors) => errors.length > 0);
    if (bad.length > 0) {
      report(`must validate all the schemas (allOf)${bad.length === results.length ? ". None validated" : ""}`);
      causes.push(...bad.flat());
    }
  }
  if (isPlainObject(schema.not) && schemaErrors(schema.not, value, undefined, path).length === 0) {
    report("must not validate the schema (not)");
  }
  return causes;
}
