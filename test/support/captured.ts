// The captured run between the real programs (v1.23.1): its lines, and how contents of two runs are compared.
import { readFileSync } from "node:fs";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";

/** One line of a capture. */
export interface Line {
  readonly seq: number;
  readonly step: string;
  readonly kind: "mark" | "text" | "upgrade" | "tcp-close" | "http-request" | "http-response" | "tls-open" | "note";
  readonly dir?: "edge>cloud" | "cloud>edge";
  readonly mark?: string;
  readonly by?: "edge" | "cloud";
  readonly message?: Message;
  readonly output?: string;
}

/** The lines of a file beside the wire tests, in order. */
export function linesOf(file: string): Line[] {
  const text = readFileSync(new URL(`../wire/${file}`, import.meta.url), "utf8");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
}

/** A line of the captures of clients that misbehave. */
export interface BehaviourLine extends Line {
  /** What the recorder saw of it in the end. */
  readonly note?: string;
  readonly conn?: number;
  readonly payload_b64?: string;
  readonly frames?: readonly { readonly fin: boolean; readonly op: number }[];
}

/** What Go's cloudcore did when a client misbehaved, step by step (`a1` to `z1`). */
export function behaviourLines(): BehaviourLine[] {
  return linesOf("captured-behaviours.jsonl") as BehaviourLine[];
}

interface Effects {
  readonly steps: readonly {
    readonly step: string;
    readonly objects: readonly { readonly query: string; readonly result: KubeObject | readonly KubeObject[] }[];
  }[];
}

/** What the API server held after a step, by query (`pod pod-1`). */
export function effectsOf(step: string): ReadonlyMap<string, KubeObject | readonly KubeObject[]> {
  const effects = JSON.parse(
    readFileSync(new URL("../wire/captured-effects.json", import.meta.url), "utf8"),
  ) as Effects;
  const objects = effects.steps.find((entry) => entry.step === step)?.objects ?? [];
  return new Map(objects.map(({ query, result }) => [query, result]));
}

/** `operation resource` and where from: what two runs must have in common, message by message. */
export function headOf({ header, route }: Message): string {
  const answers = header.parent_msg_id === undefined || header.parent_msg_id === "" ? "" : " answers";
  return `${route.operation} ${route.resource} source=${route.source} group=${route.group}${answers}${
    (header.resourceversion ?? "") === "" ? "" : " versioned"
  }`;
}

/** Values that no two runs share; what is left of them is whether they are there. */
const variable =
  /^(uid|UID|last_online|resourceVersion|creationTimestamp|deletionTimestamp|timestamp|event_id|token|expirationTimestamp|.*Time|startedAt|finishedAt|hostIP|podIP|ip|address|cloudcore|Port|containerID|imageID)$/;

/** A content without what differs from run to run. */
export function comparable(content: unknown): unknown {
  if (typeof content === "string") return comparableText(content);
  if (Array.isArray(content)) return content.map(comparable);
  if (typeof content !== "object" || content === null) return content;
  const entries = Object.entries(content).filter(([key]) => key !== "managedFields").map(([key, value]) => {
    const isLeaf = typeof value !== "object" && value !== null && value !== "";
    return [key, variable.test(key) && isLeaf ? "*" : comparable(value)] as const;
  });
  return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
}

function comparableText(text: string): unknown {
  if (/^\s*[{[]/.test(text)) {
    try {
      return comparable(JSON.parse(text));
    } catch {
      // Text that only begins like JSON.
    }
  }
  return text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UID").replace(
    /kube-api-access-\w{5}/g,
    "kube-api-access",
  )
    .replace(/-----BEGIN[^]*/, "PEM");
}

/** Where two comparable values differ, one path per line: `path: captured → ours`. */
export function contentDifferences(captured: unknown, ours: unknown, path = ""): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (isObject(captured) && isObject(ours) && Array.isArray(captured) === Array.isArray(ours)) {
    return [...new Set([...Object.keys(captured), ...Object.keys(ours)])].flatMap((key) =>
      contentDifferences(captured[key], ours[key], path === "" ? key : `${path}.${key}`)
    );
  }
  if (Object.is(captured, ours)) return [];
  const show = (value: unknown) => value === undefined ? "nothing" : JSON.stringify(value).slice(0, 120);
  return [`${path}: ${show(captured)} → ${show(ours)}`];
}
