// A hop: one message seen at one place. What the tap collects, whoever calls it.

/** Where a message can be seen on its way. The first word is the room, the second what happened there. */
export type HopName =
  | "controller.send" // a controller hands a message to the hub
  | "hub.enqueue" // it waits in the node's lane
  | "hub.drop" // it was not sent; `outcome` says why
  | "hub.write" // it was written to the socket (again, when `attempt` > 1)
  | "hub.ack" // the edge acknowledged it
  | "hub.record" // what it acknowledged stands in its sync record
  | "hub.read" // a message from an edge was read and decoded
  | "controller.receive" // a controller took it from the bus
  | "edge.read" // the edge read it
  | "edge.store" // the edge stored its content
  | "edge.write" // the edge wrote it to the socket
  | "device.apply"; // a device took a desired value

/** One message at one place. Absent facts are empty texts or 0, so that filters need no guards. */
export interface HopRecord {
  /** Unix milliseconds. */
  readonly time: number;
  readonly hop: HopName;
  readonly direction: "down" | "up";
  readonly node: string;
  readonly id: string;
  readonly parent: string;
  readonly operation: string;
  /** As on the wire, without `node/{id}`. */
  readonly resource: string;
  readonly source: string;
  readonly group: string;
  /** resourceVersion of the object inside. */
  readonly version: string;
  /** Length of the JSON text, 0 where it was not encoded at this hop. (`bytes` is a word of CEL itself.) */
  readonly size: number;
  /** Milliseconds in the lane before the first write. */
  readonly wait: number;
  /** Milliseconds from the first write to the acknowledgement. */
  readonly ack: number;
  /** How many times it has been written. */
  readonly attempt: number;
  /** "sent", "coalesced", "stale", … : why it went on, or did not. */
  readonly outcome: string;
}

/** Called at every hop. Left undefined where nobody listens: then a hop costs one branch. */
export type Tap = (record: HopRecord) => void;

/** The parts of a message a hop record repeats. */
export interface TappedMessage {
  readonly header: { readonly msg_id: string; readonly parent_msg_id?: string; readonly resourceversion?: string };
  readonly route: {
    readonly source?: string;
    readonly group?: string;
    readonly operation?: string;
    readonly resource?: string;
  };
}

/** Builds the record of a message at a hop. `resource` overrides the message's own (the hub trims it). */
export function hopOf(
  message: TappedMessage,
  at: Pick<HopRecord, "time" | "hop" | "direction" | "node"> & Partial<HopRecord>,
): HopRecord {
  const { header, route } = message;
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
