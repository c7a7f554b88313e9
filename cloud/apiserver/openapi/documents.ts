// OpenAPI documents of what the server serves: made from the table of types and from the schemas of definitions.
// Sources: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { apiVersionOf, type Kind } from "../kinds/kind.ts";
import type { Field, Shape, Struct } from "../types/shape.ts";
import { structOf } from "../types/shape.ts";
import { objectMeta, typeRow } from "../types/table.ts";

/** A schema, a parameter, a path: plain JSON. */
export type Node = Record<string, unknown>;

/** Version 2 and 3 refer to schemas and nest them differently. */
type Dialect = 2 | 3;

const info = { title: "Kubernetes", version: "v1.32.10" };
const refPrefix = (dialect: Dialect) => dialect === 2 ? "#/definitions/" : "#/components/schemas/";

/** The schemas of types, each once, with all they refer to. */
class Schemas {
  readonly all: Record<string, Node> = {};
  readonly #dialect: Dialect;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** A reference to a struct's schema, which is there afterwards. */
  ref(struct: Struct): Node {
    this.add(struct);
    return { $ref: `${refPrefix(this.#dialect)}${struct.name}` };
  }

  add(struct: Struct): void {
    if (Object.hasOwn(this.all, struct.name)) return;
    const schema: Node = { type: "object" };
    this.all[struct.name] = schema;
    const properties: Node = {};
    for (const [group, version, kind] of typeRow(struct.name)?.gvk ?? []) {
      properties.apiVersion = { type: "string" };
      properties.kind = { type: "string" };
      schema["x-kubernetes-group-version-kind"] = [
        ...(schema["x-kubernetes-group-version-kind"] ?? []) as unknown[],
        { group, version, kind },
      ];
    }
    for (const field of struct.fields.values()) properties[field.name] = this.#field(field);
    if (Object.keys(properties).length > 0) schema.properties = properties;
    const required = [...struct.fields.values()].filter((field) => field.required).map(({ name }) => name);
    if (required.length > 0) schema.required = required;
    if (struct.isAtomic) schema["x-kubernetes-map-type"] = "atomic";
  }

  #field(field: Field): Node {
    const schema = this.#shape(field.shape);
    const extensions: Node = {
      ...(field.list === undefined ? {} : { "x-kubernetes-list-type": field.list }),
      ...(field.keys.length === 0 ? {} : { "x-kubernetes-list-map-keys": [...field.keys] }),
      ...(field.isAtomicMap ? { "x-kubernetes-map-type": "atomic" } : {}),
      ...(field.mergeKey === undefined ? {} : { "x-kubernetes-patch-merge-key": field.mergeKey }),
      ...(field.patch === undefined ? {} : { "x-kubernetes-patch-strategy": field.patch }),
    };
    return this.#dialect === 3 && schema.$ref !== undefined && Object.keys(extensions).length > 0
      ? { allOf: [schema], ...extensions }
      : { ...schema, ...extensions };
  }

  #shape(shape: Shape): Node {
    switch (shape.is) {
      case "struct":
        return this.ref(shape);
      case "list":
        return { type: "array", items: this.#shape(shape.item) };
      case "map":
        return { type: "object", additionalProperties: this.#shape(shape.value) };
      case "bool":
        return { type: "boolean" };
      case "int32":
      case "int64":
        return { type: "integer", format: shape.is };
      case "double":
        return { type: "number", format: "double" };
      case "bytes":
        return { type: "string", format: "byte" };
      case "time":
      case "microTime":
        return { type: "string", format: "date-time" };
      case "intOrString":
        return this.#dialect === 2
          ? { type: "string", format: "int-or-string" }
          : { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] };
      case "quantity":
        return this.#dialect === 2 ? { type: "string" } : { oneOf: [{ type: "string" }, { type: "number" }] };
      case "string":
        return { type: "string" };
      case "object":
        return { type: "object" };
      default:
        return {};
    }
  }
}

const gvkOf = ({ group, kind, version }: Kind) => ({ group, version, kind });

/** The name of a custom kind's schema: its group backwards, as kube-apiserver names it. */
function customName({ group, kind, version }: Kind): string {
  return `${group.split(".").reverse().join(".")}.${version}.${kind}`;
}

function addKind(schemas: Schemas, kind: Kind, dialect: Dialect): string {
  if (kind.struct !== undefined) {
    schemas.add(kind.struct);
    return kind.struct.name;
  }
  const name = customName(kind);
  const root = kind.custom?.root ?? {};
  const meta = schemas.ref(structOf(objectMeta));
  const { properties, ...rest } = (dialect === 2 ? forVersion2(root) : root) as Node;
  schemas.all[name] = {
    type: "object",
    ...rest,
    properties: {
      ...(isPlainObject(properties) ? properties : {}),
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: dialect === 3 ? { allOf: [meta] } : meta,
    },
    "x-kubernetes-group-version-kind": [gvkOf(kind)],
  };
  return name;
}

/** OpenAPI 2 has no `oneOf`, `anyOf`, `not` and `nullable`: kube-apiserver leaves them out. */
function forVersion2(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forVersion2);
  if (!isPlainObject(schema)) return schema;
  const { anyOf: _a, default: kept, enum: values, not: _n, nullable, oneOf: _o, ...rest } = schema as Node;
  const result: Node = {};
  for (const [key, value] of Object.entries(rest)) {
    result[key] = key === "properties" && isPlainObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, forVersion2(inner)]))
      : forVersion2(value);
  }
  if (kept !== undefined) result.default = kept;
  if (values !== undefined) result.enum = values;
  if (nullable === true) delete result.type;
  if (schema["x-kubernetes-preserve-unknown-fields"] === true && !isPlainObject(schema.properties)) {
    return { ...result, type: "object" };
  }
  return result;
}

const placeOf = (kind: Kind) =>
  `/${kind.group === "" ? "api" : `apis/${kind.group}`}/${kind.version}${
    kind.namespaced ? "/namespaces/{namespace}" : ""
  }/${kind.plural}`;

const actions: Readonly<Record<string, readonly [method: string, action: string, isOne: boolean]>> = {
  list: ["get", "list", false],
  create: ["post", "post", false],
  deletecollection: ["delete", "deletecollection", false],
  get: ["get", "get", true],
  update: ["put", "put", true],
  patch: ["patch", "patch", true],
  delete: ["delete", "delete", true],
};

const writes: ReadonlySet<string> = new Set(["create", "update", "patch"]);

/** The paths of kinds: what kubectl reads from them is which options a write takes. */
function pathsOf(kinds: readonly Kind[], dialect: Dialect): Node {
  const paths: Record<string, Node> = {};
  const parameter = (name: string, where: string, isRequired = false) => ({
    name,
    in: where,
    ...(isRequired ? { required: true } : {}),
    ...(dialect === 2 ? { type: "string", uniqueItems: true } : { schema: { type: "string", uniqueItems: true } }),
  });
  for (const kind of kinds) {
    for (const verb of kind.verbs) {
      const found = actions[verb];
      if (found === undefined) continue;
      const [method, action, isOne] = found;
      const place = isOne ? `${placeOf(kind)}/{name}` : placeOf(kind);
      const path = paths[place] ??= {};
      path.parameters ??= [
        ...(isOne ? [parameter("name", "path", true)] : []),
        ...(kind.namespaced ? [parameter("namespace", "path", true)] : []),
      ];
      path[method] = {
        operationId: `${action}${kind.group.replace(/[^a-z0-9]/gi, "")}${kind.version}${
          kind.namespaced ? "Namespaced" : ""
        }${kind.kind}`,
        parameters: writes.has(verb)
          ? ["dryRun", "fieldManager", "fieldValidation"].map((name) => parameter(name, "query"))
          : [],
        responses: { "200": { description: "OK" } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvkOf(kind),
      };
    }
  }
  return paths;
}

/** The document of one group version (OpenAPI 3). */
export function documentV3(kinds: readonly Kind[]): Node {
  const schemas = new Schemas(3);
  for (const kind of kinds) addKind(schemas, kind, 3);
  return { openapi: "3.0.0", info, paths: pathsOf(kinds, 3), components: { schemas: schemas.all } };
}

/** The document of everything (OpenAPI 2). */
export function documentV2(kinds: readonly Kind[]): Node {
  const schemas = new Schemas(2);
  for (const kind of kinds) addKind(schemas, kind, 2);
  return { swagger: "2.0", info, paths: pathsOf(kinds, 2), definitions: schemas.all };
}

/** The group version as a path has it. */
export function groupVersionPath(kind: Pick<Kind, "group" | "version">): string {
  return kind.group === "" ? `api/${kind.version}` : `apis/${apiVersionOf(kind)}`;
}
