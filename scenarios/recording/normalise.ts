// What two runs of the same thing may differ in: ids, versions, times. Everything else is compared.
import { reasonOf } from "../../base/log/logger.ts";
import { parseJson } from "../../protocol/json.ts";

/** Keys whose values differ from run to run. */
const volatile: ReadonlySet<string> = new Set([
  "resourceVersion",
  "resourceversion",
  "uid",
  "generation",
  "managedFields",
  "event_id",
  "msg_id",
  "parent_msg_id",
  "timestamp",
  "last_updated_time",
  "podIP",
  "podIPs",
  "hostIP",
  "hostIPs",
  "containerID",
  "bootID",
  "machineID",
  "systemUUID",
  "token",
]);

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g;
/** Names and texts that a cluster makes for itself. */
const generated = /\b(kube-api-access)-[a-z0-9]{5}\b/g;
const pem = /-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----/g;
/** Unix milliseconds of this century. */
const isMilliseconds = (value: number) => value > 946_684_800_000 && value < 4_102_444_800_000;

/** A message's content with ids, versions and times replaced by words; JSON inside a text is read, too. Keys are sorted. */
export function normalised(text: string): unknown {
  try {
    return normal((parseJson(text) as { readonly content?: unknown } | null)?.content ?? null);
  } catch (error) {
    return `(unreadable: ${reasonOf(error)})`;
  }
}

function normal(value: unknown): unknown {
  if (typeof value === "string") return normalText(value);
  if (typeof value === "number" && isMilliseconds(value)) return "(time)";
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(normal);
  // A patch has the time of a transition only where its second has changed.
  const entries = Object.entries(value).filter(([key]) => key !== "managedFields" && key !== "lastTransitionTime").sort(
    ([a], [b]) => a < b ? -1 : 1,
  );
  return Object.fromEntries(entries.map(([key, inner]) => [key, volatile.has(key) ? `(${key})` : normal(inner)]));
}

function normalText(text: string): unknown {
  if (/^\s*[{[]/.test(text)) {
    try {
      return normal(parseJson(text));
    } catch {
      // A text that only looks like JSON.
    }
  }
  return text.replace(uuid, "(id)").replace(time, "(time)").replace(generated, "$1-(id)").replace(pem, "($1)");
}

/** A resource path without ids. */
export function normalPath(resource: string): string {
  return resource.replace(uuid, "(id)");
}
