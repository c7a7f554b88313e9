// The object that a patch makes, read as its kind reads it.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { apiVersionOf, type Kind } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { cannotBeHandled, type Read, readObject } from "../objects.ts";
import { ApiError, type Cause, invalid } from "../status.ts";
import type { WriteOptions } from "./options.ts";

/** The patched object as its kind reads it; what does not fit is the patch's fault. */
export function readPatched(
  registry: Registry,
  kind: Kind,
  patched: Readonly<Record<string, unknown>>,
  options: WriteOptions,
  old: KubeObject,
): KubeObject {
  const refuse = (why: string) => {
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(patched))}: ${why}`;
    return new ApiError(422, "Invalid", ` "" is invalid: patch: ${message}`, {
      causes: [{ reason: "FieldValueInvalid", message, field: "patch" }],
    });
  };
  const { apiVersion, kind: name } = patched;
  const isOther = (apiVersion !== undefined && apiVersion !== apiVersionOf(kind)) ||
    (name !== undefined && name !== kind.kind);
  if (isOther) {
    // A custom resource's patch can't change what it is; another kind of a built-in one is not known to its decoder.
    if (kind.custom !== undefined) throw refuseOtherType(kind, patched);
    const other = registry.findByKind(String(apiVersion ?? apiVersionOf(kind)), String(name));
    try {
      if (other !== undefined) readObject(other, patched, registry);
    } catch (error) {
      // The decoder reads it as what it says it is.
      const prefix = other === undefined ? "" : cannotBeHandled(other, "").message;
      if (other !== undefined && error instanceof ApiError && error.message.startsWith(prefix)) {
        throw refuse(error.message.slice(prefix.length));
      }
      throw error;
    }
    throw refuse(
      `no kind ${JSON.stringify(name)} is registered for version ${
        JSON.stringify(apiVersion)
      } in scheme "pkg/runtime/scheme.go:100"`,
    );
  }
  let read: Read;
  try {
    read = readObject(kind, patched, registry, options.problems, old);
  } catch (error) {
    const prefix = cannotBeHandled(kind, "").message;
    if (error instanceof ApiError && error.message.startsWith(prefix)) {
      throw refuse(error.message.slice(prefix.length));
    }
    throw error;
  }
  const { validation = "Ignore" } = options;
  if (read.problems.length > 0 && validation === "Strict") {
    throw refuse(`strict decoding error: ${read.problems.join(", ")}`);
  }
  if (validation === "Warn") { for (const problem of read.problems) options.warn?.(problem); }
  return read.object;
}

function refuseOtherType(kind: Kind, { apiVersion, kind: name }: Readonly<Record<string, unknown>>): ApiError {
  const causes: Cause[] = [];
  const wanted = apiVersionOf(kind);
  if (apiVersion !== wanted) {
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(apiVersion)}: must be ${wanted}`,
      field: "apiVersion",
    });
  }
  if (name !== kind.kind) {
    causes.push({
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(name)}: must be ${kind.kind}`,
      field: "kind",
    });
  }
  return invalid(kind, "", causes);
}
