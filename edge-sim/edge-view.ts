// What an edge is and holds at this moment, for people who look at it.
import { noNamespace } from "../protocol/resource/path.ts";
import type { PropertyState } from "./device/devices.ts";
import type { Edge } from "./edge.ts";

/** One line about an edge. */
export interface EdgeSummary {
  readonly node: string;
  readonly isRunning: boolean;
  readonly isConnected: boolean;
  readonly isReady: boolean;
  /** Why it has no connection; empty where it has one. */
  readonly problem: string;
  readonly objects: number;
  readonly pods: number;
  readonly devices: number;
  readonly connections: number;
  /** Messages to the cloud and from it. */
  readonly up: number;
  readonly down: number;
}

/** An object in an edge's store. */
export interface HeldObject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: string;
}

/** A device as its edge has it. */
export interface DeviceView {
  readonly id: string;
  readonly state: string;
  readonly twin: Readonly<Record<string, PropertyState>>;
}

/** All about an edge. */
export interface EdgeView extends EdgeSummary {
  /** Faults of its link, in words; empty for none. */
  readonly faults: readonly string[];
  readonly held: readonly HeldObject[];
  readonly twins: readonly DeviceView[];
}

/** Kinds of the store that mirror the API's objects. */
const mirrored: ReadonlySet<string> = new Set(["pod", "configmap", "secret", "device", "devicemodel", "node"]);

export function summaryOf(edge: Edge): EdgeSummary {
  const { down, up } = edge.hub.traffic;
  return {
    node: edge.name,
    isRunning: edge.isRunning,
    isConnected: edge.hub.isConnected,
    isReady: edge.isReady,
    problem: edge.isRunning ? edge.hub.problem ?? "" : "it is stopped",
    objects: edge.store.size,
    pods: edge.pods.count("running"),
    devices: edge.devices.size,
    connections: edge.hub.connections,
    up,
    down,
  };
}

export function viewOf(edge: Edge): EdgeView {
  const held: HeldObject[] = [];
  for (const [path, { metadata }] of edge.store.entries()) {
    const [namespace = "", kind = "", name = ""] = path.split("/");
    if (!mirrored.has(kind)) continue;
    const { resourceVersion: version = "", uid = "" } = metadata;
    held.push({ kind, namespace: namespace === noNamespace ? "" : namespace, name, uid, version });
  }
  const twins = edge.devices.all().map((id) => ({ id, ...edge.devices.stateOf(id) ?? { state: "", twin: {} } }));
  return { ...summaryOf(edge), faults: edge.link.faults, held, twins };
}

/** The version of an object in an edge's store; undefined where it is not there. */
export function heldVersion(edge: Edge, kind: string, namespace: string, name: string): string | undefined {
  const object = edge.store.get(`${namespace === "" ? noNamespace : namespace}/${kind}/${name}`);
  return object === undefined ? undefined : object.metadata.resourceVersion ?? "";
}
