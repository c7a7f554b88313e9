// Wires the modules of an edge that deal with devices, mappers and applications: DeviceTwin, DMI, EventBus, ServiceBus.
import { hopOf } from "../../protocol/message/hops.ts";
import type { Tap } from "../../base/hop/hop.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import { type Device, deviceIdOf } from "../../protocol/apis/device.ts";
import type { Message } from "../../protocol/message/message.ts";
import { modules, resourceTypes, routerSources } from "../../protocol/message/names.ts";
import type { DeviceBehaviour, Report } from "./device.ts";
import { EdgeDevices } from "./devices.ts";
import { SimulatedMapper } from "./mapper.ts";
import type { SocketMapper } from "./socket-mapper.ts";
import { DeviceTwin } from "../devicetwin/devicetwin.ts";
import type { EdgeEra } from "../era/edge-era.ts";
import { type DeviceManager, Dmi } from "../dmi/dmi.ts";
import type { DmiServer } from "../dmi/server.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import { EventBus, type MqttSettings } from "../eventbus/eventbus.ts";
import type { StoreChange } from "../metamanager/metamanager.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import { ServiceBus } from "../servicebus/servicebus.ts";
import type { EdgeTimings } from "../timings/timings.ts";

/**
 * Which mapper operates an edge's devices: a simulated one in this process (`inside`), a simulated one that registers on the DMI
 * socket as any other would (`socket`), a simulated one that acts only on command (`passive`), or an external one (`none`).
 */
export type MapperKind = "inside" | "socket" | "passive" | "none";

/** Options of an edge's devices. */
export interface DeviceSideOptions {
  /** Which mapper has its devices. Default: `inside`. */
  readonly mapper?: MapperKind;
  /** By the name of a model: how its devices behave. Devices of v1.1 have no mapper and act only on command. */
  readonly behaviours?: Readonly<Record<string, DeviceBehaviour>>;
  /** Path of its DMI socket, and the protocols that a simulated mapper registers for there. Default: no socket. */
  readonly dmi?: { readonly socket: string; readonly protocols: readonly string[] };
  /** Its MQTT brokers, where mappers can attach. Default: none. */
  readonly mqtt?: MqttSettings;
  /** ServiceBus and where it listens. Default: none. */
  readonly serviceBus?: { readonly host: string; readonly port: number };
}

/** Injected dependencies. */
export interface DeviceSideDeps extends DeviceSideOptions {
  readonly name: string;
  readonly era: EdgeEra;
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tap?: Tap;
}

export class DeviceSide {
  readonly twin: DeviceTwin;
  readonly devices: EdgeDevices;
  readonly bus: EventBus | undefined;
  readonly serviceBus: ServiceBus | undefined;
  readonly #deps: DeviceSideDeps;
  readonly #era: EdgeEra;
  readonly #kind: MapperKind;
  readonly #mapper: SimulatedMapper;
  readonly #dmi: Dmi;
  #server: DmiServer | undefined;
  #socketMapper: SocketMapper | undefined;
  #opened: Promise<void> = Promise.resolve();

  constructor(deps: DeviceSideDeps) {
    const { behaviours = {}, clock, logger, mapper: kind = "inside", mqtt, name, serviceBus, store, timings } = deps;
    this.#deps = deps;
    this.#kind = kind;
    const { era } = deps;
    this.#era = era;
    const mapper = new SimulatedMapper({
      clock,
      random: deps.random,
      millisecond: timings.deviceMillisecond,
      behaviours,
      isActive: kind !== "passive",
      report: (id, report) => this.#publish(id, report),
      state: (id, state) =>
        era.hasDmi ? this.#manager.reportDeviceStates(...splitId(id), state) : this.twin.takeState(id, state),
      onApplied: (id, property, value) => this.#onApplied(id, property, value),
    });
    this.#mapper = mapper;
    const around = { ...deps, node: name };
    this.bus = mqtt &&
      new EventBus({ ...around, mqtt, onPublish: (topic, payload) => this.twin.onPublish(topic, payload) });
    this.serviceBus = serviceBus && new ServiceBus({ ...around, listen: serviceBus });
    const { bus } = this;
    this.twin = new DeviceTwin({
      ...around,
      publish: bus && ((topic, payload) => bus.publish(topic, payload)),
      onDelete: (id) => era.hasDmi || mapper.remove(id),
      onDesired: (id, expected) => era.hasDmi || mapper.want(id, expected),
    });
    this.#dmi = new Dmi({
      store,
      logger,
      onReport: (id, twin) => this.twin.reported(id, twin),
      onState: (id, state) => this.twin.takeState(id, state),
      simulated: kind === "inside" || kind === "passive" ? mapper : undefined,
    });
    this.devices = new EdgeDevices(this.twin, mapper, era);
  }

  /** Settles when mappers can attach, after the last `start`; rejects with BrokerError or DmiError where they never will. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Where mappers and applications can attach. */
  get endpoints(): readonly string[] {
    return [...this.bus?.urls ?? [], ...(this.#server === undefined ? [] : [`unix:${this.#server.socket}`])];
  }

  start(): void {
    this.bus?.start();
    this.serviceBus?.start();
    this.twin.start();
    this.#dmi.start();
    this.#opened = this.#open();
    this.#opened.catch(() => {});
  }

  async stop(): Promise<void> {
    await this.bus?.stop();
    await this.serviceBus?.stop();
    await this.#opened.catch(() => {});
    await this.#socketMapper?.stop();
    await this.#server?.stop();
    this.#mapper.stop();
    this.#dmi.stop();
    this.twin.stop();
  }

  connected(): void {
    this.bus?.connected(true);
    this.twin.connected();
    this.#mapper.repeat();
  }

  disconnected(): void {
    this.bus?.connected(false);
  }

  async #open(): Promise<void> {
    await this.bus?.opened;
    const { dmi } = this.#deps;
    if (dmi === undefined) return;
    // gRPC takes a while to load: only for edges with a DMI socket.
    const { DmiServer } = await import("../dmi/server.ts");
    this.#server ??= new DmiServer({ ...this.#deps, ...dmi, dmi: this.#dmi });
    await this.#server.start();
    if (this.#kind !== "socket") return;
    const { SocketMapper } = await import("./socket-mapper.ts");
    this.#socketMapper ??= new SocketMapper({ ...this.#deps, ...dmi, mapper: this.#mapper });
    await this.#socketMapper.start();
  }

  /** A message of group `user`. In v1.1 everything but REST calls of the router goes to MQTT. */
  receiveForApplications(message: Message): void {
    // Answers have reached their callers already.
    if (message.header.parent_msg_id !== undefined) return;
    switch (message.route.source) {
      case routerSources.servicebus:
      case routerSources.rest:
        return this.serviceBus?.receive(message);
      case routerSources.eventbus:
        return this.bus?.receive(message);
      default:
        if (!this.#era.hasServiceServer) return this.bus?.receive(message);
    }
  }

  /** A device or a model was stored or deleted. Only DeviceController's are sent to mappers, not SyncController's copies. */
  changed({ object, operation, source, type }: StoreChange): void {
    if (source !== modules.devicecontroller) return;
    if (type === resourceTypes.devicemodel) {
      return operation === "put" ? this.#dmi.putModel(object) : this.#dmi.deleteModel(object);
    }
    if (type !== resourceTypes.device) return;
    const id = deviceIdOf(object);
    if (operation === "put") {
      this.twin.join({ id, name: object.metadata.name });
      this.#dmi.putDevice(object as Device);
    } else {
      this.#dmi.deleteDevice(object);
      this.twin.leave(id);
    }
  }

  /** The receiver of a simulated mapper's reports. */
  get #manager(): DeviceManager {
    return this.#socketMapper ?? this.#dmi;
  }

  /** A simulated device reports: by DMI where its mapper is active, else as an application would by MQTT. */
  #publish(id: string, report: Report): string | undefined {
    this.#tapAt("device.report", id, report.property, report.value);
    const refused = this.#handOn(id, report);
    if (refused !== undefined) this.#tapAt("twin.drop", id, report.property, refused);
    return refused;
  }

  #handOn(id: string, { desired = "", property, type, value }: Report): string | undefined {
    if (this.#kind !== "passive" && this.#era.hasDmi) {
      const twins = [{ property, observedDesired: desired, reported: value }];
      return this.#manager.reportDeviceStatus(...splitId(id), twins);
    }
    const metadata = this.#era.hasDmi ? { metadata: { type } } : {};
    return this.twin.reported(id, { [property]: { actual: { value }, ...metadata } });
  }

  #onApplied(id: string, property: string, outcome: string): void {
    this.#tapAt("device.apply", id, property, outcome);
    // A device of v1.1 does not report by itself.
    if (!this.#era.hasDmi) this.#mapper.get(id)?.set(property, outcome);
  }

  #tapAt(hop: "device.apply" | "device.report" | "twin.drop", id: string, property: string, outcome: string): void {
    const { clock, name: node, tap } = this.#deps;
    const operation = hop === "device.apply" ? "apply" : "report";
    const about = { header: { msg_id: "" }, route: { operation, resource: `device/${id}/${property}` } };
    const direction = hop === "device.apply" ? "down" : "up";
    tap?.on?.(hopOf(about, { time: clock.now(), hop, direction, node, outcome }));
  }
}

function splitId(id: string): [namespace: string, name: string] {
  const slash = id.indexOf("/");
  return [id.slice(0, slash), id.slice(slash + 1)];
}
