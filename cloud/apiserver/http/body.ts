// Reads a request's body within its limit and turns JSON, YAML or protobuf into a value.
import type { IncomingMessage } from "node:http";
import { parseDocument } from "yaml";
import { readBody } from "../../../base/transport/body.ts";
import { isPlainObject, type Json } from "../../../protocol/apis/kube-object.ts";
import { narrowed, parseJson } from "../../../protocol/json.ts";
import { limits } from "../../../protocol/limits.ts";
import { ApiError, badRequest, unsupportedMediaType } from "../status.ts";
import { decodeProtobuf, openEnvelope, ProtobufError } from "../types/protobuf-read.ts";
import { typeNameOf, typeRow } from "../types/table.ts";
import { jsonError, outlineOf } from "../json-error.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const accepted = ["application/json", "application/yaml", PROTOBUF];

/** The value of a body, and keys that stand in it twice. */
export interface Body {
  readonly value: unknown;
  /** As `duplicate field "spec.a"`. */
  readonly problems: readonly string[];
}

/** The media type of a request's body, without parameters. Default: JSON. */
export function contentTypeOf(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? (request.method === "PATCH" ? "" : "application/json")).split(";")[0]
    ?.trim() ?? "";
}

/** The whole body. Throws 413 as soon as it is known to be too long. */
export async function readApiBody(request: IncomingMessage): Promise<Uint8Array> {
  const body = await readBody(request, limits.apiBody);
  if (body !== undefined) return body;
  throw new ApiError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limits.apiBody}`);
}

/** What a body begins with, for messages about it: text where it may be JSON, else its bytes. */
function shownStart(bytes: Uint8Array): string {
  const MOST = 30;
  if (bytes.length === 0) return "<empty>";
  const buffer = Buffer.from(bytes.subarray(0, MOST));
  const text = buffer.toString("utf8");
  const shown = text.trimStart().startsWith("{") ? text : buffer.toString("hex");
  return bytes.length > MOST ? `${shown} ...` : shown;
}

/** Go's name of what it reads an object's kind into. */
const TYPE_META =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

/** The value of an object's body, by its media type. `kind` is the one that is expected, for messages. Throws 400 and 415. */
export function parseBody(bytes: Uint8Array, contentType: string, kind: string): Body {
  const unrecognized = (why: string, start = shownStart(bytes)) =>
    badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${start})`);
  if (contentType === PROTOBUF) {
    try {
      return { value: protobufValue(bytes), problems: [] };
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      const isNone = error.message.startsWith("provided data");
      throw unrecognized(
        error.message,
        isNone
          ? Buffer.from(bytes.subarray(0, 30)).toString("utf8")
          : Buffer.from(bytes.subarray(0, 30)).toString("hex"),
      );
    }
  }
  const text = Buffer.from(bytes).toString("utf8");
  let body: Body;
  if (contentType === "application/yaml") {
    const parsed = parseYaml(text);
    if ("error" in parsed) throw unrecognized(parsed.error);
    body = parsed;
  } else if (contentType === "application/json" || contentType.endsWith("+json")) {
    const { depth, repeated } = outlineOf(text, limits.apiDepth);
    if (depth > limits.apiDepth) throw badRequest(`the body is nested deeper than ${limits.apiDepth} levels`);
    try {
      const value = parseJson(text);
      body = repeated.length === 0
        ? { value, problems: [] }
        : { value: mergedJson(text), problems: repeated.map(duplicateField) };
    } catch (error) {
      throw unrecognized(`couldn't get version/kind; json parse error: ${jsonError(text) ?? (error as Error).message}`);
    }
  } else throw unsupportedMediaType(accepted);
  const { value } = body;
  if (value === null) return body;
  if (!isPlainObject(value)) {
    const found = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
    throw unrecognized(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go value of type ${TYPE_META}`,
    );
  }
  for (const field of ["apiVersion", "kind"] as const) {
    const given = value[field];
    if (given === undefined || given === null || typeof given === "string") continue;
    const found = Array.isArray(given) ? "array" : typeof given === "boolean" ? "bool" : typeof given;
    throw unrecognized(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go struct field .${field} of type string`,
    );
  }
  if (String(value.apiVersion ?? "").split("/").length > 2) {
    throw unrecognized(`unexpected GroupVersion string: ${String(value.apiVersion)}`);
  }
  return body;
}

const duplicateField = (path: string) => `duplicate field ${JSON.stringify(path)}`;

/** Options in a body, such as those of a deletion; undefined where there is none. */
export function parseOptions(bytes: Uint8Array, contentType: string): unknown {
  if (bytes.length === 0) return undefined;
  if (contentType === PROTOBUF) {
    try {
      return protobufValue(bytes);
    } catch (error) {
      if (error instanceof ProtobufError) throw badRequest(error.message);
      throw error;
    }
  }
  const text = Buffer.from(bytes).toString("utf8");
  if (contentType === "application/yaml") {
    const parsed = parseYaml(text);
    if ("error" in parsed) throw badRequest(parsed.error);
    return parsed.value;
  }
  if (outlineOf(text, limits.apiDepth).depth > limits.apiDepth) {
    throw badRequest(`the body is nested deeper than ${limits.apiDepth} levels`);
  }
  try {
    return parseJson(text);
  } catch (error) {
    throw new ApiError(
      500,
      "",
      `couldn't get version/kind; json parse error: ${jsonError(text) ?? (error as Error).message}`,
    );
  }
}

/** The JSON form of a protobuf body, its kind beside it. */
function protobufValue(bytes: Uint8Array): Record<string, unknown> {
  const { apiVersion, kind, raw } = openEnvelope(bytes);
  const [first = "", second] = apiVersion.split("/");
  const [group, version] = second === undefined ? ["", first] : [first, second];
  const meta = `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`;
  const type = typeNameOf(group, version, kind) ??
    (kind.endsWith("Options") && typeRow(meta) !== undefined ? meta : undefined);
  if (type === undefined) return { apiVersion, kind };
  return {
    ...decodeProtobuf(type, raw),
    ...(apiVersion === "" ? {} : { apiVersion }),
    ...(kind === "" ? {} : { kind }),
  };
}

const patchTypes: ReadonlySet<string> = new Set([
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
]);

/** A patch, in whichever of the patch types. Throws 415 for other types and 400 for what can't be read, in Go's words. */
export function parsePatch(body: Uint8Array, contentType: string): Body & { readonly value: Json } {
  if (!patchTypes.has(contentType)) throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
  const text = Buffer.from(body).toString("utf8");
  if (contentType === "application/apply-patch+yaml") {
    const isJson = text.trimStart().startsWith("{");
    if (isJson) {
      const { depth, repeated } = outlineOf(text, limits.apiDepth);
      if (depth > limits.apiDepth) throw badRequest(`the body is nested deeper than ${limits.apiDepth} levels`);
      try {
        return { value: parseJson(text) as Json, problems: repeated.map(duplicateField) };
      } catch {
        // YAML that begins like JSON.
      }
    }
    const parsed = parseYaml(text);
    if ("error" in parsed) throw badRequest(`error decoding YAML: error converting YAML to JSON: ${parsed.error}`);
    return parsed as Body & { readonly value: Json };
  }
  const { depth, repeated } = outlineOf(text, limits.apiDepth);
  if (depth > limits.apiDepth) throw badRequest(`the body is nested deeper than ${limits.apiDepth} levels`);
  let value: Json;
  try {
    value = parseJson(text) as Json;
  } catch (error) {
    throw badRequest(`error decoding patch: ${jsonError(text) ?? (error as Error).message}`);
  }
  if (contentType !== "application/json-patch+json" && !isPlainObject(value)) {
    const found = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${found} into Go value of type map[string]interface {}`,
    );
  }
  const isList = contentType === "application/json-patch+json";
  return { value, problems: isList ? [] : repeated.map(duplicateField) };
}

/** The first document of a YAML text, as Go's library reads it (YAML 1.1). Numbers keep their digits as in JSON. */
function parseYaml(text: string): Body | { readonly error: string } {
  const first = text.split(/^---\s*$/m).find((part) => part.trim() !== "") ?? "";
  const document = parseDocument(first, { version: "1.1", intAsBigInt: true, uniqueKeys: false, logLevel: "silent" });
  const [fault] = document.errors;
  if (fault !== undefined) {
    const line = fault.linePos?.[0].line ?? 1;
    return { error: `yaml: line ${line}: did not find expected node content` };
  }
  const problems: string[] = [];
  repeatedKeys(document.contents, "", problems);
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100, reviver: (_key, inner) => narrowed(inner) });
    return { value, problems };
  } catch (error) {
    return { error: `yaml: ${(error as Error).message}` };
  }
}

/** A JSON text whose keys stand twice, as Go reads it: objects of one key become one, of other values the last counts. */
function mergedJson(text: string): unknown {
  const document = parseDocument(text, { uniqueKeys: false, intAsBigInt: true, schema: "json", logLevel: "silent" });
  return mergedNode(document.contents);
}

function mergedNode(node: unknown): unknown {
  const { items, value } = node as { items?: readonly unknown[]; value?: unknown };
  if (!Array.isArray(items)) return narrowed(value ?? null);
  const isMap = (node as { constructor: { name: string } }).constructor.name.includes("Map");
  if (!isMap) return items.map(mergedNode);
  const result: Record<string, unknown> = {};
  for (const pair of items as { key: { value: unknown }; value: unknown }[]) {
    const key = String(pair.key.value);
    const before = Object.hasOwn(result, key) ? result[key] : undefined;
    const now = mergedNode(pair.value);
    const merged = isPlainObject(before) && isPlainObject(now) ? { ...before, ...now } : now;
    Object.defineProperty(result, key, { value: merged, enumerable: true, configurable: true, writable: true });
  }
  return result;
}

function repeatedKeys(node: unknown, path: string, problems: string[]): void {
  const items = (node as { items?: readonly unknown[] } | null)?.items;
  if (!Array.isArray(items)) return;
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    const pair = item as { key?: { value?: unknown; range?: readonly number[] }; value?: unknown };
    if (pair === null || typeof pair !== "object" || !("key" in pair)) {
      repeatedKeys(item, `${path}[${i}]`, problems);
      continue;
    }
    const key = String(pair.key?.value ?? "");
    const at = path === "" ? key : `${path}.${key}`;
    if (seen.has(key)) problems.push(`yaml: key ${JSON.stringify(key)} already set in map`);
    seen.add(key);
    repeatedKeys(pair.value, at, problems);
  }
}
