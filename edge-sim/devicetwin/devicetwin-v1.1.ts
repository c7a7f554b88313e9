// DeviceTwin of KubeEdge v1.1: devices go by their bare names, what is wanted comes as twins, and nothing is ever confirmed.
import { randomUUID } from "node:crypto";
import { hopOf } from "../../base/hop/hop.ts";
import { every, type Timer } from "../../base/time/clock.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import {
  type DeviceTwinUpdate,
  type MembershipDetail,
  type MembershipDevice,
  type MembershipUpdate,
  type MsgTwin,
  nextTwinVersion,
  refuseTwin,
  refuseTwinType,
  type TwinVersion,
} from "../../protocol/twin/twin.ts";
import { SimulatedDevice } from "../device/device.ts";
import { DeviceError, type DeviceTwinWorld, type Twins } from "./devicetwin.ts";
import { TwinReports } from "./reports.ts";

/** One property as the edge keeps it. */
interface Twin {
  readonly expected?: { readonly value: string; readonly metadata: { readonly timestamp: number } };
  readonly actual?: { readonly value: string; readonly metadata: { readonly timestamp: number } };
  readonly optional: boolean;
  /** `deleted` for one that the cloud has taken away: its row stays. */
  readonly type: string;
  readonly expected_version: TwinVersion;
  readonly actual_version: TwinVersion;
}

interface Member {
  readonly name: string;
  readonly device: SimulatedDevice;
  readonly twins: Map<string, Twin>;
  state: string;
}

/** The rows of a device in the edge's store, where today's edges keep the Device itself. */
const ROWS = "devicetwin";
const GONE = "deleted";
const zero: TwinVersion = { cloud: 0, edge: 0 };
/** States that an edge of v1.1 takes, in exactly this spelling. */
const states: ReadonlySet<string> = new Set(["online", "offline", "unknown"]);

export class DeviceTwinV11 implements Twins {
  readonly #world: DeviceTwinWorld;
  readonly #members = new Map<string, Member>();
  readonly #reports: TwinReports;
  #resend: Timer | undefined;

  constructor(world: DeviceTwinWorld) {
    this.#world = world;
    this.#reports = new TwinReports(world);
  }

  devices(): string[] {
    return [...this.#members.keys()];
  }

  stateOf(id: string) {
    const member = this.#members.get(bare(id));
    if (member === undefined) return undefined;
    const twin = [...member.twins].filter(([, { type }]) => type !== GONE).map(([name, { actual, expected }]) =>
      [name, {
        ...(expected === undefined ? {} : { desired: expected.value }),
        ...(actual === undefined ? {} : { value: actual.value }),
      }] as const
    );
    return { state: member.state, twin: Object.fromEntries(twin) };
  }

  start(): void {
    const { clock, store, timings } = this.#world;
    for (const [, row] of store.entries(ROWS)) {
      const member = this.#join(row.metadata.name);
      member.state = textAt(row, "state");
      for (const [name, twin] of Object.entries(row.twins as Record<string, Twin>)) member.twins.set(name, twin);
    }
    this.#resend = every(clock, timings.confirm, () => this.#reports.again());
  }

  stop(): void {
    this.#resend?.cancel();
    this.#reports.forget(() => true);
    for (const { device } of this.#members.values()) device.stop();
    this.#members.clear();
  }

  /** It asks which devices it has, and goes on asking: that era's cloud never answers. */
  connected(): void {
    const { clock, node } = this.#world;
    const content = JSON.stringify({
      event_type: "group_membership_event",
      event_id: "123",
      group_id: node,
      operation: "detail",
      timestamp: clock.now(),
    });
    this.#reports.report("detail", "membership/detail", content, "get");
  }

  receive(message: Message): void {
    const parent = message.header.parent_msg_id;
    if (parent !== undefined) this.#reports.confirmed(parent);
    const { resource = "" } = message.route;
    const [, name, ...what] = resource.split("/");
    if (resource === `${resourceTypes.membership}/detail`) {
      const { devices } = message.content as MembershipDetail;
      for (const device of devices) this.#add(device);
      for (const known of this.devices()) if (!devices.some(({ id }) => id === known)) this.#leave(known);
    } else if (resource === resourceTypes.membership) {
      const { added_devices: added, removed_devices: removed } = message.content as MembershipUpdate;
      for (const device of added ?? []) this.#add(device);
      for (const { id } of removed ?? []) this.#leave(id);
    } else if (name !== undefined && what.join("/") === "twin/cloud_updated") {
      const member = this.#members.get(name);
      if (member !== undefined) this.#sync(member, (message.content as DeviceTwinUpdate).twin);
    }
  }

  // Devices come to an edge of v1.1 as members, never as objects.
  putDevice(): void {}
  putModel(): void {}
  deleteDevice(): void {}

  report(id: string, property: string, value: string): void {
    this.write(id, property, { actual: value });
  }

  /** What is wanted of a property, or what it is, is written at the edge itself, as a mapper does. Throws DeviceError. */
  write(id: string, property: string, sides: { readonly expected?: string; readonly actual?: string }): void {
    const member = this.#member(id);
    const known = member.twins.get(property) ?? fresh(true, "string");
    const twin = known.type === GONE ? fresh(true, "string") : known;
    for (const value of [sides.expected, sides.actual]) {
      const refused = refuseTwin(property, value) ??
        (value === undefined ? undefined : refuseTwinType(twin.type, value));
      if (refused !== undefined) throw new DeviceError(refused);
    }
    const metadata = { timestamp: this.#world.clock.now() };
    const next = (version: TwinVersion) => nextTwinVersion(version, { by: "edge" }) ?? version;
    const { actual, expected } = sides;
    const written: Twin = {
      ...twin,
      ...(expected === undefined
        ? {}
        : { expected: { value: expected, metadata }, expected_version: next(twin.expected_version) }),
      ...(actual === undefined
        ? {}
        : { actual: { value: actual, metadata }, actual_version: next(twin.actual_version) }),
    };
    member.twins.set(property, written);
    this.#keep(member);
    this.#tell(member, {
      [property]: said(written, { expected: expected !== undefined, actual: actual !== undefined }),
    });
  }

  /** Its devices have no cycle of their own. Always throws DeviceError. */
  measure(id: string): void {
    this.#member(id);
    throw new DeviceError(`${id}: devices of v1.1 say only what they are made to report: use \`report\``);
  }

  reportState(id: string, state: string): void {
    const member = this.#member(id);
    if (!states.has(state)) throw new DeviceError(`an edge of v1.1 takes the states ${[...states].join(", ")}`);
    member.state = state;
    this.#keep(member);
    const now = this.#world.clock.now();
    const lastOnline = new Date(now).toISOString().slice(0, 19).replace("T", " ");
    const device = { name: member.name, state, ...(state === "online" ? { last_online: lastOnline } : {}) };
    const content = JSON.stringify({ event_id: randomUUID(), timestamp: now, device });
    this.#reports.report(`${member.name} state`, `device/${member.name}/state`, content);
  }

  #member(id: string): Member {
    const member = this.#members.get(bare(id));
    if (member !== undefined) return member;
    throw new DeviceError(`${this.#world.node} has no device ${id}; it has ${this.devices().join(", ") || "none"}`);
  }

  #add({ id, twin }: MembershipDevice): void {
    const member = this.#join(id);
    this.#sync(member, twin ?? {});
  }

  #join(name: string): Member {
    const known = this.#members.get(name);
    if (known !== undefined) return known;
    const { clock, node, random, tap, timings } = this.#world;
    const device = new SimulatedDevice({
      clock,
      random: random.stream(`device/${name}`),
      millisecond: timings.deviceMillisecond,
      report: ({ property, value }) => this.write(name, property, { actual: value }),
      applied: (property, value) => {
        const about = { header: { msg_id: "" }, route: { operation: "apply", resource: `device/${name}/${property}` } };
        tap?.(hopOf(about, { time: clock.now(), hop: "device.apply", direction: "down", node, outcome: value }));
        device.set(property, value);
      },
    });
    const member: Member = { name, device, twins: new Map(), state: "" };
    this.#members.set(name, member);
    return member;
  }

  #leave(name: string): void {
    this.#members.get(name)?.device.stop();
    this.#members.delete(name);
    this.#world.store.delete(rowPath(name));
    this.#reports.forget((subject) => subject.startsWith(`${name} `));
  }

  /** What the cloud wants, where it has seen all that this edge did; else the edge says what it has itself (notes 3, §4.5). */
  #sync(member: Member, twins: Readonly<Record<string, MsgTwin | null>>): void {
    const rejected: Record<string, MsgTwin> = {};
    for (const [name, given] of Object.entries(twins)) {
      if (given === null || refuseTwin(name, given.expected?.value) !== undefined) continue;
      const known = member.twins.get(name);
      const twin = known === undefined || known.type === GONE
        ? fresh(given.optional ?? true, given.metadata?.type ?? "string", known)
        : known;
      const isEnd = given.metadata?.type === GONE;
      const version = nextTwinVersion(twin.expected_version, { by: "cloud", version: given.expected_version });
      if (version === undefined) {
        if (twin.expected !== undefined) rejected[name] = said(twin, { expected: true, actual: false });
      } else if (isEnd) member.twins.set(name, { ...fresh(twin.optional, GONE), expected_version: version });
      else if (given.expected !== undefined && refuseTwinType(twin.type, given.expected.value) === undefined) {
        const expected = {
          value: given.expected.value,
          metadata: { timestamp: given.expected.metadata?.timestamp ?? this.#world.clock.now() },
        };
        member.twins.set(name, { ...twin, expected, expected_version: version });
      }
    }
    this.#keep(member);
    if (Object.keys(rejected).length > 0) this.#tell(member, rejected);
    this.#configure(member);
  }

  /** The mapper is told what is wanted: it sets it, and reports it. */
  #configure({ device, name, twins }: Member): void {
    const properties = [...twins].filter(([, { type }]) => type !== GONE).map(([property, { expected }]) => ({
      name: property,
      ...(expected === undefined ? {} : { desired: { value: expected.value } }),
    }));
    device.configure({ metadata: { name }, spec: { properties } }, undefined, this.#world.mapper);
  }

  #tell({ name }: Member, twin: Readonly<Record<string, MsgTwin>>): void {
    const content: DeviceTwinUpdate = { event_id: randomUUID(), timestamp: this.#world.clock.now(), twin };
    // What is insisted on and what is measured are said again each for itself.
    const subjects = Object.entries(twin).map(([property, { actual }]) =>
      `${property} ${actual === undefined ? "expected" : "actual"}`
    );
    this.#reports.report(`${name} ${subjects.join(" ")}`, `device/${name}/twin/edge_updated`, content);
  }

  #keep({ name, state, twins }: Member): void {
    const row: KubeObject = { metadata: { name }, state, twins: Object.fromEntries(twins) };
    this.#world.store.put(rowPath(name), row);
  }
}

/** Scenarios name devices with their namespaces, which an edge of v1.1 does not know. */
function bare(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1);
}

function rowPath(name: string): string {
  return `edge/${ROWS}/${name}`;
}

function fresh(optional: boolean, type: string, former?: Twin): Twin {
  return {
    optional,
    type,
    expected_version: former?.expected_version ?? zero,
    actual_version: former?.actual_version ?? zero,
  };
}

/** One side or both of a twin as they travel, each with its version. */
function said(twin: Twin, sides: { readonly expected: boolean; readonly actual: boolean }): MsgTwin {
  const { actual, expected } = twin;
  return {
    ...(sides.expected && expected !== undefined ? { expected } : {}),
    ...(sides.actual && actual !== undefined ? { actual } : {}),
    optional: twin.optional,
    metadata: { type: twin.type },
    ...(sides.expected ? { expected_version: twin.expected_version } : {}),
    ...(sides.actual ? { actual_version: twin.actual_version } : {}),
  };
}
