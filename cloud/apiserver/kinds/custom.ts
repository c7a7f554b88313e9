// Kinds made by CustomResourceDefinitions: schemas enforced by ajv, unknown fields pruned, defaults filled in.
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { withoutBigInts } from "../../../protocol/json.ts";
import type { Cause } from "../status.ts";
import { required, unknownResource, unsupported, wrong } from "../status.ts";
import { ageColumn, ageOf, nameColumn } from "./columns.ts";
import { customFields } from "./fields.ts";
import { type Column, customVerbs, type Kind, type Subresource } from "./kind.ts";

type Schema = Record<string, unknown>;

const ajv = new Ajv({
  allErrors: true,
  strict: false,
  validateFormats: false,
  verbose: true,
});

/** Scale of a custom resource: listed in discovery, and not served yet. */
const scale: Subresource = {
  method: "POST",
  verbs: ["get", "patch", "update"],
  answers: { group: "autoscaling", version: "v1", kind: "Scale" },
  handle: () => {
    throw unknownResource();
  },
};

/** The kinds, one for each served version, that a definition makes. */
export function kindsOf(crd: KubeObject): Kind[] {
  return listAt(crd, "spec", "versions").filter((v) => at(v, "served") === true).map((version) => kindOf(crd, version));
}

function kindOf(crd: KubeObject, version: unknown): Kind {
  const schema =
    (at(version, "schema", "openAPIV3Schema") ?? { "x-kubernetes-preserve-unknown-fields": true }) as Schema;
  const hasStatus = at(version, "subresources", "status") !== undefined;
  const hasScale = at(version, "subresources", "scale") !== undefined;
  const validate = once(() => ajv.compile(forAjv(schema) as Schema));
  const shortNames = listAt(crd, "spec", "names", "shortNames") as string[];
  const categories = listAt(crd, "spec", "names", "categories") as string[];
  return {
    group: textAt(crd, "spec", "group"),
    version: textAt(version, "name"),
    kind: textAt(crd, "spec", "names", "kind"),
    listKind: textAt(crd, "spec", "names", "listKind"),
    plural: textAt(crd, "spec", "names", "plural"),
    singular: textAt(crd, "spec", "names", "singular"),
    namespaced: textAt(crd, "spec", "scope") === "Namespaced",
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    verbs: customVerbs,
    hasStatus,
    subresources: hasScale ? { scale } : {},
    columns: columnsOf(version),
    custom: true,
    fields: customFields(schema),
    strategy: {
      versionRequired: true,
      generation: true,
      prepareCreate(object) {
        if (hasStatus) delete object.status;
        pruneRoot(object, schema);
      },
      prepareUpdate(object, old) {
        if (hasStatus) {
          if (old.status === undefined) delete object.status;
          else object.status = old.status;
        }
        pruneRoot(object, schema);
      },
      validate: (object) => faultsOf(withoutBigInts(object) as KubeObject, validate()),
      show(object) {
        const shown = { ...object, apiVersion: `${textAt(crd, "spec", "group")}/${textAt(version, "name")}` };
        pruneRoot(shown, schema);
        return shown;
      },
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => made ??= make();
}

function columnsOf(version: unknown): readonly Column[] {
  const extra = listAt(version, "additionalPrinterColumns");
  if (extra.length === 0) return [nameColumn, { ...ageColumn, type: "date" }];
  return [
    nameColumn,
    ...extra.map((column): Column => {
      const path = textAt(column, "jsonPath").replace(/^\./, "").split(/[.[\]'"]+/).filter((step) => step !== "");
      const type = textAt(column, "type");
      return {
        name: textAt(column, "name"),
        type: type === "integer" ? "integer" : type === "date" ? "date" : "string",
        wide: Number(at(column, "priority") ?? 0) > 0,
        cell: (object, now) => {
          const value = at(object, ...path);
          if (value === undefined) return null;
          if (type === "date") return ageOf(value, now);
          return typeof value === "number" ? value : String(value);
        },
      };
    }),
  ];
}

/** Drops fields the schema doesn't know and fills in defaults; metadata, kind and apiVersion are not the schema's. */
function pruneRoot(object: KubeObject, schema: Schema): void {
  const { apiVersion, kind, metadata, ...rest } = object;
  const pruned = prune(rest, { ...schema, "x-kubernetes-embedded-resource": false }) as Record<string, unknown>;
  for (const key of Object.keys(rest)) delete object[key];
  Object.assign(object, pruned, { apiVersion, kind, metadata });
}

function prune(value: unknown, schema: Schema | undefined): unknown {
  if (schema === undefined || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => prune(item, schema.items as Schema | undefined));
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const additional = schema.additionalProperties;
  const keep = schema["x-kubernetes-preserve-unknown-fields"] === true || additional === true;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (inner === null && known !== undefined && known.nullable !== true) continue; // null for a plain field is "not given"
    if (known !== undefined) result[key] = prune(inner, known);
    else if (typeof additional === "object" && additional !== null) result[key] = prune(inner, additional as Schema);
    else if (keep || (embedded && ["apiVersion", "kind", "metadata"].includes(key))) result[key] = inner;
  }
  for (const [key, property] of Object.entries(properties)) {
    if (!Object.hasOwn(result, key) && property.default !== undefined) result[key] = structuredClone(property.default);
  }
  return result;
}

/** A CRD's schema in the words of JSON Schema: `nullable`, int-or-string and the boolean exclusive bounds differ. */
function forAjv(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forAjv);
  if (typeof schema !== "object" || schema === null) return schema;
  const result: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "default" || key === "example" || key === "format" || key.startsWith("x-")) continue;
    if (key === "properties" || key === "patternProperties" || key === "definitions") {
      result[key] = Object.fromEntries(Object.entries(value as Schema).map(([k, v]) => [k, forAjv(v)]));
    } else result[key] = key === "enum" ? value : forAjv(value);
  }
  const source = schema as Schema;
  if (source["x-kubernetes-int-or-string"] === true) {
    delete result.type;
    result.anyOf = [{ type: "integer" }, { type: "string" }];
  }
  if (source.exclusiveMinimum === true) {
    result.exclusiveMinimum = source.minimum;
    delete result.minimum;
  } else if (source.exclusiveMinimum === false) delete result.exclusiveMinimum;
  if (source.exclusiveMaximum === true) {
    result.exclusiveMaximum = source.maximum;
    delete result.maximum;
  } else if (source.exclusiveMaximum === false) delete result.exclusiveMaximum;
  return result;
}

function faultsOf(object: KubeObject, validate: ValidateFunction): Cause[] {
  if (validate(object)) return [];
  return (validate.errors ?? []).filter((e) => e.keyword !== "anyOf").map(causeOf);
}

function causeOf(error: ErrorObject): Cause {
  const field = pathOf(error.instancePath);
  const value = error.data as unknown;
  const params = error.params as Record<string, unknown>;
  const inBody = (text: string) => wrong(field, value, `${field} in body ${text}`);
  switch (error.keyword) {
    case "required":
      return required(field === "" ? String(params.missingProperty) : `${field}.${String(params.missingProperty)}`);
    case "type": {
      const found = value === null ? "null" : Array.isArray(value) ? "array" : typeOf(value);
      return {
        reason: "FieldValueTypeInvalid",
        message: `Invalid value: ${JSON.stringify(found)}: ${field} in body must be of type ${String(params.type)}: ${
          JSON.stringify(found)
        }`,
        field,
      };
    }
    case "enum":
      return unsupported(field, value, (params.allowedValues as unknown[]).map(String));
    case "minLength":
      return inBody(`should be at least ${String(params.limit)} chars long`);
    case "maxLength":
      return {
        reason: "FieldValueTooLong",
        message: `Too long: may not be more than ${String(params.limit)} bytes`,
        field,
      };
    case "pattern":
      return inBody(`should match '${String(params.pattern)}'`);
    case "minimum":
      return inBody(`should be greater than or equal to ${String(params.limit)}`);
    case "maximum":
      return inBody(`should be less than or equal to ${String(params.limit)}`);
    case "exclusiveMinimum":
      return inBody(`should be greater than ${String(params.limit)}`);
    case "exclusiveMaximum":
      return inBody(`should be less than ${String(params.limit)}`);
    case "multipleOf":
      return inBody(`should be a multiple of ${String(params.multipleOf)}`);
    case "minItems":
      return wrong(
        field,
        (value as unknown[]).length,
        `${field} in body should have at least ${String(params.limit)} items`,
      );
    case "maxItems":
      return {
        reason: "FieldValueTooLong",
        message: `Too many: ${(value as unknown[]).length}: must have at most ${String(params.limit)} items`,
        field,
      };
    default:
      return inBody(error.message ?? "is not valid");
  }
}

function typeOf(value: unknown): string {
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** `/spec/list/0/name` as Kubernetes writes it: `spec.list[0].name`. */
function pathOf(pointer: string): string {
  return pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, step) => /^\d+$/.test(step) ? `${path}[${step}]` : path === "" ? step : `${path}.${step}`, "");
}
