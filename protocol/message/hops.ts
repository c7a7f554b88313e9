// Where messages can be seen on their way between controllers, hub, edges and devices, and the record of one there.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { KubeObject } from "../apis/kube-object.ts";
import { noNamespace, wirePath } from "../resource/path.ts";
import type { Message } from "./message.ts";

/** Where a message is recorded on its way. The first word names the part, the second what happened there. */
export type HopName = keyof typeof hopNames;

/** Every hop, by its name, and what it says. Those whose second word is `drop` end the way of their message, and `outcome` says why. */
export const hopNames = {
  "kube.event": "the API told of a change of the object",
  "controller.send": "a controller sends it to the edges that need it; `outcome` names them",
  "controller.drop": "a controller does not send it, or does not carry out what an edge asks",
  "hub.receive": "the hub took it from the bus",
  "hub.enqueue": "it waits in the node's lane",
  "hub.drop": "it was not sent to this edge, or not handed on from it",
  "hub.write": "it was written to the socket (again, when `attempt` > 1)",
  "hub.ack": "the edge acknowledged it",
  "hub.record": "the version that it acknowledged is in its sync record",
  "hub.connect": "the edge connected to the hub",
  "hub.disconnect": "the edge's connection to the hub ended; `outcome` says why",
  "hub.refuse": "the hub refused a connection; `outcome` says why",
  "hub.read": "a message from an edge was read and decoded",
  "controller.receive": "a controller took it from the bus",
  "kube.write": "what the edge asked for, or reported, was written to the API, or read from it",
  "link.drop": "a fault on the edge's link swallowed it",
  "link.alter": "a fault on the edge's link duplicated, reordered or corrupted it; `outcome` says which",
  "edge.connect": "the edge has a connection",
  "edge.disconnect": "the edge lost its connection, or got none; `outcome` says why",
  "edge.read": "the edge read it",
  "edge.store": "the edge stored its content",
  "edge.write": "the edge wrote it to the socket",
  "device.apply": "a device took a desired value",
  "device.report": "a device's mapper reported a value; `outcome` is the value",
  "twin.update": "the twin merged it with what it had",
  "twin.drop": "the twin refused what a device's mapper reported",
  "proxy.down": "the proxy passed it to the edge",
  "proxy.up": "the proxy passed it to the cloud",
  "proxy.drop": "a fault on the proxy swallowed it",
  "proxy.alter": "a fault on the proxy duplicated, reordered or corrupted it; `outcome` says which",
  "proxy.connect": "an edge connected through the proxy",
  "proxy.disconnect": "a connection through the proxy ended; `outcome` says why",
} as const;

/** Whether a hop ends the way of its message. */
export function isDrop(hop: string): boolean {
  return hop.endsWith(".drop") || hop === "hub.refuse";
}

/** The parts of a message that a hop record repeats. */
export type TappedMessage = {
  readonly header: Pick<Message["header"], "msg_id" | "parent_msg_id" | "resourceversion">;
  readonly route: Message["route"];
};

/** Fields of a record beside the place. */
export type HopFacts = Partial<Omit<HopRecord, "hop">>;

/** The record of a message at a hop. `resource` overrides the message's own (the hub trims it). Absent facts are "" or 0. */
export function hopOf(
  { header, route }: TappedMessage,
  at: Pick<HopRecord, "time" | "direction" | "node"> & { readonly hop: HopName } & HopFacts,
): HopRecord {
  return {
    id: header.msg_id,
    parent: header.parent_msg_id ?? "",
    operation: route.operation ?? "",
    resource: route.resource ?? "",
    source: route.source ?? "",
    group: route.group ?? "",
    version: header.resourceversion ?? "",
    size: 0,
    wait: 0,
    ack: 0,
    attempt: 0,
    outcome: "",
    text: "",
    ...at,
  };
}

/** The record of an object before there is a message about it. `kind` as in a resource path. */
export function hopOfObject(
  { metadata: { name, namespace = noNamespace, resourceVersion = "" } }: KubeObject,
  kind: string,
  at: { readonly hop: HopName; readonly operation?: string } & HopFacts & Pick<HopRecord, "time">,
): HopRecord {
  const header = { msg_id: "", resourceversion: resourceVersion };
  const resource = wirePath(namespace, kind, name);
  return hopOf({ header, route: { resource } }, { direction: "down", node: "", ...at });
}

/** Names of edges in a sentence: the first few, and how many others. */
export function namesOf(nodes: readonly string[]): string {
  const [first = "", second, third, ...others] = nodes;
  if (second === undefined) return first;
  if (third === undefined) return `${first} and ${second}`;
  return others.length === 0
    ? `${first}, ${second} and ${third}`
    : `${first}, ${second} and ${nodes.length - 2} others`;
}
