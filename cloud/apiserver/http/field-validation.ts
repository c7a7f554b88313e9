// `fieldValidation`: whether fields that no schema knows are refused, warned about or dropped.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { builtinFields, unknownFields } from "../kinds/fields.ts";
import type { Kind } from "../kinds/kind.ts";
import { ApiError, badRequest, invalid, unsupported } from "../status.ts";

/** What to do about unknown fields. Default: they are dropped without a warning; a real server would add warnings. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** Reads the query. Throws 422 for another word. */
export function fieldValidationOf(query: URLSearchParams, options: string): FieldValidation {
  const asked = query.get("fieldValidation") ?? "";
  if (asked === "") return "Ignore";
  if (asked === "Strict" || asked === "Warn" || asked === "Ignore") return asked;
  const cause = unsupported("fieldValidation", asked, ["", "Ignore", "Strict", "Warn"]);
  throw invalid({ group: "meta.k8s.io", kind: options }, "", [cause]);
}

/** Warnings about the fields of a body. Throws 400 where it is `Strict`. */
export function checkBody(kind: Kind, body: unknown, validation: FieldValidation): string[] {
  const problems = problemsOf(kind, body, validation);
  if (problems.length === 0 || validation === "Warn") return problems;
  throw badRequest(
    `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${
      problems.join(", ")
    }`,
  );
}

/** The same for an object as a patch leaves it, but for what was there before. Throws 422. */
export function checkPatched(kind: Kind, old: unknown, patched: unknown, validation: FieldValidation): string[] {
  const before = new Set(problemsOf(kind, old, validation));
  const problems = problemsOf(kind, patched, validation).filter((problem) => !before.has(problem));
  if (problems.length === 0 || validation === "Warn") return problems;
  const why = `Invalid value: ${JSON.stringify(JSON.stringify(patched))}: strict decoding error: ${
    problems.join(", ")
  }`;
  throw new ApiError(422, "Invalid", ` "" is invalid: patch: ${why}`, {
    causes: [{ reason: "FieldValueInvalid", message: why, field: "patch" }],
  });
}

function problemsOf(kind: Kind, body: unknown, validation: FieldValidation): string[] {
  if (validation === "Ignore" || !isPlainObject(body)) return [];
  const place = kind.fields ?? builtinFields(kind.group, kind.version, kind.kind);
  if (place === undefined) return [];
  return unknownFields(body as unknown as KubeObject, place).map((path) => `unknown field ${JSON.stringify(path)}`);
}
