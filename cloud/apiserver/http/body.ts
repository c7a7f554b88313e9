// Reads a request's body within its limit and turns JSON or YAML into a value.
import type { IncomingMessage } from "node:http";
import { parse } from "yaml";
import { readBody } from "../../../base/transport/body.ts";
import type { Json } from "../../../protocol/apis/kube-object.ts";
import { narrowed, parseJson } from "../../../protocol/json.ts";
import { limits } from "../../../protocol/limits.ts";
import { ApiError, badRequest, unsupportedMediaType } from "../status.ts";

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

/** The value of an object's body, by its media type; undefined for an empty one. Throws 400 and 415. */
export function parseBody(body: Uint8Array, contentType: string): unknown {
  if (body.length === 0) return undefined;
  const text = Buffer.from(body).toString("utf8");
  if (contentType === "application/yaml") return parseYaml(text);
  if (contentType !== "application/json" && !contentType.endsWith("+json")) {
    throw unsupportedMediaType(["application/json", "application/yaml"]);
  }
  refuseDeep(text);
  try {
    return parseJson(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

const patchTypes: ReadonlySet<string> = new Set([
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
]);

/** A patch, in whichever of the patch types. Throws 415 for other types and 400 for what can't be read, in Go's words. */
export function parsePatch(body: Uint8Array, contentType: string): Json {
  if (!patchTypes.has(contentType)) throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
  const text = Buffer.from(body).toString("utf8");
  if (contentType === "application/apply-patch+yaml") return parseYaml(text) as Json;
  refuseDeep(text);
  let patch: Json;
  try {
    patch = parseJson(text) as Json;
  } catch {
    const first = text.trimStart()[0] ?? "";
    const isCutOff = first === "" || /[[{"tfn\d-]/.test(first);
    throw badRequest(
      `error decoding patch: ${
        isCutOff ? "unexpected end of JSON input" : `invalid character '${first}' looking for beginning of value`
      }`,
    );
  }
  if (
    contentType !== "application/json-patch+json" &&
    (typeof patch !== "object" || patch === null || Array.isArray(patch))
  ) {
    const found = Array.isArray(patch) ? "array" : patch === null ? "null" : typeof patch;
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${found} into Go value of type map[string]interface {}`,
    );
  }
  return patch;
}

/** Numbers keep their digits as in JSON. */
function parseYaml(text: string): unknown {
  return parse(text, (_key, value) => narrowed(value), { intAsBigInt: true });
}

/** A recursive walk of deeper nesting could overflow the stack. Kubernetes' own objects stay far below. */
function refuseDeep(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > limits.apiDepth) throw badRequest(`the body is nested deeper than ${limits.apiDepth} levels`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}
