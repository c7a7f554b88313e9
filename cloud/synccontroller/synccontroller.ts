// SyncController: compares what each connected node has acknowledged with the API's objects, and sends the difference.
import { setImmediate as othersTurn } from "node:timers/promises";
import { retried } from "../../base/backoff/retry.ts";
import { Gate } from "../../base/queue/gate.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import { asTyped } from "../../protocol/apis/device.ts";
import { isNewerVersion, type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { newMessage } from "../../protocol/message/message.ts";
import { groups, modules, operations } from "../../protocol/message/names.ts";
import { nodeOf, nodePath, noNamespace } from "../../protocol/resource/path.ts";
import type { Bus, BusMessage } from "../beehive/bus.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import type { Caches } from "../kube/caches.ts";
import { hasCode } from "../kube/client.ts";
import { Leader, type LeaderTimings } from "../kube/leader.ts";
import type { Eras } from "../nodes/eras.ts";
import type { Informer } from "../kube/informer.ts";
import { knownResource, resources } from "../kube/resource.ts";
import { ModelUse } from "./model-use.ts";
import type { Held, SyncIndex } from "../nodes/sync-index.ts";

/** Injected dependencies. `interval` is milliseconds between two looks at all connected nodes (KubeEdge: 5 s). */
export interface SyncControllerDeps {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly eras: Eras;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly interval: number;
  readonly leader: LeaderTimings;
  readonly strictGo: CloudCoreConfig["strictGo"];
}

/** Device kinds are sent as DeviceController sends them, so that the edge's twin and mapper get them. */
const deviceKinds: ReadonlySet<string> = new Set(["Device", "DeviceModel"]);

/** Nodes that are looked at before others have their turn. */
const NODES_AT_ONCE = 100;

/** Records that are removed at the same time. */
const REMOVED_AT_ONCE = 16;

/** KubeEdge tries five times, from a second on. */
const REMOVAL_WAITS_MS = [1000, 2000, 4000, 8000];

export class SyncController implements Module {
  readonly name = modules.synccontroller;
  readonly #deps: SyncControllerDeps;
  readonly #connected = new Set<string>();
  /** By `apiVersion/kind`; undefined while it is being found out what that is. */
  readonly #informers: Map<string, Informer | undefined>;
  readonly #stopped = new AbortController();
  readonly #models: ModelUse;
  /** Names of records that are being removed: no node's turn waits for the API. */
  readonly #removing = new Set<string>();
  readonly #removals = new Gate(REMOVED_AT_ONCE, Infinity);
  #isSyncing = false;
  /** Of several cloudcores one removes the records of Nodes that are gone. */
  readonly #leader: Leader;
  #timer: Timer | undefined;

  constructor(deps: SyncControllerDeps) {
    this.#deps = deps;
    this.#models = new ModelUse(deps.caches);
    const kinds = [
      resources.pods,
      resources.configmaps,
      resources.secrets,
      resources.nodes,
      resources.devices,
      resources.devicemodels,
    ];
    this.#leader = new Leader({
      client: deps.caches.client,
      clock: deps.clock,
      logger: deps.logger,
      namespace: "kubeedge",
      name: "skep-cloudcore",
      timings: deps.leader,
      elected: () => this.#collectGone(),
    });
    this.#informers = new Map(
      kinds.map((resource) => [`${resource.apiVersion}/${resource.kind}`, deps.caches.of(resource)]),
    );
  }

  start(): Promise<void> {
    const { caches, clock, interval } = this.#deps;
    caches.of(resources.nodes).subscribe((event) => {
      if (event.type === "deleted" && this.#leader.isLeader) this.#collect(event.object.metadata.name);
    });
    this.#leader.start();
    this.#timer = every(clock, interval, () => void this.#syncAll());
    return Promise.resolve();
  }

  async receive(message: BusMessage): Promise<void> {
    const node = nodeOf(message.route.resource ?? "");
    if (message.route.operation === operations.disconnected) this.#connected.delete(node);
    if (message.route.operation !== operations.connected) return;
    this.#connected.add(node);
    if (!this.#deps.strictGo.has("sync-on-connect")) await this.#sync(node);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#timer?.cancel();
    await this.#leader.stop();
  }

  /** What was to be removed while nobody, or another, led. */
  #collectGone(): void {
    const { caches, index } = this.#deps;
    const nodes = caches.of(resources.nodes);
    for (const node of index.nodes()) if (nodes.get("", node) === undefined) this.#collect(node);
  }

  async #syncAll(): Promise<void> {
    // Where one pass takes longer than the interval, the next one waits for it.
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    try {
      let count = 0;
      for (const node of [...this.#connected]) {
        if (++count % NODES_AT_ONCE === 0) await othersTurn();
        if (this.#stopped.signal.aborted) return;
        await this.#sync(node);
      }
    } finally {
      this.#isSyncing = false;
    }
  }

  async #sync(node: string): Promise<void> {
    // Records from before the node was relabelled to v1.1 do not apply to it: nodes of v1.1 have no records.
    if (this.#deps.eras.isV11(node)) return this.#collect(node);
    for (const held of this.#deps.index.of(node)) {
      const informer = this.#informerOf(held);
      if (informer?.isSynced !== true) continue;
      const object = informer.get(held.namespace, held.name);
      if (object !== undefined && object.metadata.uid !== held.uid && goesByName(object, node)) {
        // Another object has the name now: the edge's store goes by name, and deleting the old one would take the new one. The
        // old record goes only when there is one for the new object: if cloudcore ended in between, the edge would be forgotten.
        if (this.#deps.index.holds(node, object.metadata.uid ?? "")) this.#remove(held);
        else await this.#send(node, held, operations.update, object);
        continue;
      }
      const isDeleted = object === undefined || object.metadata.uid !== held.uid || isElsewhere(object, node) ||
        this.#isUnusedModel(object, node);
      if (isDeleted) await this.#send(node, held, operations.delete, stubOf(held));
      else if (isNewerVersion(object.metadata.resourceVersion, held.version)) {
        await this.#send(node, held, operations.update, object);
      }
    }
  }

  /** A model is deleted with the last of its devices; where that deletion was not recorded, it is sent again. */
  #isUnusedModel(object: KubeObject, node: string): boolean {
    return object.kind === "DeviceModel" && !this.#models.has(node, object);
  }

  /**
   * The cache of a kind. Edges may hold kinds that no controller here follows, such as volumes they asked for: these are
   * followed from the first record on. A kind the API doesn't serve, or not to us, is left alone.
   */
  #informerOf({ apiVersion, kind }: Held): Informer | undefined {
    const key = `${apiVersion}/${kind}`;
    if (this.#informers.has(key)) return this.#informers.get(key);
    const { caches, logger } = this.#deps;
    this.#informers.set(key, undefined);
    caches.client.resourceOf({ apiVersion, kind }).then(
      (resource) => this.#informers.set(key, caches.of(resource)),
      (error) => {
        this.#informers.delete(key);
        logger.debug("what edges hold of a kind can't be followed", { apiVersion, kind, error: reasonOf(error) });
      },
    );
    return undefined;
  }

  async #send(node: string, held: Held, operation: string, object: KubeObject): Promise<void> {
    const { bus, clock, strictGo } = this.#deps;
    const version = operation === operations.delete ? {} : { version: object.metadata.resourceVersion ?? "" };
    const isDevice = deviceKinds.has(held.kind) && !strictGo.has("device-source");
    await bus.send(
      modules.cloudhub,
      newMessage(clock.now(), {
        source: isDevice ? modules.devicecontroller : modules.edgecontroller,
        group: groups.resource,
        operation,
        resource: nodePath(node, held.namespace || noNamespace, held.kind.toLowerCase(), held.name),
        content: held.kind === "Device" ? asTyped(object) : object,
        ...version,
      }),
    );
  }

  /** Removes the records of a node that is no longer there, or is of v1.1 now. */
  #collect(node: string): void {
    const { caches, eras, index } = this.#deps;
    const nodes = caches.of(resources.nodes);
    // A node that has come back meanwhile has records of the same names.
    const isStillRight = () => eras.isV11(node) || nodes.get("", node) === undefined;
    for (const held of index.of(node)) this.#remove(held, isStillRight);
  }

  /** Removes a record, unless that is not right any more when its turn comes. */
  #remove(held: Held, isStillRight: () => boolean = () => true): void {
    const { name } = held.record.metadata;
    if (this.#removing.has(name)) return;
    this.#removing.add(name);
    const remove = async () => {
      await this.#removals.room();
      await this.#removals.run(() => this.#removeRecord(held, isStillRight));
    };
    void remove().finally(() => this.#removing.delete(name));
  }

  async #removeRecord({ namespace, node, record }: Held, isStillRight: () => boolean): Promise<void> {
    const { client } = this.#deps.caches;
    const { name } = record.metadata;
    const resource = knownResource(record) ?? resources.objectsyncs;
    const remove = async () => {
      if (this.#stopped.signal.aborted || !isStillRight()) return;
      await client.delete({ resource, namespace, name }, { gracePeriodSeconds: 0 }).catch((error) => {
        if (!hasCode(error, 404)) throw error;
      });
    };
    try {
      await retried(this.#deps.clock, REMOVAL_WAITS_MS, this.#stopped.signal, remove);
    } catch {
      if (this.#stopped.signal.aborted) return;
      this.#deps.logger.warn("could not remove an obsolete sync record; the next resync tries again", {
        node,
        record: name,
      });
    }
  }
}

/** Edges know pods by their uid; everything else, if it is still theirs, by its name. */
function goesByName(object: KubeObject, node: string): boolean {
  return object.kind !== "Pod" && !isElsewhere(object, node);
}

/** Pods and devices belong to one node; what has moved on is taken from the node it was on. */
function isElsewhere(object: KubeObject, node: string): boolean {
  if (object.kind !== "Pod" && object.kind !== "Device") return false;
  return textAt(object, "spec", "nodeName") !== node;
}

/** Names a deleted object to the edge: KubeEdge sends the same stub, without kind. */
function stubOf({ namespace, name, uid }: Held): KubeObject {
  return { metadata: { name, ...(namespace === "" ? {} : { namespace }), uid } };
}
