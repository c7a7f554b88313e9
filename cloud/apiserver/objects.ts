// From the value of a body to an object of its kind: types checked, unknown fields dropped, defaults filled in.
import { isPlainObject, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { apiVersionOf, type Kind } from "./kinds/kind.ts";
import type { Registry } from "./kinds/registry.ts";
import { type ApiError, badRequest, invalid } from "./status.ts";
import { decode, DecodeError, zeroOf } from "./types/decode.ts";
import { applyDefaults } from "./types/defaults.ts";
import { structOf } from "./types/shape.ts";
import { objectMeta } from "./types/table.ts";

/** What to do about unknown and repeated fields. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** What came of a body. */
export interface Read {
  readonly object: KubeObject;
  /** As `unknown field "spec.colour"`. */
  readonly problems: readonly string[];
}

/**
 * An object of a kind. Throws 400 for what is none. It shares nothing with `body`, but where that was made from `known`, an
 * object of the kind: what is deeper than the fields of its metadata, spec and status is then taken over and must not be
 * changed.
 */
export function readObject(
  kind: Kind,
  body: unknown,
  registry: Registry,
  repeated: readonly string[] = [],
  known?: KubeObject,
): Read {
  const given = body === null || body === undefined ? {} : body;
  if (!isPlainObject(given)) throw badRequest("the body is not an object");
  refuseOtherKind(kind, given, registry);
  try {
    return kind.struct === undefined ? readCustom(kind, given, repeated) : readBuiltin(kind, given, repeated, known);
  } catch (error) {
    if (error instanceof DecodeError) throw cannotBeHandled(kind, error.message);
    throw error;
  }
}

function readBuiltin(
  kind: Kind,
  given: Readonly<Record<string, unknown>>,
  repeated: readonly string[],
  known: KubeObject | undefined,
): Read {
  const struct = kind.struct as NonNullable<Kind["struct"]>;
  const { unknown, value } = decode(struct, given, known);
  const object = value as unknown as KubeObject;
  object.apiVersion = apiVersionOf(kind);
  object.kind = kind.kind;
  applyDefaults(struct, object, known);
  return { object, problems: [...repeated, ...unknown.map(unknownField)] };
}

function readCustom(kind: Kind, given: Readonly<Record<string, unknown>>, repeated: readonly string[]): Read {
  const custom = kind.custom as NonNullable<Kind["custom"]>;
  const { metadata: givenMetadata, ...rest } = structuredClone(given) as Record<string, unknown>;
  if (givenMetadata !== undefined && givenMetadata !== null && !isPlainObject(givenMetadata)) {
    throw new DecodeError(
      `json: cannot unmarshal ${
        Array.isArray(givenMetadata) ? "array" : typeof givenMetadata
      } into Go struct field ObjectMeta.metadata of type v1.ObjectMeta`,
    );
  }
  const { unknown, value } = decode(structOf(objectMeta), givenMetadata ?? {});
  if (value.creationTimestamp === null) delete value.creationTimestamp;
  const object = { ...rest, metadata: value, apiVersion: apiVersionOf(kind), kind: kind.kind } as unknown as KubeObject;
  const pruned = custom.prune(object).sort();
  custom.applyDefaults(object);
  const problems = [
    ...repeated,
    ...unknown.map((path) => unknownField(`metadata.${path}`)),
    ...pruned.map(unknownField),
  ];
  return { object, problems };
}

/** An object of a kind that has nothing: what a new one is compared with. */
export function emptyObject(kind: Kind): KubeObject {
  const base = kind.struct === undefined ? {} : zeroOf(kind.struct) as object;
  return { metadata: { name: "" }, ...base, apiVersion: apiVersionOf(kind), kind: kind.kind } as KubeObject;
}

/** An empty status of a built-in kind, as Go writes it; undefined where none is written. */
export function emptyStatus(kind: Kind): unknown {
  const field = kind.struct?.fields.get("status");
  if (field === undefined || !field.isAlways) return undefined;
  const status = zeroOf(field.shape);
  if (field.shape.is === "struct" && isPlainObject(status)) applyDefaults(field.shape, status);
  return status;
}

const unknownField = (path: string) => `unknown field ${JSON.stringify(path)}`;

/** What a client is told whose body doesn't fit its kind. */
export function cannotBeHandled({ kind, version }: Kind, why: string): ApiError {
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`);
}

function refuseOtherKind(kind: Kind, given: Readonly<Record<string, unknown>>, registry: Registry): void {
  const wanted = apiVersionOf(kind);
  const apiVersion = given.apiVersion === "" || given.apiVersion === null ? undefined : given.apiVersion;
  const name = given.kind === "" || given.kind === null ? undefined : given.kind;
  const own = apiVersion ?? wanted;
  if (kind.custom !== undefined) {
    refuseOtherCustomKind(kind, given, apiVersion, name);
    return;
  }
  if (name !== undefined && name !== kind.kind) {
    const version = String(apiVersion ?? kind.version).split("/").at(-1) ?? "";
    const group = kind.group === "" ? "core" : kind.group.split(".")[0];
    const known = registry.all().some((k) => (name === k.kind || name === k.listKind) && apiVersionOf(k) === own);
    const why = known
      ? `converting (${version}.${String(name)}) to (${group}.${kind.kind}): unknown conversion`
      : `no kind ${JSON.stringify(name)} is registered for version ${
        JSON.stringify(own)
      } in scheme "pkg/runtime/scheme.go:100"`;
    throw badRequest(
      `${String(name)} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}: ${why}`,
    );
  }
  if (apiVersion !== undefined && apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
}

/** What messages show of a body. */
const start = (text: string) => text.length > 30 ? `${text.slice(0, 30)} ...` : text;

/** A custom resource says itself what it is, and kube-apiserver's decoder of such objects insists on it. */
function refuseOtherCustomKind(
  kind: Kind,
  given: Readonly<Record<string, unknown>>,
  apiVersion: unknown,
  name: unknown,
): void {
  const wanted = apiVersionOf(kind);
  if (name === undefined) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind.kind}): Object 'Kind' is missing in '${
        JSON.stringify(given)
      }' (${start(JSON.stringify(given))})`,
    );
  }
  if (apiVersion !== undefined && apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
  if (name === kind.kind) return;
  const metadata = isPlainObject(given.metadata) ? given.metadata : {};
  throw invalid({ group: kind.group, kind: String(name) }, String(metadata.name ?? ""), [{
    reason: "FieldValueInvalid",
    message: `Invalid value: ${JSON.stringify(name)}: must be ${kind.kind}`,
    field: "kind",
  }]);
}
