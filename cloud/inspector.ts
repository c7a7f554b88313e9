// What a cloudcore knows of nodes and objects at this moment, for people who ask why something is not where it should be.
import { isNewerVersion, type KubeObject, textAt } from "../protocol/apis/kube-object.ts";
import { referencesOf } from "../protocol/apis/pod.ts";
import type { Departure } from "./cloudhub/session/departures.ts";
import type { LaneState } from "./cloudhub/session/session.ts";
import type { Caches } from "./kube/caches.ts";
import type { CloudHub } from "./cloudhub/cloudhub.ts";
import { type Resource, resources } from "./kube/resource.ts";
import type { SyncIndex } from "./nodes/sync-index.ts";

/** Kinds that edges are sent, by their words in resource paths. */
export const inspectedKinds = ["pod", "configmap", "secret", "device", "devicemodel", "node"] as const;
export type InspectedKind = typeof inspectedKinds[number];

/** An object by its name; `namespace` is empty for Nodes. */
export interface ObjectRef {
  readonly kind: InspectedKind;
  readonly namespace: string;
  readonly name: string;
}

/** An object as cloudcore has it. */
export interface ObjectView extends ObjectRef {
  readonly uid: string;
  readonly version: string;
  /** Of pods and devices. */
  readonly nodeName: string;
  readonly isBeingDeleted: boolean;
}

/** A node as cloudcore has it. Times are Unix milliseconds. */
export interface NodeView {
  readonly node: string;
  /** Whether there is a Node object with the label of edge nodes. */
  readonly isKnown: boolean;
  readonly isReady: boolean;
  readonly isConnected: boolean;
  readonly isV11: boolean;
  readonly waiting: number;
  readonly unacked: number;
  /** Milliseconds since the oldest unacknowledged message was written. */
  readonly oldest: number;
  /** Whether what did not fit into its lane is still to be sent. */
  readonly needsResync: boolean;
  readonly departure: Departure | undefined;
  /** Objects that it holds, by its sync records. */
  readonly records: number;
}

/** How it stands between one object and one node. */
export interface DeliveryView {
  readonly node: NodeView;
  /** Whether the node should have the object; `reason` says why, or why not. */
  readonly isWanted: boolean;
  readonly reason: string;
  /** The version the node has acknowledged: empty where none, undefined where there is no record. */
  readonly acknowledged: string | undefined;
  readonly isUpToDate: boolean;
  readonly lane: LaneState | undefined;
}

/** An object and the nodes that have to do with it. */
export interface WhereView {
  readonly object: ObjectView | undefined;
  /** Why cloudcore can't follow this kind at the moment. */
  readonly watchProblem: string | undefined;
  readonly deliveries: readonly DeliveryView[];
}

/** Injected dependencies. */
export interface InspectorDeps {
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly hub: CloudHub;
}

const resourceOf: Readonly<Record<InspectedKind, Resource>> = {
  pod: resources.pods,
  configmap: resources.configmaps,
  secret: resources.secrets,
  device: resources.devices,
  devicemodel: resources.devicemodels,
  node: resources.nodes,
};

/** Reads caches, sessions and records; changes nothing. */
export class Inspector {
  readonly #deps: InspectorDeps;

  constructor(deps: InspectorDeps) {
    this.#deps = deps;
  }

  /** Names of all nodes that are there or connected. */
  nodeNames(): string[] {
    const { caches, hub } = this.#deps;
    const names = new Set(caches.of(resources.nodes).list().map(({ metadata }) => metadata.name));
    for (const { node } of hub.sessions.all()) names.add(node);
    return [...names];
  }

  node(name: string): NodeView {
    const { caches, hub, index } = this.#deps;
    const object = caches.of(resources.nodes).get("", name);
    const session = hub.sessions.of(name);
    const { waiting, inFlight, oldest } = session?.gauges() ?? { waiting: 0, inFlight: 0, oldest: 0 };
    return {
      node: name,
      isKnown: object !== undefined,
      isReady: isReady(object),
      isConnected: session !== undefined,
      isV11: session?.isV11 === true,
      waiting,
      unacked: inFlight,
      oldest,
      needsResync: session?.needsResync === true,
      departure: session === undefined ? hub.departures.of(name) : undefined,
      records: index.countOf(name),
    };
  }

  /** The object alone; undefined where cloudcore has none of that name. */
  object({ kind, name, namespace }: ObjectRef): ObjectView | undefined {
    const found = this.#find({ kind, name, namespace });
    return found === undefined ? undefined : viewOf(kind, found);
  }

  /** Why cloudcore can't follow a kind at the moment; undefined where it does. */
  watchProblem(kind: InspectedKind): string | undefined {
    return this.#deps.caches.of(resourceOf[kind]).lastError;
  }

  /** Names of objects of a kind, at most `limit` that contain `search`. */
  names(kind: InspectedKind, search: string, limit: number): ObjectRef[] {
    const found: ObjectRef[] = [];
    for (const { metadata: { name, namespace = "" } } of this.#deps.caches.of(resourceOf[kind]).list()) {
      if (!`${namespace}/${name}`.includes(search)) continue;
      found.push({ kind, namespace, name });
      if (found.length === limit) break;
    }
    return found;
  }

  /** How it stands between an object and a node; also where either is unknown. */
  delivery(ref: ObjectRef, node: string): DeliveryView {
    const object = this.#find(ref);
    const { isWanted, reason } = this.#wanted(ref, object, node);
    const { hub } = this.#deps;
    const acknowledged = object === undefined ? undefined : hub.acknowledged(node, object);
    const isUpToDate = object !== undefined && acknowledged !== undefined && acknowledged !== "" &&
      !isNewerVersion(object.metadata.resourceVersion, acknowledged);
    const lane = hub.sessions.of(node)?.laneStateOf(object?.metadata.uid ?? "");
    return { node: this.node(node), isWanted, reason, acknowledged, isUpToDate, lane };
  }

  /** An object, with the nodes that should have it or hold it. */
  where(ref: ObjectRef): WhereView {
    const object = this.#find(ref);
    const nodes = new Set([...this.#users(ref, object), ...this.#deps.index.holders(object?.metadata.uid ?? "")]);
    return {
      object: object === undefined ? undefined : viewOf(ref.kind, object),
      watchProblem: this.watchProblem(ref.kind),
      deliveries: [...nodes].sort().map((node) => this.delivery(ref, node)),
    };
  }

  /** What a node should have: pods, what they refer to, devices, their models, and its Node. */
  wantedOn(node: string): ObjectView[] {
    const { caches } = this.#deps;
    const found = new Map<string, ObjectView>();
    const add = (kind: InspectedKind, object: KubeObject | undefined) => {
      if (object !== undefined) {
        found.set(`${kind}/${object.metadata.namespace}/${object.metadata.name}`, viewOf(kind, object));
      }
    };
    for (const pod of caches.on(node, resources.pods)) {
      add("pod", pod);
      for (const reference of referencesOf(pod)) {
        const [kind, namespace = "", name = ""] = reference.split("/") as [InspectedKind, string, string];
        add(kind, this.#find({ kind, namespace, name }));
      }
    }
    for (const device of caches.on(node, resources.devices)) {
      add("device", device);
      add("devicemodel", this.#find(modelOf(device)));
    }
    return [...found.values()];
  }

  #find({ kind, name, namespace }: ObjectRef): KubeObject | undefined {
    return this.#deps.caches.of(resourceOf[kind]).get(kind === "node" ? "" : namespace, name);
  }

  #wanted(ref: ObjectRef, object: KubeObject | undefined, node: string): { isWanted: boolean; reason: string } {
    const what = `${ref.kind} ${ref.namespace === "" ? "" : `${ref.namespace}/`}${ref.name}`;
    if (object === undefined) return { isWanted: false, reason: `there is no ${what} in the API` };
    if (ref.kind === "node") {
      return ref.name === node
        ? { isWanted: true, reason: `it is the Node of ${node}` }
        : { isWanted: false, reason: "an edge is sent its own Node alone" };
    }
    if (ref.kind === "pod" || ref.kind === "device") {
      const bound = textAt(object, "spec", "nodeName");
      if (bound === node) return { isWanted: true, reason: `it is bound to ${node}` };
      return { isWanted: false, reason: bound === "" ? "it is bound to no node" : `it is bound to ${bound}` };
    }
    if (ref.kind === "devicemodel") {
      const device = this.#deps.caches.on(node, resources.devices).find((each) => isSame(modelOf(each), ref));
      if (device === undefined) return { isWanted: false, reason: `no device on ${node} is of this model` };
      return { isWanted: true, reason: `device ${device.metadata.name} on ${node} is of this model` };
    }
    const reference = `${ref.kind}/${ref.namespace}/${ref.name}`;
    const user = this.#deps.caches.on(node, resources.pods).find((pod) => referencesOf(pod).has(reference));
    if (user === undefined) return { isWanted: false, reason: `no pod on ${node} uses it` };
    return { isWanted: true, reason: `pod ${user.metadata.name} on ${node} uses it` };
  }

  /** Nodes that should have an object. Walks over all pods or devices where the kind is shared: for people, not for messages. */
  #users(ref: ObjectRef, object: KubeObject | undefined): string[] {
    const { caches } = this.#deps;
    const nodesOf = (resource: Resource, uses: (other: KubeObject) => boolean) =>
      caches.of(resource).list().filter(uses).map((other) => textAt(other, "spec", "nodeName"));
    switch (ref.kind) {
      case "node":
        return [ref.name];
      case "pod":
      case "device":
        return [textAt(object, "spec", "nodeName")].filter((node) => node !== "");
      case "devicemodel":
        return nodesOf(resources.devices, (device) => isSame(modelOf(device), ref)).filter((node) => node !== "");
      default: {
        const reference = `${ref.kind}/${ref.namespace}/${ref.name}`;
        return nodesOf(resources.pods, (pod) => referencesOf(pod).has(reference)).filter((node) => node !== "");
      }
    }
  }
}

function viewOf(kind: InspectedKind, object: KubeObject): ObjectView {
  const { deletionTimestamp, name, namespace = "", resourceVersion = "", uid = "" } = object.metadata;
  const nodeName = textAt(object, "spec", "nodeName");
  return {
    kind,
    namespace,
    name,
    uid,
    version: resourceVersion,
    nodeName,
    isBeingDeleted: deletionTimestamp !== undefined,
  };
}

function modelOf(device: KubeObject): ObjectRef {
  const name = textAt(device, "spec", "deviceModelRef", "name");
  return { kind: "devicemodel", namespace: device.metadata.namespace ?? "default", name };
}

function isSame(one: ObjectRef, other: ObjectRef): boolean {
  return one.namespace === other.namespace && one.name === other.name;
}

function isReady(node: KubeObject | undefined): boolean {
  const conditions = (node?.status as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ??
    [];
  return conditions.some(({ status, type }) => type === "Ready" && status === "True");
}
