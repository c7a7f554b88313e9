// What must hold at the end of every scenario, without being asked for.
import { sleep } from "../../base/time/clock.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { at, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { isAcknowledgedVersion, parseSyncName, syncNameOf } from "../../protocol/apis/reliablesyncs.ts";
import { parseJson } from "../../protocol/json.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { contentOf } from "../model/deleted-again.ts";
import type { Environment } from "../model/environment.ts";
import { isAltered } from "../model/link-faults.ts";
import type { InvariantResult } from "../model/result.ts";
import { usedBy } from "../model/uses.ts";
import {
  ackedIsStored,
  deletedStay,
  deliveredToOwners,
  type History,
  historyOf,
  noVersionBackwards,
  reportsInOrder,
} from "./history-invariants.ts";
import { type Judgement, mirrored } from "./judgement.ts";

/** Milliseconds, times the target's patience, that both ends have to come to rest. */
const SETTLE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** Of what both ends hold now, which may take a moment to become so, or of what has happened. */
type Invariant =
  | { readonly name: string; readonly ofState: (environment: Environment, state: ClusterState) => Judgement }
  | { readonly name: string; readonly ofHistory: (environment: Environment, history: History) => Judgement };

/** What the API holds, read once for all invariants. */
interface ClusterState {
  readonly objects: ReadonlyMap<string, KubeObject>;
  /** Of them the Pods and Devices that are bound to a node, by its name, with their paths. */
  readonly bound: ReadonlyMap<string, readonly (readonly [string, KubeObject])[]>;
  readonly records: ReadonlyMap<string, KubeObject>;
  /** DeviceStatuses by `namespace/name`. */
  readonly statuses: ReadonlyMap<string, KubeObject>;
  /** Gauges of the cloud; none where they can't be seen. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly seen: Seen;
}

/** What has happened, read from the hops once. */
interface Seen {
  /** The hop to read next. */
  position: number;
  /** Messages that a fault has corrupted, by node and id, and what edges have stored of these, by node and path. */
  readonly corrupted: Set<string>;
  readonly strays: Set<string>;
  /** By device and property: the value that its edge has written last. */
  readonly last: Map<string, { readonly value: string; readonly id: string }>;
  /** And all that were written while it is judged: devices go on reporting. */
  readonly recent: Map<string, Set<string>>;
}

const invariants: readonly Invariant[] = [
  { name: "each edge holds what the API says it should", ofState: holdsWhatApiSays },
  { name: "nothing acknowledged is lost", ofState: nothingAckedIsLost },
  { name: "what is acknowledged has been stored", ofHistory: ackedIsStored },
  { name: "no version went backwards", ofHistory: noVersionBackwards },
  { name: "nothing was delivered to a node that doesn't own it", ofHistory: deliveredToOwners },
  { name: "the last value that each device reported is in its DeviceStatus", ofState: reportsArrived },
  { name: "reports of a device are stored in their order", ofHistory: reportsInOrder },
  { name: "each device has the value that was last desired of it", ofState: desiresArrived },
  { name: "a deleted object stays deleted at its edge", ofHistory: deletedStay },
  { name: "all queues are drained", ofState: queuesDrained },
  { name: "no connection outlives its session", ofState: connectionsHaveSessions },
];

/** Judges all of them; waits for those that settle. */
export async function judgeInvariants(environment: Environment, signal: AbortSignal): Promise<InvariantResult[]> {
  const deadline = environment.clock.now() + SETTLE_MS * environment.patience;
  const seen: Seen = { position: 0, corrupted: new Set(), strays: new Set(), last: new Map(), recent: new Map() };
  for (;;) {
    readHops(environment, seen);
    const state = { ...await readState(environment), seen };
    readHops(environment, seen);
    const settled = new Map(
      invariants.flatMap((each) => "ofState" in each ? [[each.name, each.ofState(environment, state)] as const] : []),
    );
    const isWell = settled.values().every((found) => found === "not judged" || found.length === 0);
    if (isWell || environment.clock.now() >= deadline || signal.aborted) {
      const history = historyOf(environment);
      return invariants.map((each) =>
        resultOf(
          each.name,
          "ofState" in each ? settled.get(each.name) ?? "not judged" : each.ofHistory(environment, history),
        )
      );
    }
    await sleep(environment.clock, LOOK_EVERY_MS, signal).catch(() => {});
  }
}

function resultOf(name: string, found: Judgement): InvariantResult {
  if (found === "not judged") return { name, verdict: found, details: [] };
  return { name, verdict: found.length === 0 ? "held" : "broken", details: found.slice(0, 10) };
}

/** Where others use the cluster, too, only the scenario's own namespace counts. */
async function readState(environment: Environment): Promise<Omit<ClusterState, "seen">> {
  const { isShared, kube, namespace } = environment;
  const where = isShared ? { namespace } : {};
  const kinds = [
    resources.pods,
    resources.configmaps,
    resources.secrets,
    resources.devices,
    resources.devicemodels,
    resources.nodes,
  ];
  const lists = await Promise.all(kinds.map((resource) => kube.list(resource, where)));
  const objects = new Map(
    lists.flatMap((list) => list.items).map((object) => {
      const { kind = "", metadata: { name, namespace = noNamespace } } = object;
      return [wirePath(namespace, kind.toLowerCase(), name), object] as const;
    }),
  );
  const [records, statuses] = await Promise.all(
    [resources.objectsyncs, resources.devicestatuses].map((resource) => kube.list(resource, where)),
  );
  return {
    objects,
    bound: Map.groupBy(
      [...objects].filter(([, object]) => isBindable(object)),
      ([, object]) => textAt(object, "spec", "nodeName"),
    ),
    metrics: await environment.metrics(),
    records: new Map(records?.items.map((record) => [record.metadata.name, record])),
    statuses: new Map(
      statuses?.items.map((status) => [`${status.metadata.namespace}/${status.metadata.name}`, status]),
    ),
  };
}

function connectedEdges(environment: Environment): Edge[] {
  return environment.fleet.edges().filter((edge) => edge.hub.isConnected);
}

/** Whether objects of its kind belong to one node. */
function isBindable({ kind }: KubeObject): boolean {
  return kind === "Pod" || kind === "Device";
}

function holdsWhatApiSays(environment: Environment, { bound, objects, records, seen }: ClusterState): Judgement {
  if (!environment.capabilities.has("edge-stores")) return "not judged";
  const wrong: string[] = [];
  for (const edge of connectedEdges(environment)) {
    for (const [path, held] of edge.store.entries()) {
      const [namespace, type = ""] = path.split("/");
      if (!mirrored.has(type) || (environment.isShared && namespace !== environment.namespace)) continue;
      const wanted = objects.get(path);
      if (wanted === undefined) {
        // A corrupted name may be that of no object: nobody can know that the edge has it.
        const isStray = seen.strays.has(`${edge.name} ${path}`) && environment.owners(path)?.has(edge.name) !== true;
        if (!isStray) wrong.push(`${edge.name} still holds ${path}, which is gone`);
      } else if (!isSame(held, wanted)) {
        wrong.push(
          `${edge.name} holds ${path} as of version ${held.metadata.resourceVersion}; the API has ${wanted.metadata.resourceVersion}, and ${
            recordOf(records.get(syncNameOf(edge.name, wanted.metadata.uid ?? "")))
          }`,
        );
      }
    }
    for (const [path, wanted] of bound.get(edge.name) ?? []) {
      if (edge.store.get(path) === undefined) wrong.push(`${edge.name} lacks ${path}`);
      if (isOver(wanted)) continue;
      for (const used of usedBy(wanted)) {
        if (objects.has(used) && edge.store.get(used) === undefined) {
          wrong.push(`${edge.name} lacks ${used}, which ${path} uses`);
        }
      }
    }
  }
  return wrong;
}

/** What cloudcore's record says that the edge has acknowledged. */
function recordOf(record: KubeObject | undefined): string {
  if (record === undefined) return "no ObjectSync says what the edge has acknowledged";
  return `its record says ${textAt(record, "status", "objectResourceVersion") || "nothing"}`;
}

/** A pod that ends or has ended: its node asks no more for what it uses. */
function isOver({ metadata: { deletionTimestamp }, status }: KubeObject): boolean {
  return deletionTimestamp !== undefined || /^(Succeeded|Failed)$/.test(textAt(status, "phase"));
}

/** The same object with the same content; a pod's status is the edge's own business. */
function isSame(held: KubeObject, wanted: KubeObject): boolean {
  if (held.metadata.uid !== wanted.metadata.uid) return false;
  if (held.metadata.resourceVersion === wanted.metadata.resourceVersion) return true;
  const content = ({ spec, data, binaryData, metadata: { deletionTimestamp, labels } }: KubeObject) =>
    JSON.stringify([spec, data, binaryData, deletionTimestamp, labels]);
  return content(held) === content(wanted);
}

function nothingAckedIsLost(environment: Environment, { objects, records }: ClusterState): Judgement {
  if (!environment.capabilities.has("edge-stores")) return "not judged";
  const wrong: string[] = [];
  const edges = new Map(connectedEdges(environment).map((edge) => [edge.name, edge]));
  const byUid = new Map([...objects].map(([path, object]) => [object.metadata.uid ?? "", { path, object }]));
  for (const record of records.values()) {
    const { node, uid } = parseSyncName(record.metadata.name);
    const edge = edges.get(node);
    const acknowledged = textAt(record, "status", "objectResourceVersion");
    const found = byUid.get(uid);
    if (edge === undefined || found === undefined || !isAcknowledgedVersion(acknowledged)) continue;
    const { object, path } = found;
    const isElsewhere = isBindable(object) && textAt(object, "spec", "nodeName") !== node;
    if (!isElsewhere && edge.store.get(path) === undefined) {
      wrong.push(`${node} acknowledged ${path} at ${acknowledged} and has lost it`);
    }
  }
  return wrong;
}

/** The Devices that connected edges have, and that are bound to them in the API. */
function devicesAtHome(environment: Environment, objects: ClusterState["objects"]): [Edge, string, KubeObject][] {
  return connectedEdges(environment).flatMap((edge) =>
    edge.devices.all().flatMap((id): [Edge, string, KubeObject][] => {
      const [namespace, name] = id.split("/");
      const device = objects.get(`${namespace}/device/${name}`);
      return device !== undefined && textAt(device, "spec", "nodeName") === edge.name ? [[edge, id, device]] : [];
    })
  );
}

function reportsArrived(
  environment: Environment,
  { objects, seen, statuses }: ClusterState,
): Judgement {
  if (environment.hops.lost > 0 || !environment.capabilities.has("edge-messages")) return "not judged";
  const wrong: string[] = [];
  for (const [edge, id, device] of devicesAtHome(environment, objects)) {
    const stored = new Map(
      listAt(statuses.get(id), "status", "twins").map((twin) => [
        textAt(twin, "propertyName"),
        textAt(twin, "reported", "value"),
      ]),
    );
    for (const property of listAt(device, "spec", "properties").map((each) => textAt(each, "name"))) {
      const written = seen.last.get(`${id}/${property}`);
      const found = stored.get(property) ?? "";
      if (written === undefined || seen.recent.get(`${id}/${property}`)?.has(found)) continue;
      // What a fault has made of it may have been refused or stored, and confirmed: its edge can't know.
      if (seen.corrupted.has(`${edge.name} ${written.id}`)) continue;
      wrong.push(`${id} has reported ${property} ${written.value}; the API has ${found === "" ? "nothing" : found}`);
    }
  }
  return wrong;
}

/** Reads on in the hops. What a device reports without a connection is lost, as with edgecore. */
function readHops({ hops }: Environment, seen: Seen): void {
  const { corrupted, last, position, recent, strays } = seen;
  const isFirst = position === 0;
  for (const record of hops.since(position)) {
    if (isAltered(record) && record.outcome.startsWith("corrupted")) corrupted.add(`${record.node} ${record.id}`);
    if (record.hop === "edge.store" && corrupted.has(`${record.node} ${record.id}`)) {
      strays.add(`${record.node} ${record.resource}`);
    }
    const [, id] =
      record.hop === "edge.write" && /^device\/([^/]+\/[^/]+)\/twin\/edge_updated$/.exec(record.resource) || [];
    if (id === undefined) continue;
    const twins = at(jsonIn(contentOf(record)), "twin");
    for (const [property, twin] of Object.entries(typeof twins === "object" && twins !== null ? twins : {})) {
      const value = at(twin, "actual", "value");
      if (typeof value !== "string") continue;
      const key = `${id}/${property}`;
      last.set(key, { value, id: record.id });
      // Of what was written before, the last value alone will do.
      recent.set(key, isFirst ? new Set([value]) : (recent.get(key) ?? new Set()).add(value));
    }
  }
  seen.position = hops.position;
}

/** Content that is JSON in a text, or an object already. */
function jsonIn(content: unknown): unknown {
  if (typeof content !== "string") return content;
  try {
    return parseJson(content);
  } catch {
    return undefined;
  }
}

function desiresArrived(environment: Environment, { objects }: ClusterState): Judgement {
  if (!environment.capabilities.has("edge-stores")) return "not judged";
  const wrong: string[] = [];
  for (const [edge, id, device] of devicesAtHome(environment, objects)) {
    const twin = edge.devices.stateOf(id)?.twin ?? {};
    const isWritable = writableBy(objects.get(usedBy(device)[0] ?? ""));
    for (const property of listAt(device, "spec", "properties")) {
      const name = textAt(property, "name");
      const wanted = textAt(property, "desired", "value");
      const found = twin[name]?.desired ?? "";
      // What was never asked for may be read-only.
      if (wanted === "" || found === wanted || found === "" && !isWritable(name)) continue;
      wrong.push(`${id} was last asked for ${name} ${found === "" ? "nothing" : found}; the API wants ${wanted}`);
    }
  }
  return wrong;
}

/** Which properties take a desired value; without their model, none. */
function writableBy(model: KubeObject | undefined): (property: string) => boolean {
  const writable = new Set(
    listAt(model, "spec", "properties").filter((each) => textAt(each, "accessMode") !== "ReadOnly").map((each) =>
      textAt(each, "name")
    ),
  );
  return (property) => writable.has(property);
}

/** Where a connection is replaced, or its session ends, its socket is closed, too. */
function connectionsHaveSessions(_: Environment, { metrics }: ClusterState): Judgement {
  const { connections_without_session: stray } = metrics;
  if (stray === undefined) return "not judged";
  return stray === 0 ? [] : [`${stray} connections of edges are open at the hub, and belong to no session`];
}

function queuesDrained(_: Environment, { metrics }: ClusterState): Judgement {
  if (Object.keys(metrics).length === 0) return "not judged";
  return Object.entries(metrics).filter(([name, value]) => /_(waiting|unacknowledged|depth)$/.test(name) && value > 0)
    .map(([name, value]) => `${name} is ${value}`);
}
