// One simulated edge: its parts wired together, and what a scenario may do to it.
import type { EdgeEra } from "./era/edge-era.ts";
import { type EdgeVersion, eraOf } from "./era/era.ts";
import type { BackoffOptions } from "../base/backoff/backoff.ts";
import type { Tap } from "../base/hop/hop.ts";
import { Link } from "../base/link/link.ts";
import type { Logger } from "../base/log/logger.ts";
import type { Random } from "../base/random/random.ts";
import type { Clock } from "../base/time/clock.ts";
import type { KubeObject } from "../protocol/apis/kube-object.ts";
import type { Message } from "../protocol/message/message.ts";
import { groups, resourceTypes } from "../protocol/message/names.ts";
import type { EdgeDevices } from "./device/devices.ts";
import { DeviceSide, type DeviceSideOptions } from "./device/device-side.ts";
import type { DeviceTwin } from "./devicetwin/devicetwin.ts";
import { EdgeHub } from "./edgehub/edgehub.ts";
import type { HubAddress, Transport } from "./edgehub/hub-address.ts";
import { EdgeNode, type NodeAgent } from "./edged/node.ts";
import { EdgeNodeV11 } from "./edged/node-v1.1.ts";
import { PodPatches, PodStatuses } from "./edged/pod-reports.ts";
import { sendPodEvent } from "./edged/pod-events.ts";
import { EdgePods } from "./edged/pods.ts";
import type { Stages } from "./edged/stages.ts";
import { EdgeVolumes } from "./edged/volumes.ts";
import type { EventBus } from "./eventbus/eventbus.ts";
import { MetaManager, type StoreChange } from "./metamanager/metamanager.ts";
import { EdgeStore } from "./metamanager/store.ts";
import type { StoreRows } from "./metamanager/store-file.ts";
import type { ServiceBus } from "./servicebus/servicebus.ts";
import type { EdgeTimings } from "./timings/timings.ts";

/** Told what becomes of an edge, by those who count or time it; each is called at the moment it happens. */
export interface EdgeWatch {
  /** It begins to enrol and dial, after a start. */
  started(edge: string): void;
  connected(edge: string): void;
  disconnected(edge: string): void;
  /** Its Node is there and its lease is about to be written: after a start, and after each lost connection. */
  registered(edge: string): void;
}

/** What an edge is and needs. */
export interface EdgeOptions extends DeviceSideOptions {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The address its Node and pods report. */
  readonly address: string;
  /** Pods the node takes. Default: 110, as a kubelet. */
  readonly pods?: number;
  readonly hub: HubAddress;
  /** Default: WebSocket. */
  readonly transport?: Transport;
  /** The version of KubeEdge it simulates. Default: v1.23. A Node of v1.1 must exist before its edge starts. */
  readonly version?: EdgeVersion;
  readonly timings: EdgeTimings;
  /** How long it waits before it dials again, after a lost connection and after a round in vain; as edgecore does by default. */
  readonly reconnect?: BackoffOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tap?: Tap;
  /** Milliseconds added to each message, and ± how much. */
  readonly link?: { readonly latency?: number; readonly jitter?: number };
  /** The stages of the pods that they select. */
  readonly stages?: Stages;
  readonly watch?: EdgeWatch;
  /** Where its store is kept, so that it outlives this process. Default: in memory alone. */
  readonly rows?: StoreRows;
}

/** An edge that comes and goes. */
export class Edge {
  readonly name: string;
  readonly link: Link;
  readonly store: EdgeStore;
  readonly hub: EdgeHub;
  readonly node: NodeAgent;
  readonly pods: EdgePods;
  readonly volumes: EdgeVolumes;
  /** What differs by the version of KubeEdge. */
  readonly era: EdgeEra;
  readonly #meta: MetaManager;
  readonly #devices: DeviceSide;
  readonly #logger: Logger;
  readonly #watch: EdgeWatch | undefined;
  #isRunning = false;
  /** The stop that is under way. */
  #stopping: Promise<void> | undefined;

  constructor(options: EdgeOptions) {
    const { name, address, clock, timings, tap } = options;
    const logger = options.logger.with({ edge: name, module: "edge" });
    this.#logger = logger;
    const random = options.random.stream(`edge/${name}`);
    this.name = name;
    this.#watch = options.watch;
    this.link = new Link(clock, random.stream("link"), options.link ?? {});
    this.hub = new EdgeHub({
      node: name,
      address: options.hub,
      transport: options.transport ?? "websocket",
      timings,
      reconnect: options.reconnect,
      clock,
      logger,
      link: this.link,
      random: random.stream("hub"),
      tap,
      receive: (message) => this.#receive(message),
      connected: () => this.#connected(),
      disconnected: () => {
        this.#devices.disconnected();
        this.node.disconnected();
        this.#watch?.disconnected(name);
      },
    });
    this.store = new EdgeStore(name, options.rows);
    const { hub, store } = this;
    const era = eraOf(options.version);
    this.era = era;
    const meta = new MetaManager({
      node: name,
      hub,
      store,
      clock,
      tap,
      era,
      changed: (change) => this.#changed(change),
    });
    this.#meta = meta;
    const identity = { name, labels: options.labels ?? {}, address, pods: options.pods ?? 110 };
    const ofNode = { identity, meta, timings, random: random.stream("node"), clock, logger };
    this.node = era.patchesObjects
      ? new EdgeNode({ ...ofNode, store, registered: () => this.#watch?.registered(name) })
      : new EdgeNodeV11(ofNode);
    this.pods = new EdgePods({
      node: name,
      address,
      reports: era.patchesObjects
        ? new PodPatches({ meta, store, clock })
        : new PodStatuses({ hub, store, timings, clock }),
      meta,
      store,
      timings,
      clock,
      logger,
      era,
      random,
      ...(options.stages === undefined ? {} : { stages: options.stages }),
      isConnected: () => hub.isConnected,
      tell: (pod, event) => era.writesEvents && sendPodEvent({ node: name, hub, clock }, pod, event),
    });
    this.volumes = new EdgeVolumes({ hub, clock });
    this.#devices = new DeviceSide({ ...options, era, hub, store, logger, random });
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Whether it is connected, and has registered its Node since it started: a kubelet registers once. */
  get isReady(): boolean {
    return this.hub.isConnected && this.node.isRegistered;
  }

  /** Its devices, for tests and scenarios that operate them. */
  get devices(): EdgeDevices {
    return this.#devices.devices;
  }

  get twin(): DeviceTwin {
    return this.#devices.twin;
  }

  /** EventBus, where the edge has one. */
  get bus(): EventBus | undefined {
    return this.#devices.bus;
  }

  get serviceBus(): ServiceBus | undefined {
    return this.#devices.serviceBus;
  }

  /** Settles when mappers can attach, after the last `start`; rejects with BrokerError or DmiError where they never will. */
  get opened(): Promise<void> {
    return this.#devices.opened;
  }

  /** Where mappers and applications can attach. */
  get endpoints(): readonly string[] {
    return this.#devices.endpoints;
  }

  /** Starts or starts again, with what its store holds; after a stop that is under way. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    if (this.#stopping === undefined) return this.#begin();
    void this.#stopping.then(() => this.#isRunning && this.#begin());
  }

  #begin(): void {
    this.#watch?.started(this.name);
    this.#devices.start();
    this.pods.start();
    this.hub.start();
  }

  /**
   * Stops without a message to the cloud, or with `farewell` as edgecore on SIGTERM. The store stays unless `forget`: then the
   * edge comes back as after a new disk.
   */
  async stop(options: { readonly forget?: boolean; readonly farewell?: boolean } = {}): Promise<void> {
    if (this.#isRunning) {
      this.#isRunning = false;
      const stopping = (this.#stopping ?? Promise.resolve()).then(() => this.#end(options.farewell === true));
      this.#stopping = stopping.finally(() => {
        this.#stopping = undefined;
      });
    }
    await this.#stopping;
    if (options.forget) this.store.clear();
  }

  async #end(isFarewell: boolean): Promise<void> {
    if (isFarewell) await this.hub.farewell();
    this.node.stop();
    await this.hub.stop();
    this.pods.stop();
    await this.#devices.stop();
  }

  #connected(): void {
    this.#logger.debug("connected to the cloud");
    this.#watch?.connected(this.name);
    this.#devices.connected();
    this.node.connected();
    this.pods.connected();
  }

  /** Asks the cloud for an object by its path, such as `default/configmap/app`, and stores it. Rejects with CloudError or DisconnectedError. */
  async query(path: string): Promise<KubeObject> {
    return await this.#meta.query(path);
  }

  /** Dispatches a message that is no answer to DeviceTwin or MetaManager, by its group. */
  #receive(message: Message): void {
    switch (message.route.group) {
      case groups.resource:
        return EdgeVolumes.takes(message) ? this.volumes.receive(message) : this.#meta.receive(message);
      case groups.twin:
        return this.twin.receive(message);
      case groups.user:
        return this.#devices.receiveForApplications(message);
      default:
        this.#logger.debug("a message of an unknown group was dropped", { group: message.route.group });
    }
  }

  /** The cloud has changed the store: the modules that depend on it are notified. */
  #changed(change: StoreChange): void {
    const { object, operation, type } = change;
    switch (type) {
      case resourceTypes.pod:
        return operation === "put" ? this.pods.put(object) : this.pods.delete(object);
      case resourceTypes.configmap:
      case resourceTypes.secret:
        return this.pods.wake();
      default:
        return this.#devices.changed(change);
    }
  }
}
