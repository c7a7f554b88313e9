// Masks what nobody should see by accident in messages that are shown or recorded: values of secrets, and tokens.
import type { HopRecord } from "../../base/hop/hop.ts";
import { parseJson } from "../json.ts";

/** In the place of a masked value. */
export const maskedValue = "(masked)";

/** Types whose messages hold secrets. */
const secretTypes: ReadonlySet<string> = new Set(["secret", "serviceaccounttoken"]);

/** Requests to a CSI driver: what they hold is JSON in a text, with secrets under a key of that name (CSI's csi.proto, `csi_secret`). */
const volumeType = "volume";

/** Keys whose values are masked, with all that is in them. `kubectl apply` keeps a copy of the whole object in an annotation. */
const secretKeys: ReadonlySet<string> = new Set([
  "data",
  "stringData",
  "secrets",
  "token",
  "kubectl.kubernetes.io/last-applied-configuration",
]);

/** The record with values of secrets and tokens masked; the record itself where there are none. */
export function maskHop(record: HopRecord): HopRecord {
  if (record.text === "") return record;
  const words = record.resource.split("/");
  if (words.some((word) => secretTypes.has(word))) return { ...record, text: maskText(record.text, maskContent) };
  // Answers of CSI drivers hold no secrets.
  if (!words.includes(volumeType) || record.operation === "response") return record;
  return { ...record, text: maskText(record.text, maskVolumeRequest) };
}

/** A message's JSON text with its content masked. A text that can't be read is masked as a whole. */
function maskText(text: string, mask: (content: unknown) => unknown): string {
  try {
    const message = parseJson(text) as { readonly content?: unknown };
    return `${JSON.stringify({ ...message, content: mask(message.content) })}\n`;
  } catch {
    return maskedValue;
  }
}

/** A content that is a text holds JSON, or a single value: either may be the secret. */
function maskContent(content: unknown): unknown {
  return typeof content === "string" && content !== "OK" ? maskedValue : maskIn(content);
}

function maskVolumeRequest(content: unknown): unknown {
  return typeof content === "string" ? JSON.stringify(maskIn(parseJson(content))) : maskIn(content);
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
