// Where messages can be seen on their way between controllers, hub, edges and devices, and the record of one there.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { Message } from "./message.ts";

/** Where a message is recorded on its way. The first word names the part, the second what happened there. */
export type HopName =
  | "controller.send" // a controller hands a message to the hub
  | "hub.enqueue" // it waits in the node's lane
  | "hub.drop" // it was not sent; `outcome` says why
  | "hub.write" // it was written to the socket (again, when `attempt` > 1)
  | "hub.ack" // the edge acknowledged it
  | "hub.record" // what it acknowledged is in its sync record
  | "hub.read" // a message from an edge was read and decoded
  | "controller.receive" // a controller took it from the bus
  | "edge.read" // the edge read it
  | "edge.store" // the edge stored its content
  | "edge.write" // the edge wrote it to the socket
  | "device.apply"; // a device took a desired value

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
    ...at,
  };
}
