// What must hold at the end of every scenario, without being asked for.
import { at, isNewerVersion, type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { parseJson } from "../../protocol/json.ts";
import { isAcknowledgedVersion, syncNameOf } from "../../protocol/apis/reliablesyncs.ts";
import type { Environment } from "../model/environment.ts";
import { contentOf, deletedThatCameAgain } from "../model/deleted-again.ts";
import { modules, resourceTypes } from "../../protocol/message/names.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { usedBy } from "../model/uses.ts";
import { sleep } from "../../base/time/clock.ts";
import { disturbedIn } from "../model/link-faults.ts";
import { ackedWithoutStoring, deviceReportsIn, storedTooLate } from "../model/stored-messages.ts";
import type { InvariantResult } from "../model/result.ts";

/** Milliseconds, times the target's patience, that both ends have to come to rest. */
const SETTLE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** One invariant: what is wrong, in words; nothing where it holds. */
interface Invariant {
  readonly name: string;
  /** True for what may take a moment to become so. */
  readonly settles: boolean;
  judge(environment: Environment, state: ClusterState): string[] | "not judged";
}

/** What the API holds, read once for all invariants. */
interface ClusterState {
  readonly objects: ReadonlyMap<string, KubeObject>;
  readonly records: ReadonlyMap<string, KubeObject>;
  /** DeviceStatuses by `namespace/name`. */
  readonly statuses: ReadonlyMap<string, KubeObject>;
  /** Gauges of the cloud; none where they can't be seen. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly reports: Reports;
}

/** What edges have written of their devices' twins, read from the hops once. */
interface Reports {
  /** The hop to read next. */
  position: number;
  /** By device and property: the value written last. */
  readonly last: Map<string, string>;
  /** And all that were written while it is judged: devices go on reporting. */
  readonly recent: Map<string, Set<string>>;
}

const invariants: readonly Invariant[] = [
  { name: "each edge holds what the API says it should", settles: true, judge: holdsWhatApiSays },
  { name: "nothing acknowledged is lost", settles: true, judge: nothingAckedIsLost },
  { name: "what is acknowledged has been stored", settles: false, judge: ackedIsStored },
  { name: "no version went backwards", settles: false, judge: noVersionBackwards },
  { name: "nothing was delivered to a node that doesn't own it", settles: false, judge: deliveredToOwners },
  { name: "the last value that each device reported is in its DeviceStatus", settles: true, judge: reportsArrived },
  { name: "reports of a device are stored in their order", settles: false, judge: reportsInOrder },
  { name: "each device has the value that was last desired of it", settles: true, judge: desiresArrived },
  { name: "a deleted object stays deleted at its edge", settles: false, judge: deletedStay },
  { name: "all queues are drained", settles: true, judge: queuesDrained },
  { name: "no connection outlives its session", settles: true, judge: connectionsHaveSessions },
];

/** Judges all of them; waits for those that settle. */
export async function judgeInvariants(environment: Environment, signal: AbortSignal): Promise<InvariantResult[]> {
  const deadline = environment.clock.now() + SETTLE_MS * environment.patience;
  const reports: Reports = { position: 0, last: new Map(), recent: new Map() };
  for (;;) {
    readReports(environment, reports);
    const state = { ...await readState(environment), reports };
    readReports(environment, reports);
    const judge = (invariant: Invariant): InvariantResult => {
      const found = invariant.judge(environment, state);
      if (found === "not judged") return { name: invariant.name, verdict: "not judged", details: [] };
      return { name: invariant.name, verdict: found.length === 0 ? "held" : "broken", details: found.slice(0, 10) };
    };
    const settled = invariants.filter(({ settles }) => settles).map(judge);
    const isWell = settled.every(({ verdict }) => verdict !== "broken");
    if (isWell || environment.clock.now() >= deadline || signal.aborted) {
      // The others read the whole history: once is enough.
      const judged = [...settled, ...invariants.filter(({ settles }) => !settles).map(judge)];
      return invariants.flatMap(({ name }) => judged.filter((result) => result.name === name));
    }
    await sleep(environment.clock, LOOK_EVERY_MS, signal).catch(() => {});
  }
}

/** Where others use the cluster, too, only the scenario's own namespace counts. */
async function readState(environment: Environment): Promise<Omit<ClusterState, "reports">> {
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
  const objects = new Map<string, KubeObject>();
  for (const object of lists.flatMap((list) => list.items)) {
    objects.set(
      `${object.metadata.namespace ?? noNamespace}/${(object.kind ?? "").toLowerCase()}/${object.metadata.name}`,
      object,
    );
  }
  const [records, statuses] = await Promise.all(
    [resources.objectsyncs, resources.devicestatuses].map((resource) => kube.list(resource, where)),
  );
  return {
    objects,
    metrics: await environment.metrics(),
    records: new Map(records?.items.map((record) => [record.metadata.name, record])),
    statuses: new Map(
      statuses?.items.map((status) => [`${status.metadata.namespace}/${status.metadata.name}`, status]),
    ),
  };
}

/** Types of the store that mirror the API. */
const mirrored: ReadonlySet<string> = new Set(["pod", "configmap", "secret", "device", "devicemodel", "node"]);

function connectedEdges(environment: Environment): Edge[] {
  return environment.fleet.edges().filter((edge) => edge.hub.isConnected);
}

function holdsWhatApiSays(environment: Environment, { objects, records }: ClusterState): string[] | "not judged" {
  if (!environment.capabilities.has("edge-stores")) return "not judged";
  const wrong: string[] = [];
  for (const edge of connectedEdges(environment)) {
    for (const [path, held] of edge.store.entries()) {
      const [namespace, type = ""] = path.split("/");
      if (!mirrored.has(type) || (environment.isShared && namespace !== environment.namespace)) continue;
      const wanted = objects.get(path);
      if (wanted === undefined) wrong.push(`${edge.name} still holds ${path}, which is gone`);
      else if (!isSame(held, wanted)) {
        wrong.push(
          `${edge.name} holds ${path} as of version ${held.metadata.resourceVersion}; the API has ${wanted.metadata.resourceVersion}, and ${
            recordOf(records.get(syncNameOf(edge.name, wanted.metadata.uid ?? "")))
          }`,
        );
      }
    }
    for (const [path, wanted] of objects) {
      if (textAt(wanted, "spec", "nodeName") !== edge.name) continue;
      if (wanted.kind !== "Pod" && wanted.kind !== "Device") continue;
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

function nothingAckedIsLost(environment: Environment, { objects, records }: ClusterState): string[] | "not judged" {
  if (!environment.capabilities.has("edge-stores")) return "not judged";
  const wrong: string[] = [];
  for (const edge of connectedEdges(environment)) {
    for (const [path, object] of objects) {
      const record = records.get(syncNameOf(edge.name, object.metadata.uid ?? ""));
      const acknowledged = textAt(record, "status", "objectResourceVersion");
      if (!isAcknowledgedVersion(acknowledged)) continue;
      const isElsewhere = (object.kind === "Pod" || object.kind === "Device") &&
        textAt(object, "spec", "nodeName") !== edge.name;
      if (!isElsewhere && edge.store.get(path) === undefined) {
        wrong.push(`${edge.name} acknowledged ${path} at ${acknowledged} and has lost it`);
      }
    }
  }
  return wrong;
}

function ackedIsStored(environment: Environment): string[] | "not judged" {
  return showsBothEnds(environment) ? ackedWithoutStoring([...environment.hops.since(0)]) ?? [] : "not judged";
}

function reportsInOrder(environment: Environment): string[] | "not judged" {
  if (!showsBothEnds(environment)) return "not judged";
  const hops = [...environment.hops.since(0)];
  const wasDisturbed = disturbedIn(hops);
  return deviceReportsIn(hops)?.flatMap((device) => storedTooLate(device, wasDisturbed)) ?? [];
}

/** Whether every message was seen, at edges and at cloudcore. */
function showsBothEnds({ capabilities, hops }: Environment): boolean {
  return hops.lost === 0 && capabilities.has("edge-messages") && capabilities.has("cloud-messages");
}

/**
 * Of several cloudcores one may have caches that are behind, as after it was frozen: an edge that comes to it is sent what was true a
 * while ago. Then versions never go backwards over one connection, and the edge is not left with an old one.
 */
function noVersionBackwards(environment: Environment): string[] | "not judged" {
  if (environment.hops.lost > 0 || !environment.capabilities.has("edge-messages")) return "not judged";
  const isSpread = environment.cloudcores > 1;
  const wrong: string[] = [];
  const newest = new Map<string, { readonly version: string; readonly connection: number }>();
  /** By edge and object: the newest version that one from another connection has taken the place of. */
  const replaced = new Map<string, string>();
  const connections = new Map<string, number>();
  const wasDisturbed = disturbedIn(environment.hops.since(0));
  for (const record of environment.hops.since(0)) {
    const { hop, node, operation, resource, version } = record;
    if (hop === "edge.connect") connections.set(node, (connections.get(node) ?? 0) + 1);
    if (hop !== "edge.store" || version === "" || wasDisturbed(record)) continue;
    const key = `${node} ${resource}`;
    const connection = connections.get(node) ?? 0;
    const before = newest.get(key);
    if (before !== undefined && isNewerVersion(before.version, version)) {
      if (!isSpread || before.connection === connection) {
        wrong.push(`${node} stored ${resource} at ${version} after ${before.version}`);
      } else if (!isNewerVersion(replaced.get(key), before.version)) replaced.set(key, before.version);
    }
    newest.set(key, { version, connection });
    if (operation === "delete" || !isNewerVersion(replaced.get(key), version)) replaced.delete(key);
  }
  for (const [key, version] of replaced) {
    const [node, resource = ""] = key.split(" ");
    wrong.push(`${node} is left with ${resource} at ${newest.get(key)?.version}, and had ${version} before`);
  }
  return wrong;
}

function deliveredToOwners(environment: Environment): string[] | "not judged" {
  if (environment.hops.lost > 0 || !environment.capabilities.has("edge-messages")) return "not judged";
  const wrong = new Set<string>();
  for (const record of environment.hops.since(0)) {
    if (record.hop !== "edge.read" || record.operation === "delete" || record.operation === "response") continue;
    if (!mirrored.has(record.resource.split("/")[1] ?? "") || record.source === modules.dynamiccontroller) continue;
    if (record.resource === wirePath(noNamespace, resourceTypes.node, record.node)) continue;
    const owners = environment.owners(record.resource);
    if (owners === undefined) return "not judged";
    if (!owners.has(record.node)) {
      wrong.add(
        `${record.node} got ${record.resource}, which was never bound to it, and no pod or device bound to it uses it`,
      );
    }
  }
  return [...wrong];
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
  { objects, reports, statuses }: ClusterState,
): string[] | "not judged" {
  if (environment.hops.lost > 0 || !environment.capabilities.has("edge-messages")) return "not judged";
  const wrong: string[] = [];
  for (const [, id, device] of devicesAtHome(environment, objects)) {
    const stored = new Map(
      listAt(statuses.get(id), "status", "twins").map((twin) => [
        textAt(twin, "propertyName"),
        textAt(twin, "reported", "value"),
      ]),
    );
    for (const property of listAt(device, "spec", "properties").map((each) => textAt(each, "name"))) {
      const value = reports.last.get(`${id}/${property}`);
      const found = stored.get(property) ?? "";
      if (value === undefined || reports.recent.get(`${id}/${property}`)?.has(found)) continue;
      wrong.push(`${id} has reported ${property} ${value}; the API has ${found === "" ? "nothing" : found}`);
    }
  }
  return wrong;
}

/** Reads on in the hops: what edges have written of twins. What a device reports without a connection is lost, as with edgecore. */
function readReports({ hops }: Environment, reports: Reports): void {
  const { last, position, recent } = reports;
  const isFirst = position === 0;
  for (const record of hops.since(position)) {
    const [, id] =
      record.hop === "edge.write" && /^device\/([^/]+\/[^/]+)\/twin\/edge_updated$/.exec(record.resource) || [];
    if (id === undefined) continue;
    const twins = at(jsonIn(contentOf(record)), "twin");
    for (const [property, twin] of Object.entries(typeof twins === "object" && twins !== null ? twins : {})) {
      const value = at(twin, "actual", "value");
      if (typeof value !== "string") continue;
      const key = `${id}/${property}`;
      last.set(key, value);
      // Of what was written before, the last value alone will do.
      recent.set(key, isFirst ? new Set([value]) : (recent.get(key) ?? new Set()).add(value));
    }
  }
  reports.position = hops.position;
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

function desiresArrived(environment: Environment, { objects }: ClusterState): string[] | "not judged" {
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

/** An object of a uid that an edge has deleted does not come to it again; devices may leave and come back. */
function deletedStay(environment: Environment): string[] | "not judged" {
  if (environment.hops.lost > 0 || !environment.capabilities.has("edge-messages")) return "not judged";
  const got = [...environment.hops.since(0)].filter(({ hop }) => hop === "edge.read");
  return deletedThatCameAgain(got, disturbedIn(environment.hops.since(0)));
}

/** Where a connection is replaced, or its session ends, its socket is closed, too. */
function connectionsHaveSessions(_: Environment, { metrics }: ClusterState): string[] | "not judged" {
  const { connections_without_session: stray } = metrics;
  if (stray === undefined) return "not judged";
  return stray === 0 ? [] : [`${stray} connections of edges are open at the hub, and belong to no session`];
}

function queuesDrained(_: Environment, { metrics }: ClusterState): string[] | "not judged" {
  if (Object.keys(metrics).length === 0) return "not judged";
  return Object.entries(metrics).filter(([name, value]) => /_(waiting|unacknowledged|depth)$/.test(name) && value > 0)
    .map(([name, value]) => `${name} is ${value}`);
}
