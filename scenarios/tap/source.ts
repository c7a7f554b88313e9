// What can be asked of a running skep: its edges, its objects, how it stands between the two; in this process or in others.
import type { Departure } from "../../cloud/cloudhub/session/departures.ts";
import type { DeliveryView, NodeView, ObjectRef, ObjectView } from "../../cloud/inspector.ts";
import type { EdgeSummary, EdgeView, HeldObject } from "../../edge-sim/edge-view.ts";

export type { DeliveryView, Departure, EdgeSummary, EdgeView, HeldObject, NodeView, ObjectRef, ObjectView };

/** An edge as both ends have it, as far as they are seen from here. */
export interface EdgeRow {
  readonly node: string;
  readonly cloud?: NodeView;
  readonly edge?: EdgeSummary;
}

/** An object that an edge should hold, or holds. */
export interface HoldingView {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The API's version; undefined where cloudcore has no such object, or can't be seen. */
  readonly wanted?: string;
  /** The version in the edge's store; undefined where it is not there, or the edge can't be seen. */
  readonly held?: string;
  /** `stale`: the API's content is another one; `extra`: the edge should not have it. */
  readonly state: "same" | "missing" | "stale" | "extra" | "not seen";
}

/** All about one edge. */
export interface EdgePage extends EdgeRow {
  readonly edge?: EdgeView;
  readonly holdings: readonly HoldingView[];
  /** Its last log lines, oldest first. */
  readonly log: readonly LogLine[];
}

/** A line of a log. */
export interface LogLine {
  readonly time: number;
  readonly level: string;
  readonly text: string;
}

/** How it stands between an object and an edge, as both ends have it. */
export interface Delivery {
  readonly node: string;
  readonly cloud?: DeliveryView;
  readonly edge?: { readonly summary: EdgeSummary; readonly faults: readonly string[]; readonly held?: string };
}

/** Where an object is. */
export interface Where {
  readonly object?: ObjectView;
  readonly watchProblem?: string;
  readonly deliveries: readonly Delivery[];
  /** Whether a cloudcore is among what is seen. */
  readonly hasCloud: boolean;
}

/** Answers questions about what runs. */
export interface TapSource {
  edges(): Promise<EdgeRow[]>;
  edge(node: string): Promise<EdgePage | undefined>;
  /** Objects of a kind whose `namespace/name` contains `search`. */
  names(kind: string, search: string): Promise<ObjectRef[]>;
  where(ref: ObjectRef): Promise<Where>;
  delivery(ref: ObjectRef, node: string): Promise<Where>;
  /** Numbers of this moment, by name. */
  gauges(): Promise<Readonly<Record<string, number>>>;
}
