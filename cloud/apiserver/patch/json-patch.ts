// JSON Patch (RFC 6902), with the habits of Kubernetes' Go libraries.
import type { Json } from "../../../protocol/apis/kube-object.ts";
import { define } from "../../../protocol/apis/merge-patch.ts";
import { ApiError, badRequest } from "../status.ts";

/** Operations accepted in one patch, kube-apiserver's own limit. */
const MAX_OPERATIONS = 10_000;

interface Operation {
  readonly op: string;
  readonly path?: string;
  readonly from?: string;
  readonly value?: Json;
}

/** Applies the operations in order to a copy. Throws 400 for what is no patch and 422 for one that doesn't fit. */
export function applyJsonPatch(target: Json, patch: unknown): Json {
  if (!Array.isArray(patch)) {
    throw badRequest(
      "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
    );
  }
  if (patch.length > MAX_OPERATIONS) {
    throw new ApiError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  if (!patch.every(isOperation)) {
    throw badRequest("error decoding patch: an operation is an object with op, path and from as strings");
  }
  // The document is held in a box, so that a path of "" (the whole of it) is no special case for `set` and `remove`.
  const box: { root: Json } = { root: structuredClone(target) };
  for (const step of patch as Operation[]) apply(box, step);
  return box.root;
}

function isOperation(step: unknown): boolean {
  if (typeof step !== "object" || step === null) return false;
  return ["op", "path", "from"].every((key) =>
    ["string", "undefined"].includes(typeof (step as Record<string, unknown>)[key])
  );
}

function apply(box: { root: Json }, step: Operation): void {
  switch (step.op) {
    case "add":
      return set(box, step.path, structuredClone(valueOf(step)), "insert");
    case "replace":
      if (read(box.root, step.path) === undefined && parentOf(box.root, step.path) === undefined) throw unprocessable();
      return set(box, step.path, structuredClone(valueOf(step)), "replace");
    case "remove":
      return remove(box, step.path);
    case "move": {
      const value = mustRead(box.root, step.from ?? "");
      remove(box, step.from ?? "");
      return set(box, step.path, value, "insert");
    }
    case "copy":
      return set(box, step.path, structuredClone(mustRead(box.root, step.from ?? "")), "insert");
    case "test":
      if (!deepEqual(read(box.root, step.path) ?? null, step.value ?? null)) throw unprocessable();
      return;
    default:
      throw unprocessable();
  }
}

function valueOf(step: Operation): Json {
  if (step.value === undefined) throw unprocessable();
  return step.value;
}

function unprocessable(): ApiError {
  return new ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {});
}

function tokens(path: string | undefined): string[] {
  if (path === undefined) throw unprocessable();
  if (path === "") return [];
  if (!path.startsWith("/")) throw unprocessable();
  return path.slice(1).split("/").map((t) => t.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function child(value: Json | undefined, token: string): Json | undefined {
  if (Array.isArray(value)) {
    if (!/^-?\d+$/.test(token)) return undefined;
    const index = Number(token);
    return value[index < 0 ? value.length + index : index];
  }
  if (typeof value === "object" && value !== null && Object.hasOwn(value, token)) return value[token];
  return undefined;
}

function read(root: Json, path: string | undefined): Json | undefined {
  return tokens(path).reduce<Json | undefined>(child, root);
}

function mustRead(root: Json, path: string): Json {
  const value = read(root, path);
  if (value === undefined) throw unprocessable();
  return value;
}

function parentOf(root: Json, path: string | undefined): Json | undefined {
  const parent = tokens(path).slice(0, -1).reduce<Json | undefined>(child, root);
  return typeof parent === "object" && parent !== null ? parent : undefined;
}

function set(box: { root: Json }, path: string | undefined, value: Json, mode: "insert" | "replace"): void {
  const last = tokens(path).at(-1);
  if (last === undefined) {
    box.root = value;
    return;
  }
  const parent = parentOf(box.root, path);
  if (parent === undefined) throw unprocessable();
  if (!Array.isArray(parent)) {
    define(parent as Record<string, Json>, last, value);
    return;
  }
  if (last === "-" && mode === "insert") {
    parent.push(value);
    return;
  }
  const index = indexIn(parent, last, mode === "insert" ? parent.length : parent.length - 1);
  parent.splice(index, mode === "insert" ? 0 : 1, value);
}

function remove(box: { root: Json }, path: string | undefined): void {
  const last = tokens(path).at(-1);
  const parent = last === undefined ? undefined : parentOf(box.root, path);
  if (last === undefined || parent === undefined) throw unprocessable();
  if (Array.isArray(parent)) parent.splice(indexIn(parent, last, parent.length - 1), 1);
  else if (Object.hasOwn(parent as object, last)) delete (parent as Record<string, Json>)[last];
  else throw unprocessable();
}

function indexIn(list: Json[], token: string, highest: number): number {
  if (!/^-?\d+$/.test(token)) throw unprocessable();
  const given = Number(token);
  const index = given < 0 ? list.length + given : given;
  if (index < 0 || index > highest) throw unprocessable();
  return index;
}

export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) =>
    Object.hasOwn(b, key) && deepEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])
  );
}
