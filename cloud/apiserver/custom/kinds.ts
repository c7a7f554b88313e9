// Kinds made by CustomResourceDefinitions: schemas enforced, unknown fields pruned, defaults filled in.
import { at, isPlainObject, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { schemaOfCustom } from "../apply/schema.ts";
import { ageColumn, ageOf, nameColumn } from "../kinds/columns.ts";
import {
  type Column,
  type CustomSchema,
  customVerbs,
  type Kind,
  type ScalePaths,
  type Subresource,
} from "../kinds/kind.ts";
import type { Cause } from "../status.ts";
import { wrong } from "../status.ts";
import { decode } from "../types/decode.ts";
import { structOf } from "../types/shape.ts";
import { objectMeta } from "../types/table.ts";
import { readPath } from "./json-path.ts";
import { hasRules, ruleErrors } from "./rules.ts";
import { type JsonSchema, schemaErrors } from "./schema-check.ts";

/** The kinds, one for each served version, that a definition makes. */
export function kindsOf(crd: KubeObject): Kind[] {
  return listAt(crd, "spec", "versions").filter((v) => at(v, "served") === true).map((version) => kindOf(crd, version));
}

const anything: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

function kindOf(crd: KubeObject, version: unknown): Kind {
  const root = (at(version, "schema", "openAPIV3Schema") ?? anything) as JsonSchema;
  const group = textAt(crd, "spec", "group");
  const name = textAt(version, "name");
  const kind = textAt(crd, "spec", "names", "kind");
  const apiVersion = `${group}/${name}`;
  const shortNames = listAt(crd, "spec", "names", "shortNames") as string[];
  const categories = listAt(crd, "spec", "names", "categories") as string[];
  const stored = textAt(listAt(crd, "spec", "versions").find((v) => at(v, "storage") === true), "name");
  const isDeprecated = at(version, "deprecated") === true;
  const custom = schemaFor(`${crd.metadata.name}/${name}`, root);
  const hasCel = hasRules(root);
  const scale = scaleOf(version);
  let schema: Kind["schema"] | undefined;
  return {
    group,
    version: name,
    kind,
    listKind: textAt(crd, "spec", "names", "listKind"),
    plural: textAt(crd, "spec", "names", "plural"),
    singular: textAt(crd, "spec", "names", "singular"),
    namespaced: textAt(crd, "spec", "scope") === "Namespaced",
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    verbs: customVerbs,
    table: crd.metadata.name,
    storedAs: `${group}/${stored}`,
    hasStatus: at(version, "subresources", "status") !== undefined,
    subresources: scale,
    columns: columnsOf(version),
    selectable: Object.fromEntries(
      listAt(version, "selectableFields").map((field) => {
        const path = textAt(field, "jsonPath");
        return [path.replace(/^\./, ""), (object: KubeObject) => {
          const value = readPath(object, path);
          return value === undefined ? "" : String(value);
        }];
      }),
    ),
    struct: undefined,
    custom,
    get schema() {
      return schema ??= schemaOfCustom(root);
    },
    strategy: {
      versionRequired: true,
      generation: true,
      validate(object, old) {
        const causes = checked(root, object, old);
        if (!hasCel) return causes;
        if (causes.length === 0) return ruleErrors(root, object, old);
        return [...causes, {
          reason: "FieldValueInvalid",
          message:
            'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
          field: "<nil>",
        }];
      },
      validateStatus(object, old) {
        // kube-apiserver's check of a status names places from the status on.
        const causes = checked(root, object, old).map((cause) =>
          cause.field.startsWith("status.")
            ? { ...cause, message: cause.message.replace(`${cause.field} in body`, `${cause.field.slice(7)} in body`) }
            : cause
        );
        return [
          ...causes,
          ...scaleErrors(scale, object),
          ...causes.length === 0 && hasCel ? ruleErrors(root, object, old) : [],
        ];
      },
      show(object) {
        const shown = { ...structuredClone(object), apiVersion };
        custom.prune(shown);
        custom.applyDefaults(shown);
        return shown;
      },
    },
    ...(isDeprecated
      ? { warning: textAt(version, "deprecationWarning") || `${apiVersion} ${kind} is deprecated` }
      : {}),
  };
}

/** The schema's judgement; apiVersion, kind and metadata are not its own. */
function checked(root: JsonSchema, object: KubeObject, old: KubeObject | undefined): Cause[] {
  const bare = ({ apiVersion: _a, kind: _k, metadata: _m, ...rest }: KubeObject) => rest;
  const { properties, required, ...rest } = root;
  const { apiVersion: _a, kind: _k, metadata: _m, ...own } = (properties ?? {}) as Record<string, JsonSchema>;
  const names = (Array.isArray(required) ? required as string[] : []).filter((name) =>
    !["apiVersion", "kind", "metadata"].includes(name)
  );
  const causes = schemaErrors(
    { ...rest, properties: own, required: names },
    bare(object),
    old === undefined ? undefined : bare(old),
  );
  const pattern = at(_m, "properties", "name", "pattern");
  const { name } = object.metadata;
  if (typeof pattern === "string" && !new RegExp(pattern).test(name)) {
    causes.push(wrong("metadata.name", name, `metadata.name in body should match '${pattern}'`));
  }
  return causes;
}

function scaleOf(version: unknown): Record<string, Subresource> {
  const scale = at(version, "subresources", "scale");
  if (scale === undefined) return {};
  const path = (field: string) => textAt(scale, field).split(".").filter((step) => step !== "");
  const selector = path("labelSelectorPath");
  const paths: ScalePaths = {
    spec: path("specReplicasPath"),
    status: path("statusReplicasPath"),
    ...(selector.length === 0 ? {} : { selector }),
  };
  return {
    scale: {
      as: "scale",
      verbs: ["get", "patch", "update"],
      answers: { group: "autoscaling", version: "v1", kind: "Scale" },
      paths,
    },
  };
}

/** The number of replicas in a status must be one. */
function scaleErrors({ scale }: Record<string, Subresource>, object: KubeObject): Cause[] {
  if (scale?.as !== "scale") return [];
  const value = at(object, ...scale.paths.status);
  const path = `.${scale.paths.status.join(".")}`;
  if (value === undefined || typeof value === "number") return [];
  return [wrong(path, 0, `${path} accessor error: ${String(value)} is of the type ${typeof value}, expected int64`)];
}

function columnsOf(version: unknown): readonly Column[] {
  const extra = listAt(version, "additionalPrinterColumns");
  if (extra.length === 0) return [nameColumn, { ...ageColumn, type: "date" }];
  return [
    nameColumn,
    ...extra.map((column): Column => {
      const path = textAt(column, "jsonPath");
      const type = textAt(column, "type");
      return {
        name: textAt(column, "name"),
        type: ["integer", "number", "boolean", "date"].includes(type) ? type as Column["type"] : "string",
        wide: Number(at(column, "priority") ?? 0) > 0,
        ...(textAt(column, "format") === "" ? {} : { format: textAt(column, "format") }),
        ...(textAt(column, "description") === "" ? {} : { description: textAt(column, "description") }),
        cell: (object, now) => {
          const value = readPath(object, path);
          if (value === undefined || value === null) return null;
          if (type === "date") return ageOf(value, now);
          if (typeof value === "number" || typeof value === "boolean") return value;
          return typeof value === "object" ? JSON.stringify(value) : String(value);
        },
      };
    }),
  ];
}

/** Schemas by the version that has them: a definition that is changed elsewhere keeps the object, by which stored ones know it. */
const schemas = new Map<string, { readonly text: string; readonly schema: CustomSchema }>();

function schemaFor(key: string, root: JsonSchema): CustomSchema {
  const text = JSON.stringify(root);
  const known = schemas.get(key);
  if (known?.text === text) return known.schema;
  const schema = customSchema(root);
  schemas.set(key, { text, schema });
  return schema;
}

function customSchema(root: JsonSchema): CustomSchema {
  return {
    root,
    prune(object) {
      const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = object;
      const removed: string[] = [];
      const pruned = prune(rest, root, "", removed) as Record<string, unknown>;
      for (const key of Object.keys(rest)) {
        if (Object.hasOwn(pruned, key)) object[key] = pruned[key];
        else delete object[key];
      }
      return removed;
    },
    applyDefaults(object) {
      const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = object;
      const { apiVersion: _ra, kind: _rk, metadata: _rm, ...properties } = (root.properties ?? {}) as Record<
        string,
        JsonSchema
      >;
      const names = Object.keys(rest);
      const result = filled(rest, { ...root, properties }) as Record<string, unknown>;
      for (const name of names) if (!Object.hasOwn(result, name)) delete object[name];
      Object.assign(object, result);
    },
  };
}

const nameless: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** A copy without what the schema does not know; the paths of that come into `removed`. */
function prune(value: unknown, schema: JsonSchema | undefined, path: string, removed: string[]): unknown {
  if (schema === undefined || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((item, i) => prune(item, schema.items as JsonSchema | undefined, `${path}[${i}]`, removed));
  }
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const additional = schema.additionalProperties;
  const keepsAll = schema["x-kubernetes-preserve-unknown-fields"] === true || additional === true;
  const isEmbedded = schema["x-kubernetes-embedded-resource"] === true;
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    const keep = (kept: unknown) =>
      Object.defineProperty(result, key, { value: kept, enumerable: true, configurable: true, writable: true });
    if (isEmbedded && nameless.has(key)) keep(key === "metadata" ? prunedMetadata(inner, at, removed) : inner);
    else if (known !== undefined) keep(prune(inner, known, at, removed));
    else if (isPlainObject(additional)) keep(prune(inner, additional, at, removed));
    else if (keepsAll) keep(inner);
    else removed.push(at);
  }
  return result;
}

function prunedMetadata(value: unknown, path: string, removed: string[]): unknown {
  if (!isPlainObject(value)) return value;
  const { unknown, value: metadata } = decode(structOf(objectMeta), value);
  removed.push(...unknown.map((field) => `${path}.${field}`));
  if (metadata.creationTimestamp === null) delete metadata.creationTimestamp;
  return metadata;
}

/** A value with the schema's defaults; null for a field that can't be null is nothing. */
function filled(value: unknown, schema: JsonSchema | undefined): unknown {
  if (schema === undefined || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const { items } = schema;
    return isPlainObject(items) ? value.map((item) => filled(item, items)) : value;
  }
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const additional = schema.additionalProperties;
  const result = value as Record<string, unknown>;
  for (const [key, inner] of Object.entries(result)) {
    const known = Object.hasOwn(properties, key) ? properties[key] : isPlainObject(additional) ? additional : undefined;
    if (inner === null && known !== undefined && known.nullable !== true) delete result[key];
    else if (known !== undefined) result[key] = filled(inner, known);
  }
  for (const [key, property] of Object.entries(properties)) {
    if (!Object.hasOwn(result, key) && property.default !== undefined) {
      result[key] = filled(structuredClone(property.default), property);
    }
  }
  return result;
}
