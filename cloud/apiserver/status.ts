// Errors of the API: metav1.Status objects with Kubernetes' own messages, which clients match on.
import { SkepError } from "../../base/error/skep-error.ts";
import type { KubeStatus } from "../../protocol/apis/kube-object.ts";

/** One fault inside an object. `field` is a path such as `spec.containers[0].image`. */
export interface Cause {
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueNotFound"
    | "FieldValueInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueTypeInvalid"
    | "FieldValueTooLong"
    | "FieldValueTooMany";
  readonly message: string;
  readonly field: string;
}

/** Thrown by everything that handles a request; the server turns it into its Status. */
export class ApiError extends SkepError {
  readonly code = "SKEP_API_STATUS";
  readonly status: KubeStatus;
  constructor(code: number, reason: string, message: string, details?: Record<string, unknown>) {
    super(message);
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      ...(reason === "" ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    };
  }
}

/** The resource an error is about. */
interface About {
  readonly group: string;
  readonly plural: string;
}

const qualified = ({ group, plural }: About) => group === "" ? plural : `${plural}.${group}`;
const detailsOf = ({ group, plural }: About, name: string) => ({
  name,
  ...(group === "" ? {} : { group }),
  kind: plural,
});

export function notFound(about: About, name: string): ApiError {
  return new ApiError(404, "NotFound", `${qualified(about)} "${name}" not found`, detailsOf(about, name));
}

export function unknownResource(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(about: About, name: string, isEnding = false): ApiError {
  const text = `${qualified(about)} "${name}" already exists`;
  return new ApiError(
    409,
    "AlreadyExists",
    isEnding ? `object is being deleted: ${text}` : text,
    detailsOf(about, name),
  );
}

export function conflict(about: About, name: string, why?: string): ApiError {
  const reason = why ?? "the object has been modified; please apply your changes to the latest version and try again";
  return new ApiError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(about)} "${name}": ${reason}`,
    detailsOf(about, name),
  );
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  return new ApiError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}

/** The version asked for is no longer there: list again. */
export function expired(message: string): ApiError {
  return new ApiError(410, "Expired", message);
}

export function forbidden(about: About, name: string, why: string, causes?: readonly Cause[]): ApiError {
  const details = { ...detailsOf(about, name), ...(causes === undefined ? {} : { causes }) };
  return new ApiError(403, "Forbidden", `${qualified(about)} "${name}" is forbidden: ${why}`, details);
}

/** An object that breaks the rules of its kind. */
export function invalid(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  causes: readonly Cause[],
): ApiError {
  const texts = [...new Set(causes.map((cause) => `${cause.field}: ${cause.message}`))];
  const all = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const subject = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
  return new ApiError(422, "Invalid", `${subject} "${name}" is invalid: ${all}`, {
    ...(name === "" ? {} : { name }),
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}

export const required = (field: string, detail = ""): Cause => ({
  reason: "FieldValueRequired",
  message: `Required value${detail === "" ? "" : `: ${detail}`}`,
  field,
});

export const wrong = (field: string, value: unknown, detail: string): Cause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${goValue(value)}: ${detail}`,
  field,
});

export const denied = (field: string, detail: string): Cause => ({
  reason: "FieldValueForbidden",
  message: `Forbidden: ${detail}`,
  field,
});

export const duplicate = (field: string, value: unknown): Cause => ({
  reason: "FieldValueDuplicate",
  message: `Duplicate value: ${goValue(value)}`,
  field,
});

export const unsupported = (field: string, value: unknown, allowed: readonly string[]): Cause => ({
  reason: "FieldValueNotSupported",
  message: `Unsupported value: ${goValue(value)}: supported values: ${allowed.map((v) => `"${v}"`).join(", ")}`,
  field,
});

/** A value as Go's `%v`/`%q` prints it in these messages. */
function goValue(value: unknown): string {
  if (value === null || value === undefined) return "null";
  return typeof value === "string"
    ? JSON.stringify(value)
    : typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
}
