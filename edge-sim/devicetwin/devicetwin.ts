// DeviceTwin: which devices the node has, their twins and versions, and their reports to the cloud.
import { secondsOf } from "../../protocol/apis/time.ts";
import { randomUUID } from "node:crypto";
import { hopOf, type Tap } from "../../base/hop/hop.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import type { Device, DeviceModel } from "../../protocol/apis/device.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";
import {
  type DeviceTwinUpdate,
  type MembershipUpdate,
  type MsgTwin,
  nextTwinVersion,
  refuseTwin,
  type TwinVersion,
} from "../../protocol/twin/twin.ts";
import { type DeviceBehaviour, type Report, SimulatedDevice } from "../device/device.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import type { EdgeTimings } from "../timings.ts";
import { TwinReports } from "./reports.ts";

/** What it needs from outside. */
export interface DeviceTwinWorld {
  readonly node: string;
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly tap: Tap | undefined;
  readonly mapper: boolean;
  /** By the name of a model: how its devices behave. */
  readonly behaviours?: Readonly<Record<string, DeviceBehaviour>>;
}

/** A device this node cannot speak of, or a value it must not send. */
export class DeviceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DeviceError";
  }
}

/** What the rest of an edge, and whoever plays with its devices, knows of a twin, whichever era's. */
export interface Twins {
  devices(): string[];
  stateOf(
    id: string,
  ):
    | { readonly state: string; readonly twin: Record<string, { readonly desired?: string; readonly value?: string }> }
    | undefined;
  start(): void;
  stop(): void;
  connected(): void;
  receive(message: Message): void;
  putDevice(device: Device): void;
  putModel(model: KubeObject): void;
  deleteDevice(device: KubeObject): void;
  report(id: string, property: string, value: string): void;
  measure(id: string, property: string, value: string): void;
  reportState(id: string, state: string): void;
}

interface Versions {
  expected: TwinVersion;
  actual: TwinVersion;
}

interface Member {
  readonly device: SimulatedDevice;
  readonly twins: Map<string, Versions>;
  state: string;
}

const zero: TwinVersion = { cloud: 0, edge: 0 };

export class DeviceTwin implements Twins {
  readonly #world: DeviceTwinWorld;
  /** By device id, `namespace/name`. */
  readonly #members = new Map<string, Member>();
  readonly #reports: TwinReports;
  #resend: Timer | undefined;

  constructor(world: DeviceTwinWorld) {
    this.#world = world;
    this.#reports = new TwinReports(world);
  }

  /** The devices the node has, by id. */
  devices(): string[] {
    return [...this.#members.keys()];
  }

  /** What a device was asked for, what it says, and its state; undefined for a device the node does not have. */
  stateOf(id: string) {
    const member = this.#members.get(id);
    return member === undefined ? undefined : { state: member.state, twin: member.device.state() };
  }

  /** The edge starts: devices in the store are there again. */
  start(): void {
    const { clock, store, timings } = this.#world;
    for (const [path, device] of store.entries(resourceTypes.device)) {
      const [namespace, , name] = path.split("/");
      this.#join(`${namespace}/${name}`);
      this.putDevice(device as Device);
    }
    this.#resend = every(clock, timings.confirm, () => this.#reports.again());
  }

  stop(): void {
    this.#resend?.cancel();
    this.#reports.forget(() => true);
    for (const member of this.#members.values()) member.device.stop();
    this.#members.clear();
  }

  /** At every connect the twin asks for its members; the devices say again what they have. */
  connected(): void {
    const { clock, node } = this.#world;
    const now = clock.now();
    const content = JSON.stringify({
      event_type: "group_membership_event",
      event_id: randomUUID(),
      group_id: node,
      operation: "detail",
      timestamp: now,
    });
    this.#reports.send("get", "membership/detail", content);
    for (const member of this.#members.values()) member.device.repeat();
  }

  /** A message of group `twin`: a confirmation, or which devices were won and lost. */
  receive(message: Message): void {
    const parent = message.header.parent_msg_id;
    if (parent !== undefined) return this.#reports.confirmed(parent);
    if (message.route.resource !== resourceTypes.membership) return;
    const { added_devices: added, removed_devices: removed } = message.content as MembershipUpdate;
    for (const { id } of added ?? []) this.#join(id);
    for (const { id } of removed ?? []) this.#leave(id);
  }

  /** A Device was stored: its mapper is told. */
  putDevice(device: Device): void {
    const { namespace = "default", name } = device.metadata;
    const member = this.#join(`${namespace}/${name}`);
    const ref = device.spec?.deviceModelRef?.name ?? "";
    const model = this.#world.store.get(wirePath(namespace, resourceTypes.devicemodel, ref)) as DeviceModel | undefined;
    member.device.configure(device, model, this.#world.mapper);
  }

  /** A model was stored: the devices that have it are told. */
  putModel(model: KubeObject): void {
    for (const [, device] of this.#world.store.entries(resourceTypes.device)) {
      const isOfModel = (device as Device).spec?.deviceModelRef?.name === model.metadata.name;
      if (isOfModel && device.metadata.namespace === model.metadata.namespace) this.putDevice(device as Device);
    }
  }

  deleteDevice(device: KubeObject): void {
    this.#leave(`${device.metadata.namespace ?? "default"}/${device.metadata.name}`);
  }

  /** A device reports a value. Throws DeviceError where the node does not have the device, or the value may not travel. */
  report(id: string, property: string, value: string): void {
    const member = this.#member(id);
    const refused = refuseTwin(property, value);
    if (refused !== undefined) throw new DeviceError(refused);
    member.device.set(property, value);
  }

  /** A device has this value from now on, without reporting it by itself. Throws as `report` does. */
  measure(id: string, property: string, value: string): void {
    const refused = refuseTwin(property, value);
    if (refused !== undefined) throw new DeviceError(refused);
    this.#member(id).device.measure(property, value);
  }

  /** A device's state changes, e.g. to `online`. Throws DeviceError for a device the node does not have. */
  reportState(id: string, state: string): void {
    const member = this.#member(id);
    member.state = state;
    const now = this.#world.clock.now();
    const isOnline = ["online", "ok"].includes(state.toLowerCase());
    const device = {
      name: id.split("/")[1] ?? id,
      state,
      lastOnlineTime: isOnline ? secondsOf(now) : "",
    };
    this.#reports.report(
      `${id} state`,
      `device/${id}/state/update`,
      JSON.stringify({ event_id: randomUUID(), timestamp: now, device }),
    );
  }

  #member(id: string): Member {
    const member = this.#members.get(id);
    if (member !== undefined) return member;
    throw new DeviceError(`${this.#world.node} has no device ${id}; it has ${this.devices().join(", ") || "none"}`);
  }

  #join(id: string): Member {
    let member = this.#members.get(id);
    if (member === undefined) {
      const { behaviours = {}, clock, node, random, tap, timings } = this.#world;
      const device = new SimulatedDevice({
        clock,
        random: random.stream(`device/${id}`),
        millisecond: timings.deviceMillisecond,
        behaviours,
        noticed: (state) => this.reportState(id, state),
        report: (report) => this.#reported(id, report),
        applied: (property, value) => {
          const about = { header: { msg_id: "" }, route: { operation: "apply", resource: `device/${id}/${property}` } };
          tap?.(hopOf(about, { time: clock.now(), hop: "device.apply", direction: "down", node, outcome: value }));
        },
      });
      member = { device, twins: new Map(), state: "" };
      this.#members.set(id, member);
    }
    return member;
  }

  #leave(id: string): void {
    this.#members.get(id)?.device.stop();
    this.#members.delete(id);
    // The cloud never confirms a report of a device it no longer has: it would be sent for ever.
    this.#reports.forget((subject) => subject.startsWith(`${id} `));
  }

  /** Every report counts as a change, whether the value is new or not, and goes to the cloud with its versions. */
  #reported(id: string, { property, desired, value, type }: Report): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    const now = this.#world.clock.now();
    const versions = member.twins.get(property) ?? { expected: zero, actual: zero };
    member.twins.set(property, versions);
    versions.actual = nextTwinVersion(versions.actual, { by: "edge" }) ?? versions.actual;
    if (desired !== undefined) {
      versions.expected = nextTwinVersion(versions.expected, { by: "edge" }) ?? versions.expected;
    }
    const twin: MsgTwin = {
      ...(desired === undefined ? {} : { expected: { value: desired, metadata: { timestamp: now } } }),
      actual: { value, metadata: { timestamp: now } },
      optional: true,
      metadata: { type },
      ...(desired === undefined ? {} : { expected_version: versions.expected }),
      actual_version: versions.actual,
    };
    const content: DeviceTwinUpdate = { event_id: randomUUID(), timestamp: now, twin: { [property]: twin } };
    this.#reports.report(`${id} ${property}`, `device/${id}/twin/edge_updated`, content);
  }
}
