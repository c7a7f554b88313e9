// DeviceTwin: which devices a node has, their twins and versions, what is published to mappers, and their reports to the cloud.
import type { Tap } from "../../base/hop/hop.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import { at, type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { membersIn, refuseTwins, twinUpdateIn } from "../../protocol/twin/read.ts";
import { readTopic } from "../../protocol/twin/topics.ts";
import type { DeviceTwinUpdate, MembershipDevice, MsgAttr, MsgTwin } from "../../protocol/twin/twin.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeStore } from "../metamanager/store.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import { type Attributes, changedAttributes } from "./attributes.ts";
import type { EdgeEra } from "../era/edge-era.ts";
import type { Member } from "./member.ts";
import { jsonIn, newEvent, TwinPublications } from "./publications.ts";
import { TwinReports } from "./reports.ts";
import { type Twin, type TwinChanges, TwinError, TwinTable } from "./twin-table.ts";

/** Injected dependencies. */
export interface DeviceTwinDeps {
  readonly node: string;
  readonly era: EdgeEra;
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  /** To the mappers, by MQTT; undefined without a broker: payloads are not built then. */
  readonly publish: ((topic: string, payload: string) => void) | undefined;
  readonly tap?: Tap | undefined;
  /** A device was removed. */
  readonly onDelete: (id: string) => void;
  /** The cloud has set twins of a device: `expected` of each that it has. */
  readonly onDesired: (id: string, expected: Readonly<Record<string, string | undefined>>) => void;
}

/** A device this node doesn't have, or a value it must not send. */
export class DeviceError extends SkepError {
  readonly code = "SKEP_DEVICE";
}

/** A member as the store keeps it; its metadata's name is the id. */
interface Row extends KubeObject {
  readonly name?: string;
  readonly description?: string;
  readonly state?: string;
  readonly attributes?: Attributes;
  readonly twins?: Readonly<Record<string, Twin>>;
}

/** The rows of devices in the edge's store. */
const ROWS = "devicetwin";

export class DeviceTwin {
  readonly #deps: DeviceTwinDeps;
  readonly #members = new Map<string, Member>();
  readonly #reports: TwinReports;
  readonly #publications: TwinPublications;
  #resend: Timer | undefined;

  constructor(deps: DeviceTwinDeps) {
    this.#deps = deps;
    this.#reports = new TwinReports(deps);
    this.#publications = new TwinPublications(deps);
  }

  /** The devices the node has, by id. */
  devices(): string[] {
    return [...this.#members.keys()];
  }

  get size(): number {
    return this.#members.size;
  }

  has(id: string): boolean {
    return this.#members.has(this.#deps.era.idOf(id));
  }

  /** A device's state, desired and reported values; undefined if the node does not have the device. */
  stateOf(id: string) {
    const member = this.#members.get(this.#deps.era.idOf(id));
    if (member === undefined) return undefined;
    const twin = Object.entries(member.twins.visible()).map(([property, { actual, expected }]) =>
      [property, {
        ...(expected?.value ? { desired: expected.value } : {}),
        ...(actual?.value === undefined ? {} : { value: actual.value }),
      }] as const
    );
    return { state: member.state, twin: Object.fromEntries(twin) };
  }

  /** The edge starts: devices in the store are there again, with their versions. */
  start(): void {
    const { clock, era, store, timings, onDesired } = this.#deps;
    for (const [, stored] of store.entries(ROWS)) {
      const { attributes = {}, description = "", metadata, name, state = "", twins = {} } = stored as Row;
      const id = metadata.name;
      const member = {
        id,
        name: name ?? id,
        description,
        state,
        attributes,
        twins: new TwinTable(era.keepsReportedTimes ? twins : withoutActualTimes(twins)),
      };
      this.#members.set(id, member);
      onDesired(id, expectedOf(member.twins));
    }
    this.#resend = every(clock, timings.confirm, () => this.#reports.again());
  }

  stop(): void {
    this.#resend?.cancel();
    this.#reports.clear();
    for (const id of this.#members.keys()) this.#deps.onDelete(id);
    this.#members.clear();
  }

  /** Requests the node's members at every connect, and repeats the request until the cloud answers. */
  connected(): void {
    const { clock, era, node } = this.#deps;
    const content = JSON.stringify({
      event_type: "group_membership_event",
      event_id: era.detailEvent(),
      group_id: node,
      operation: "detail",
      timestamp: clock.now(),
    });
    this.#reports.report(["detail"], "membership/detail", content, "get");
  }

  /** A message of group `twin`: a confirmation, the devices added and removed, or the desired values of one. */
  receive(message: Message): void {
    const { era } = this.#deps;
    const parent = message.header.parent_msg_id;
    if (parent !== undefined) this.#reports.confirmed(parent);
    if (parent !== undefined && !era.answersCarryDevices) return;
    const { content, route: { resource = "" } } = message;
    const [, name, ...what] = resource.split("/");
    if (resource === `${resourceTypes.membership}/detail`) {
      const devices = membersIn(at(content, "devices"));
      for (const device of devices) this.#add(device);
      for (const known of this.devices()) if (!devices.some(({ id }) => id === known)) this.leave(known);
    } else if (resource === resourceTypes.membership) {
      for (const device of membersIn(at(content, "added_devices"))) this.#add(device);
      for (const { id } of membersIn(at(content, "removed_devices"))) this.leave(id);
    } else if (name !== undefined && what.join("/") === "twin/cloud_updated") {
      const member = this.#members.get(name);
      const update = twinUpdateIn(content);
      if (typeof update === "string") this.#publications.refusal("", "", 400, update);
      else if (member === undefined) this.#publications.refusal(name, update.event_id, 404, era.unknownDevice);
      else this.#sync(member, update.twin, update.event_id);
    }
  }

  /** A mapper has published something on one of the twin's topics; what can't be interpreted is dropped, as by edgecore. */
  onPublish(topic: string, payload: string): void {
    const { era } = this.#deps;
    const asked = readTopic(topic, era.segments);
    if (asked === undefined) return;
    switch (asked.ask) {
      case "membership/get":
        return this.#publications.members(this.#members.values(), payload);
      case "twin/get":
        return this.#publications.twin(asked.id, this.#members.get(asked.id), payload);
      case "twin/update":
      case "twin/cloud_updated": {
        const update = twinUpdateIn(jsonIn(payload));
        // Neither the device nor the event is named in this refusal.
        if (typeof update === "string") return void this.#publications.refusal("", "", 400, update);
        if (asked.ask === "twin/update") return void this.#updatedByMapper(asked.id, update.twin, update.event_id);
        const member = this.#members.get(asked.id);
        if (member === undefined) {
          return void this.#publications.refusal(asked.id, update.event_id, 404, era.unknownDevice);
        }
        return this.#sync(member, update.twin, update.event_id);
      }
      case "state/update":
        return this.takeState(asked.id, textAt(jsonIn(payload), "state") || textAt(jsonIn(payload), "State"));
    }
  }

  /**
   * A mapper in this process sets twins of a device, as by MQTT: what is refused is refused by a publication. Returns why, too;
   * nothing has changed then.
   */
  reported(id: string, twin: Readonly<Record<string, MsgTwin | null>>): string | undefined {
    const refused = refuseTwins(twin);
    if (refused !== undefined) return this.#publications.refusal("", "", 400, refused);
    return this.#updatedByMapper(id, twin, "");
  }

  /** A mapper reports the state of a device; unknown states, and devices the edge doesn't have, are ignored. */
  takeState(id: string, state: string): void {
    if (this.#members.has(id) && this.#deps.era.refuseState(state) === undefined) this.reportState(id, state);
  }

  /** A device's state changes, e.g. to `online`. Throws DeviceError for a device the node does not have, or no state. */
  reportState(id: string, state: string): void {
    const { clock, era } = this.#deps;
    const member = this.#member(id);
    const refused = era.refuseState(state);
    if (refused !== undefined) throw new DeviceError(refused);
    member.state = state;
    this.#keep(member);
    const now = clock.now();
    const payload = JSON.stringify({ ...newEvent(now), device: era.deviceOf(member.name, state, now) });
    this.#publications.state(member.id, payload);
    this.#reports.report([`${member.id} state`], `device/${member.id}/${era.statePath}`, payload);
  }

  /** Adds a device to the node. */
  join({ id, name = id, description = "", state = "" }: Partial<MembershipDevice> & { readonly id: string }): Member {
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const member: Member = { id, name, description, state, attributes: {}, twins: new TwinTable() };
    this.#members.set(id, member);
    this.#keep(member);
    return member;
  }

  /** Removes a device from the node. */
  leave(id: string): void {
    if (!this.#members.delete(id)) return;
    const { onDelete, store } = this.#deps;
    store.delete(rowPath(id));
    // The cloud never confirms a report of a device it no longer has: it would be sent without end.
    this.#reports.forget((subject) => subject.startsWith(`${id} `));
    onDelete(id);
    this.#publications.membership([], [{ id }]);
  }

  /** An error message if the node does not have the device, else undefined. */
  missing(id: string): string | undefined {
    if (this.has(id)) return undefined;
    return `${this.#deps.node} has no device ${id}; it has ${this.devices().join(", ") || "none"}`;
  }

  #member(id: string): Member {
    const member = this.#members.get(this.#deps.era.idOf(id));
    if (member === undefined) throw new DeviceError(this.missing(id) as string);
    return member;
  }

  #add(device: MembershipDevice): void {
    const isNew = !this.#members.has(device.id);
    const member = this.join(device);
    const { attributes, twin } = device;
    if (!isNew) this.#setAttributes(member, attributes ?? {});
    if (twin !== undefined) this.#sync(member, twin, "");
    if (isNew && attributes !== undefined) this.#setAttributes(member, attributes);
    if (isNew) this.#publications.membership([device], []);
    // edgecore's answer when a known device is added again without twins, as today's cloud does.
    else if (twin === undefined) {
      this.#publications.refusal(device.id, "", 400, "Update twin error, key:twin does not exist");
    }
  }

  #setAttributes(member: Member, attributes: Readonly<Record<string, MsgAttr>>): void {
    const changed = changedAttributes(member.attributes, attributes);
    if (changed === undefined) return;
    member.attributes = attributes;
    this.#keep(member);
    this.#publications.attributes(member.id, changed);
  }

  /** Returns why it was refused, where it was. */
  #updatedByMapper(id: string, twin: Readonly<Record<string, MsgTwin | null>>, event: string): string | undefined {
    const member = this.#members.get(id);
    if (member === undefined) return this.#publications.refusal(id, event, 404, this.#deps.era.unknownDevice);
    try {
      this.#update(member, twin, event);
      return undefined;
    } catch (error) {
      if (!(error instanceof TwinError)) throw error;
      return this.#publications.refusal(id, event, 400, error.message);
    }
  }

  /** Throws TwinError. */
  #update(member: Member, twin: Readonly<Record<string, MsgTwin | null>>, event: string): void {
    const now = this.#deps.clock.now();
    const changes = member.twins.update(twin, "edge", now);
    this.#keep(member);
    this.#tapUpdate("up", member, Object.keys(twin));
    this.#publications.updated(member.id, changes.result, event, now);
    this.#tell(member, changes, event, now);
  }

  /** The cloud's value, where the cloud has processed all of this edge's changes; else the edge sends its own. */
  #sync(member: Member, twin: Readonly<Record<string, MsgTwin | null>>, event: string): void {
    const now = this.#deps.clock.now();
    const changes = member.twins.update(twin, "cloud", now);
    this.#keep(member);
    this.#tapUpdate("down", member, Object.keys(twin));
    this.#tell(member, changes, event, now);
    this.#deps.onDesired(member.id, expectedOf(member.twins));
  }

  /** In edgecore's order: publishes the document, then the delta, then reports to the cloud. */
  #tell(member: Member, { document, sync }: TwinChanges, event: string, now: number): void {
    this.#publications.changes(member, document, event, now);
    const properties = Object.entries(sync);
    if (properties.length === 0) return;
    const content: DeviceTwinUpdate = { ...newEvent(now), twin: sync };
    // Desired and reported values are resent independently of each other.
    const subjects = properties.map(([property, { actual }]) =>
      `${member.id} ${property} ${actual === undefined ? "expected" : "actual"}`
    );
    this.#reports.report(subjects, `device/${member.id}/twin/edge_updated`, content);
  }

  #tapUpdate(direction: "up" | "down", { id }: Member, properties: readonly string[]): void {
    const { clock, node, tap } = this.#deps;
    if (tap?.on === undefined) return;
    const about = { header: { msg_id: "" }, route: { operation: "update", resource: `device/${id}` } };
    const outcome = properties.join(", ");
    tap.on(hopOf(about, { time: clock.now(), hop: "twin.update", direction, node, outcome }));
  }

  #keep({ attributes, description, id, name, state, twins }: Member): void {
    const row: Row = {
      metadata: { name: id },
      name,
      description,
      state,
      attributes,
      // Built on demand: a device of a thousand properties is not copied at each report of one.
      get twins() {
        return twins.rows();
      },
    };
    this.#deps.store.put(rowPath(id), row);
  }
}

/** Slashes in an id would be levels of the path. */
function rowPath(id: string): string {
  return `edge/${ROWS}/${id.replace("/", ":")}`;
}

function expectedOf(twins: TwinTable): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(twins.visible()).map(([name, { expected }]) => [name, expected?.value]));
}

/** edgecore of v1.1 loses the times of reported values at a restart. */
function withoutActualTimes(twins: Readonly<Record<string, Twin>>): Record<string, Twin> {
  return Object.fromEntries(
    Object.entries(twins).map(([name, { actual, ...twin }]) => [name, {
      ...twin,
      ...(actual?.value === undefined ? {} : { actual: { value: actual.value } }),
    }]),
  );
}
