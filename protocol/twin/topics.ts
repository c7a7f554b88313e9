// MQTT topics between an edge and its mappers: which an edge listens to, and what a message on one asks (KubeEdge v1.23 `edge/pkg/devicetwin/dtcommon/common.go`).

/** How many segments a device's id has in a topic: `name` with KubeEdge v1.1, `namespace/name` today. */
export type IdSegments = 1 | 2;

/** What a mapper may ask the twin for. */
export type TwinAsk =
  | { readonly ask: "membership/get" }
  | { readonly ask: "twin/update" | "twin/get" | "twin/cloud_updated" | "state/update"; readonly id: string };

const DEVICE = "$hw/events/device/";
const NODE = "$hw/events/node/";

/** The topics an edge always subscribes to (with QoS 1). */
export function standingTopics(segments: IdSegments): readonly string[] {
  const device = `${DEVICE}${"+/".repeat(segments)}`;
  return [
    "$hw/events/upload/#",
    `${device}state/update`,
    `${device}twin/+`,
    `${NODE}+/membership/get`,
    "SYS/dis/upload_records",
    ...(segments === 2 ? ["+/user/#"] : []),
  ];
}

export function deviceTopic(id: string, suffix: string): string {
  return `${DEVICE}${id}/${suffix}`;
}

export function nodeTopic(node: string, suffix: string): string {
  return `${NODE}${node}/${suffix}`;
}

/** Whether the twin module handles messages on this topic; all others go to the cloud. */
export function isForTwin(topic: string): boolean {
  return /^\$hw\/events\/(device|node)(\/|$)/.test(topic);
}

const asks: ReadonlySet<string> = new Set(["twin/update", "twin/get", "twin/cloud_updated", "state/update"]);

/**
 * What is asked of the twin; undefined for what it doesn't know. As edgecore does, the topic is cut at the first place where
 * the id's first segment occurs, so that ids such as `device`, `node` or `e` are never understood.
 */
export function readTopic(topic: string, segments: IdSegments): TwinAsk | undefined {
  const first = topic.split("/")[3];
  if (first === undefined || first === "") return undefined;
  const at = topic.indexOf(first);
  const prefix = topic.slice(0, at);
  const rest = topic.slice(at).split("/");
  if (prefix === NODE) return rest.slice(1).join("/") === "membership/get" ? { ask: "membership/get" } : undefined;
  if (prefix !== DEVICE) return undefined;
  const ask = rest.slice(segments).join("/");
  if (!asks.has(ask)) return undefined;
  return { ask: ask as Exclude<TwinAsk["ask"], "membership/get">, id: rest.slice(0, segments).join("/") };
}
