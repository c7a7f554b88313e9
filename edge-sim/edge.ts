// One simulated edge: its parts wired together, and what a scenario may do to it.
import { Link } from "../base/link/link.ts";
import type { BackoffOptions } from "../base/backoff/backoff.ts";
import type { Logger } from "../base/log/logger.ts";
import type { Random } from "../base/random/random.ts";
import type { Clock } from "../base/time/clock.ts";
import type { Device } from "../protocol/apis/device.ts";
import type { KubeObject } from "../protocol/apis/kube-object.ts";
import type { Message } from "../protocol/message/message.ts";
import { groups, modules, resourceTypes, routerSources } from "../protocol/message/names.ts";
import { hopOf, type Tap } from "../base/hop/hop.ts";
import type { DeviceBehaviour, Report } from "./device/device.ts";
import { EdgeDevices } from "./device/devices.ts";
import { SimulatedMapper } from "./device/mapper.ts";
import { DeviceTwin } from "./devicetwin/devicetwin.ts";
import { today, v11 } from "./devicetwin/eras.ts";
import { type DeviceManager, Dmi } from "./dmi/dmi.ts";
import type { DmiDoor } from "./dmi/door.ts";
import type { SocketMapper } from "./device/socket-mapper.ts";
import { EventBus, type MqttSettings } from "./eventbus/eventbus.ts";
import { ServiceBus } from "./servicebus/servicebus.ts";
import { EdgeHub, type HubAddress, type Transport } from "./edgehub/edgehub.ts";
import { EdgeNode, type NodeAgent } from "./edged/node.ts";
import { EdgeNodeV11 } from "./edged/node-v1.1.ts";
import { PodPatches, PodStatuses } from "./edged/pod-reports.ts";
import { EdgePods } from "./edged/pods.ts";
import type { Stages } from "./edged/stages.ts";
import { EdgeVolumes } from "./edged/volumes.ts";
import { MetaManager, type StoreChange } from "./metamanager/metamanager.ts";
import { EdgeStore } from "./metamanager/store.ts";
import type { StoreRows } from "./metamanager/store-file.ts";
import type { EdgeTimings } from "./timings.ts";

/** What an edge is and needs. */
export interface EdgeOptions {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The address its Node and pods report. */
  readonly address: string;
  /** Pods the node takes; 110 where nothing is said, as a kubelet. */
  readonly pods?: number;
  readonly hub: HubAddress;
  /** WebSocket where nothing is said. */
  readonly transport?: Transport;
  /** The KubeEdge it speaks; v1.23 where nothing is said. A Node of v1.1 must be there before its edge. */
  readonly version?: EdgeVersion;
  readonly timings: EdgeTimings;
  /** How long it waits before it dials again, after a lost connection and after a round in vain; edgecore's way where nothing is said. */
  readonly reconnect?: BackoffOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tap?: Tap;
  /** Milliseconds added to each message, and ± how much. */
  readonly link?: { readonly latency?: number; readonly jitter?: number };
  /** Who has its devices; `inside` where nothing is said. */
  readonly mapper?: MapperKind;
  /** Path of its DMI socket, and the protocols that a simulated mapper registers for there; no socket where nothing is said. */
  readonly dmi?: { readonly socket: string; readonly protocols: readonly string[] };
  /** By the name of a model: how its devices behave. Those of v1.1 have no mapper and do what they are made to. */
  readonly behaviours?: Readonly<Record<string, DeviceBehaviour>>;
  /** What pods live by that these are for. */
  readonly stages?: Stages;
  /** Where its store is kept, so that it outlives this process; in memory alone where nothing is said. */
  readonly rows?: StoreRows;
  /** Its MQTT brokers, where mappers can attach; none where nothing is said. */
  readonly mqtt?: MqttSettings;
  /** ServiceBus and where its own door is; none where nothing is said. */
  readonly serviceBus?: { readonly host: string; readonly port: number };
}

/**
 * Whose an edge's devices are: a simulated mapper's in this process (`inside`), or one's that comes by the DMI socket as any
 * other would (`socket`), or simulated ones that only do what they are made to (`passive`), or nobody's until a mapper of
 * somebody's attaches (`none`).
 */
export type MapperKind = "inside" | "socket" | "passive" | "none";

/** Versions of KubeEdge that edges can speak. */
export type EdgeVersion = "v1.1" | "v1.23";

export class Edge {
  readonly name: string;
  readonly link: Link;
  readonly store: EdgeStore;
  readonly hub: EdgeHub;
  readonly node: NodeAgent;
  readonly pods: EdgePods;
  readonly twin: DeviceTwin;
  readonly devices: EdgeDevices;
  readonly volumes: EdgeVolumes;
  /** EventBus, where the edge has one. */
  readonly bus: EventBus | undefined;
  readonly serviceBus: ServiceBus | undefined;
  readonly #makeDoor: (() => Promise<void>) | undefined;
  #door: DmiDoor | undefined;
  #socketMapper: SocketMapper | undefined;
  #opened: Promise<void> = Promise.resolve();
  /** Whether it speaks KubeEdge v1.1. */
  readonly isV11: boolean;
  readonly #meta: MetaManager;
  readonly #mapper: SimulatedMapper;
  readonly #dmi: Dmi;
  readonly #logger: Logger;
  #isRunning = false;

  constructor(options: EdgeOptions) {
    const { name, address, clock, timings, tap } = options;
    const logger = options.logger.with({ edge: name });
    this.#logger = logger;
    const random = options.random.stream(`edge/${name}`);
    this.name = name;
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
        this.bus?.connected(false);
        this.node.disconnected();
      },
    });
    this.store = new EdgeStore(name, options.rows);
    const { hub, store } = this;
    const isV11 = options.version === "v1.1";
    this.isV11 = isV11;
    const meta = new MetaManager({
      node: name,
      hub,
      store,
      clock,
      tap,
      isV11,
      changed: (change) => this.#changed(change),
    });
    this.#meta = meta;
    const identity = { name, labels: options.labels ?? {}, address, pods: options.pods ?? 110 };
    this.node = isV11
      ? new EdgeNodeV11({ identity, meta, timings, clock, logger })
      : new EdgeNode({ identity, meta, store, timings, clock, logger });
    this.pods = new EdgePods({
      node: name,
      address,
      reports: isV11 ? new PodStatuses({ hub, store, timings, clock }) : new PodPatches({ meta, store, clock }),
      meta,
      store,
      timings,
      clock,
      logger,
      isV11,
      random,
      ...(options.stages === undefined ? {} : { stages: options.stages }),
      isConnected: () => hub.isConnected,
    });
    this.volumes = new EdgeVolumes({ hub, clock });
    const { behaviours = {}, mapper: kind = "inside" } = options;
    const era = isV11 ? v11 : today;
    const mapper = new SimulatedMapper({
      clock,
      random,
      millisecond: timings.deviceMillisecond,
      behaviours,
      isActive: kind !== "passive",
      report: (id, report) => this.#said(id, report, kind),
      state: (id, state) =>
        isV11 ? this.twin.stated(id, state) : this.#managerOf(kind).reportDeviceStates(...splitId(id), state),
      applied: (id, property, value) => {
        const about = { header: { msg_id: "" }, route: { operation: "apply", resource: `device/${id}/${property}` } };
        tap?.(hopOf(about, { time: clock.now(), hop: "device.apply", direction: "down", node: name, outcome: value }));
        // A device of v1.1 has no cycles in which it would say so.
        if (isV11) mapper.get(id)?.set(property, value);
      },
    });
    this.#mapper = mapper;
    const { mqtt, serviceBus } = options;
    const around = { node: name, era, isV11, hub, store, clock, logger };
    const bus = mqtt &&
      new EventBus({ ...around, mqtt, heard: (topic, payload) => this.twin.heard(topic, payload) });
    this.bus = bus;
    this.serviceBus = serviceBus && new ServiceBus({ ...around, listen: serviceBus });
    this.twin = new DeviceTwin({
      node: name,
      era,
      hub,
      store,
      timings,
      clock,
      publish: bus && ((topic, payload) => bus.publish(topic, payload)),
      left: (id) => isV11 && mapper.remove(id),
      wanted: (id, expected) => isV11 && mapper.want(id, expected),
    });
    this.#dmi = new Dmi({
      store,
      logger,
      reported: (id, twin) => this.twin.reported(id, twin),
      stated: (id, state) => this.twin.stated(id, state),
      simulated: kind === "inside" || kind === "passive" ? mapper : undefined,
    });
    const { dmi } = options;
    this.#makeDoor = dmi && (async () => {
      // gRPC takes a while to load: only for edges that have such a door.
      const { DmiDoor } = await import("./dmi/door.ts");
      this.#door = new DmiDoor({ socket: dmi.socket, dmi: this.#dmi, store, timings, clock, logger });
      if (kind !== "socket") return;
      const { SocketMapper } = await import("./device/socket-mapper.ts");
      this.#socketMapper = new SocketMapper({ mapper, ...dmi, logger });
    });
    this.devices = new EdgeDevices(this.twin, mapper, era);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Whether it is connected, and has registered its Node since it started: a kubelet says so once. */
  get isReady(): boolean {
    return this.hub.isConnected && this.node.isRegistered;
  }

  /** Settles when mappers can attach, after the last `start`; rejects with BrokerError or DmiError where they never will. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Where mappers and applications can attach. */
  get doors(): readonly string[] {
    return [
      ...(this.bus?.urls ?? []),
      ...(this.#door === undefined ? [] : [`unix:${this.#door.socket}`]),
    ];
  }

  async #open(): Promise<void> {
    await this.bus?.opened;
    if (this.#door === undefined) await this.#makeDoor?.();
    await this.#door?.start();
    await this.#socketMapper?.start();
  }

  /** Starts or starts again, with what its store holds. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.bus?.start();
    this.serviceBus?.start();
    this.twin.start();
    this.#dmi.start();
    this.#opened = this.#open();
    this.#opened.catch(() => {});
    this.pods.start();
    this.hub.start();
  }

  /**
   * Stops without a word to the cloud, or with `farewell` as edgecore on SIGTERM. The store stays unless `forget`: then the
   * edge comes back as after a new disk.
   */
  async stop(options: { readonly forget?: boolean; readonly farewell?: boolean } = {}): Promise<void> {
    if (this.#isRunning) {
      this.#isRunning = false;
      if (options.farewell) await this.hub.farewell();
      this.node.stop();
      await this.hub.stop();
      await this.bus?.stop();
      await this.serviceBus?.stop();
      await this.#opened.catch(() => {});
      await this.#socketMapper?.stop();
      await this.#door?.stop();
      this.pods.stop();
      this.#mapper.stop();
      this.#dmi.stop();
      this.twin.stop();
    }
    if (options.forget) this.store.clear();
  }

  #connected(): void {
    this.#logger.debug("connected to the cloud");
    this.bus?.connected(true);
    this.twin.connected();
    this.#mapper.repeat();
    this.node.connected();
    this.pods.connected();
  }

  /** What is no answer goes to the twin or to the store, by its group. */
  #receive(message: Message): void {
    switch (message.route.group) {
      case groups.resource:
        return EdgeVolumes.takes(message) ? this.volumes.receive(message) : this.#meta.receive(message);
      case groups.twin:
        return this.twin.receive(message);
      case groups.user:
        return this.#receiveForApplications(message);
      default:
        this.#logger.debug("a message of an unknown group was dropped", { group: message.route.group });
    }
  }

  /** With v1.1 all that isn't the router's REST goes to the MQTT side. */
  #receiveForApplications(message: Message): void {
    switch (message.route.source) {
      case routerSources.servicebus:
      case routerSources.rest:
        return this.serviceBus?.receive(message);
      case routerSources.eventbus:
        return this.bus?.receive(message);
      default:
        if (this.isV11) return this.bus?.receive(message);
    }
  }

  /** The store has changed by the cloud's will: whoever lives on it is told. */
  #changed({ operation, type, object, source }: StoreChange): void {
    // What comes from others, as SyncController's copies do from EdgeController, is stored; no mapper hears of it.
    const isForMappers = source === modules.devicecontroller;
    switch (type) {
      case resourceTypes.pod:
        return operation === "put" ? this.pods.put(object) : this.pods.delete(object);
      case resourceTypes.device:
        if (!isForMappers) return;
        return operation === "put" ? this.#putDevice(object as Device) : this.#deleteDevice(object);
      case resourceTypes.configmap:
      case resourceTypes.secret:
        return this.pods.wake();
      case resourceTypes.devicemodel:
        if (!isForMappers) return;
        return operation === "put" ? this.#dmi.putModel(object) : this.#dmi.deleteModel(object);
    }
  }

  #putDevice(device: Device): void {
    const { name, namespace = "default" } = device.metadata;
    this.twin.join({ id: `${namespace}/${name}`, name });
    this.#dmi.putDevice(device);
  }

  #deleteDevice(device: KubeObject): void {
    const { name, namespace = "default" } = device.metadata;
    this.#dmi.deleteDevice(device);
    this.twin.leave(`${namespace}/${name}`);
  }

  /** Whom a simulated mapper reports to. */
  #managerOf(kind: MapperKind): DeviceManager {
    return kind === "socket" ? this.#socketMapper ?? this.#dmi : this.#dmi;
  }

  /** A simulated device speaks: by DMI where its mapper is at work, else as somebody would by MQTT. */
  #said(id: string, { desired = "", property, type, value }: Report, kind: MapperKind): string | undefined {
    if (kind !== "passive" && !this.isV11) {
      const twins = [{ property, observedDesired: desired, reported: value }];
      return this.#managerOf(kind).reportDeviceStatus(...splitId(id), twins);
    }
    const metadata = this.isV11 ? {} : { metadata: { type } };
    return this.twin.reported(id, { [property]: { actual: { value }, ...metadata } });
  }
}

function splitId(id: string): [namespace: string, name: string] {
  const slash = id.indexOf("/");
  return [id.slice(0, slash), id.slice(slash + 1)];
}
