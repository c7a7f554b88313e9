// A hop: one message seen at one place. The tap collects them.

/** One message at one place. Absent facts are empty texts or 0, so that filters need no guards. */
export interface HopRecord {
  /** Unix milliseconds. */
  readonly time: number;
  /** Where it was seen, as in `hub.write`. */
  readonly hop: string;
  readonly direction: "down" | "up";
  /** The edge it is about; empty before it is known which edges a message is for. */
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
  /** Length of the JSON text, 0 where it was not encoded at this hop. (`bytes` is a reserved word of CEL.) */
  readonly size: number;
  /** Milliseconds in the lane before the first write. */
  readonly wait: number;
  /** Milliseconds from the first write to the acknowledgement. */
  readonly ack: number;
  /** How many times it has been written. */
  readonly attempt: number;
  /** "sent", "put", or a sentence: why it went on, or did not. */
  readonly outcome: string;
  /** The whole message as JSON where this hop encoded or decoded it, else empty. */
  readonly text: string;
}

/** Where hops are given to. `on` is undefined while nobody looks: a hop then costs one branch. */
export interface Tap {
  readonly on: ((record: HopRecord) => void) | undefined;
}

/** A tap that is always on. */
export function tapTo(on: (record: HopRecord) => void): Tap {
  return { on };
}
