// Masks what nobody should see by accident in messages that are shown or recorded: values of secrets, and tokens.
import type { HopRecord } from "../../base/hop/hop.ts";
import { parseJson } from "../json.ts";

/** In the place of a masked value. */
export const maskedValue = "(masked)";

/** Types whose messages hold secrets. */
const secretTypes: ReadonlySet<string> = new Set(["secret", "serviceaccounttoken"]);

/** Keys whose values are masked, with all that is in them. `kubectl apply` keeps a copy of the whole object in an annotation. */
const secretKeys: ReadonlySet<string> = new Set([
  "data",
  "stringData",
  "token",
  "kubectl.kubernetes.io/last-applied-configuration",
]);

/** The record with values of secrets and tokens masked; the record itself where there are none. */
export function maskHop(record: HopRecord): HopRecord {
  if (record.text === "" || !record.resource.split("/").some((word) => secretTypes.has(word))) return record;
  return { ...record, text: maskText(record.text) };
}

/** A message's JSON text with them masked. A text that can't be read is masked as a whole. */
function maskText(text: string): string {
  try {
    const message = parseJson(text) as { readonly content?: unknown };
    const { content } = message;
    // A content that is a text holds JSON, or a single value: either may be the secret.
    const masked = typeof content === "string" && content !== "OK" ? maskedValue : maskIn(content);
    return `${JSON.stringify({ ...message, content: masked })}\n`;
  } catch {
    return maskedValue;
  }
}

/** A value as it may be shown: an object of kind Secret, or a list with some, without their values. */
export function maskSecrets(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(maskSecrets);
  const object = value as { readonly kind?: unknown; readonly items?: unknown };
  if (object.kind === "Secret") return maskIn(value);
  return Array.isArray(object.items) ? { ...value, items: object.items.map(maskSecrets) } : value;
}

function maskIn(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(maskIn);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, secretKeys.has(key) ? maskAll(inner) : maskIn(inner)]),
  );
}

/** The keys stay: they say which values there are. */
function maskAll(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value === null ? null : maskedValue;
  if (Array.isArray(value)) return value.map(maskAll);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, maskAll(inner)]));
}
