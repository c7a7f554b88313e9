// A simulated device behind its mapper: accepts desired values, generates its own, reports both, and can misbehave.
import type { Device, DeviceModel, DeviceProperty, ModelProperty } from "../../protocol/apis/device.ts";
import { listAt, textAt } from "../../protocol/apis/kube-object.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import { Faults, type Misbehaviour, noErrors } from "./misbehaviour.ts";
import { type ValueSource, valueSource, type ValueSpec } from "./values.ts";

/** How the devices of a model behave: where their values come from, by property, and what they do wrong. */
export interface DeviceBehaviour {
  readonly values?: Readonly<Record<string, ValueSpec>>;
  readonly misbehaves?: Misbehaviour;
}

/** A device's report of one property. */
export interface Report {
  readonly property: string;
  /** The last desired value the device was given. */
  readonly desired?: string;
  readonly value: string;
  readonly type: string;
}

/** Injected dependencies. */
export interface DeviceDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** One millisecond of the device's cycles. */
  readonly millisecond: number;
  /** Sends the report; returns the reason if it was refused. */
  readonly report: (report: Report) => string | undefined;
  /** A desired value has reached the device. */
  readonly applied: (property: string, value: string) => void;
  /** The mapper has noticed that the device went `offline` or came back `online`. */
  readonly noticed?: (state: "online" | "offline") => void;
  /** By model name; devices of other models don't misbehave. */
  readonly behaviours?: Readonly<Record<string, DeviceBehaviour>>;
}

interface Property {
  desired: string | undefined;
  /** The desired value that the device has applied and keeps. */
  held: string | undefined;
  value: string | undefined;
  /** What `measure` has set, which stays until it is set again. */
  measured: string | undefined;
  readonly type: string;
  readonly isWritable: boolean;
  readonly reportsToCloud: boolean;
  /** Interval between two reports, in the device's own milliseconds. */
  readonly cycle: number;
  readonly source: ValueSource;
  readonly faults: Faults;
  readonly timer: Timer | undefined;
}

/** Least milliseconds between two reports of a property (mapper-framework's default: 1 s). */
const DEFAULT_CYCLE_MS = 1000;

/** The types of a model in the words of a twin. */
const twinTypes: Readonly<Record<string, string>> = {
  INT: "int",
  FLOAT: "float",
  DOUBLE: "double",
  BOOLEAN: "boolean",
};

export class SimulatedDevice {
  readonly #deps: DeviceDeps;
  readonly #properties = new Map<string, Property>();
  #misbehaviour: Misbehaviour = {};
  #isOffline = false;
  #turn: Timer | undefined;
  /** By property: the timer that applies a delayed desired value. */
  readonly #late = new Map<string, Timer>();
  /** By property: the desired value received while the device was offline. */
  readonly #untaken = new Map<string, string>();

  constructor(deps: DeviceDeps) {
    this.#deps = deps;
  }

  /** The desired values the device has been given and the values it has. */
  state(): Record<string, { readonly desired?: string; readonly value?: string }> {
    return Object.fromEntries([...this.#properties].map(([name, { desired, value }]) => [name, {
      ...(desired === undefined ? {} : { desired }),
      ...(value === undefined ? {} : { value }),
    }]));
  }

  /** The mapper registers the device, or updates it. Without a mapper the device reports only on command. */
  configure(device: Device, model: DeviceModel | undefined, hasMapper = true): void {
    // Whatever a cloud has sent: only what has a name is a property.
    const wanted = listAt(device, "spec", "properties").filter((property) =>
      textAt(property, "name") !== ""
    ) as DeviceProperty[];
    const names = new Set(wanted.map(({ name }) => name));
    for (const [name, property] of this.#properties) {
      if (names.has(name)) continue;
      property.timer?.cancel();
      this.#forget(name);
    }
    const modelProperties = new Map(
      (listAt(model, "spec", "properties") as ModelProperty[]).map((p) => [textAt(p, "name"), p]),
    );
    const { behaviours = {}, random } = this.#deps;
    const { misbehaves = {}, values = {} } = behaviours[device.spec?.deviceModelRef?.name ?? ""] ?? {};
    const behaves = Object.keys(misbehaves).length === 0;
    this.#misbehaviour = hasMapper ? misbehaves : {};
    if (this.#turn === undefined) this.#takeTurns();
    for (const property of wanted) {
      const known = this.#properties.get(property.name);
      const described = modelProperties.get(property.name) ?? { name: property.name };
      const cycle = (property.reportCycle ?? 0) > 0 ? Number(property.reportCycle) : DEFAULT_CYCLE_MS;
      const reportsToCloud = hasMapper && property.reportToCloud === true;
      // A cycle that stays the same goes on: a device that is changed every half second still reports every second.
      const goesOn = known?.timer !== undefined && known.cycle === cycle && reportsToCloud;
      if (!goesOn) known?.timer?.cancel();
      const timer = goesOn
        ? known.timer
        : reportsToCloud
        ? every(this.#deps.clock, cycle * this.#deps.millisecond, () => this.#cycle(property.name))
        : undefined;
      const entry: Property = {
        desired: known?.desired,
        held: known?.held,
        value: known?.value,
        measured: known?.measured,
        type: twinTypes[described.type ?? ""] ?? "string",
        isWritable: described.accessMode !== "ReadOnly",
        reportsToCloud,
        cycle,
        source: known?.source ?? valueSource(described, random.stream(property.name), values[property.name]),
        faults: known?.faults ??
          (behaves ? noErrors : new Faults(misbehaves, random.stream(`faults/${property.name}`))),
        timer,
      };
      this.#properties.set(property.name, entry);
      const desired = textAt(property, "desired", "value");
      if (desired !== "" && desired !== entry.desired && entry.isWritable && hasMapper) {
        this.#ask(property.name, entry, desired);
      }
    }
  }

  /** The device has this value from now on. Properties it doesn't have are ignored. */
  measure(property: string, value: string): void {
    const known = this.#properties.get(property);
    if (known !== undefined) known.measured = known.value = value;
  }

  /** Sets and reports a value now. Returns the reason if the report was refused. */
  set(property: string, value: string): string | undefined {
    const known = this.#properties.get(property);
    if (known !== undefined) known.value = value;
    return this.#deps.report({
      property,
      ...(known?.desired === undefined ? {} : { desired: known.desired }),
      value,
      type: known?.type ?? "string",
    });
  }

  /** Reports all values again, as mappers do each cycle: the cloud may have missed reports while disconnected. */
  repeat(): void {
    if (this.#isOffline) return;
    for (const [name, { value, reportsToCloud }] of this.#properties) {
      if (reportsToCloud && value !== undefined) this.set(name, value);
    }
  }

  stop(): void {
    this.#turn?.cancel();
    this.#turn = undefined;
    this.#isOffline = false;
    for (const [name, { timer }] of this.#properties) {
      timer?.cancel();
      this.#forget(name);
    }
  }

  #forget(name: string): void {
    this.#properties.delete(name);
    this.#untaken.delete(name);
    this.#late.get(name)?.cancel();
    this.#late.delete(name);
  }

  /** The desired value of a property. The device decides whether and when it takes it. */
  #ask(name: string, property: Property, desired: string): void {
    const { lags = 0 } = this.#misbehaviour;
    const { clock, millisecond } = this.#deps;
    property.desired = desired;
    this.#late.get(name)?.cancel();
    this.#late.delete(name);
    if (property.faults.refuses()) return;
    if (lags === 0) return this.#take(name, desired);
    this.#late.set(
      name,
      clock.after(lags * millisecond, () => {
        this.#late.delete(name);
        this.#take(name, desired);
      }),
    );
  }

  #take(name: string, desired: string): void {
    const property = this.#properties.get(name);
    if (property === undefined) return;
    if (this.#isOffline) {
      this.#untaken.set(name, desired);
      return;
    }
    property.held = property.value = desired;
    this.#deps.applied(name, desired);
    if (property.reportsToCloud) this.set(name, desired);
  }

  /** Goes offline and comes back again and again, where its misbehaviour says so. */
  #takeTurns(): void {
    const { offline } = this.#misbehaviour;
    if (offline === undefined) return;
    const { clock, millisecond, noticed, random } = this.#deps;
    const wait = (ms: number, then: () => void) => this.#turn = clock.after(ms * millisecond, then);
    const go = () => {
      this.#isOffline = true;
      noticed?.("offline");
      wait(offline.for, comeBack);
    };
    const comeBack = () => {
      this.#isOffline = false;
      noticed?.("online");
      for (const [name, desired] of this.#untaken) this.#take(name, desired);
      this.#untaken.clear();
      wait(offline.every, go);
    };
    // Not all devices of a fleet at the same moment.
    wait(offline.every * random.stream("offline").next(), go);
  }

  #cycle(name: string): void {
    const property = this.#properties.get(name);
    if (property === undefined || this.#isOffline) return;
    // An applied desired value is kept; any other value is measured.
    const value = property.held ?? property.measured ?? property.source();
    this.set(name, property.faults.reported(value, property.type));
  }
}
