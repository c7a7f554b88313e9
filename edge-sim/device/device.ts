// A simulated device behind its mapper: takes desired values, has values of its own, reports both.
import type { Device, DeviceModel } from "../../protocol/apis/device.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import { type ValueSource, valueSource } from "./values.ts";

/** What a device says of one property. */
export interface Report {
  readonly property: string;
  /** The last desired value the device was given. */
  readonly desired?: string;
  readonly value: string;
  readonly type: string;
}

/** What it needs from outside. */
export interface DeviceWorld {
  readonly clock: Clock;
  readonly random: Random;
  /** One millisecond of the device's cycles. */
  readonly millisecond: number;
  readonly report: (report: Report) => void;
  /** A desired value has reached the device. */
  readonly applied: (property: string, value: string) => void;
}

interface Property {
  desired: string | undefined;
  value: string | undefined;
  /** What `measure` has set, which stays until it is set anew. */
  measured: string | undefined;
  readonly type: string;
  readonly isWritable: boolean;
  readonly reportsToCloud: boolean;
  readonly source: ValueSource;
  readonly timer: Timer | undefined;
}

/** Least milliseconds between two reports of a property (mapper-framework: 1 s where nothing is said). */
const DEFAULT_CYCLE_MS = 1000;

/** The types of a model in the words of a twin. */
const twinTypes: Readonly<Record<string, string>> = {
  INT: "int",
  FLOAT: "float",
  DOUBLE: "double",
  BOOLEAN: "boolean",
};

export class SimulatedDevice {
  readonly #world: DeviceWorld;
  readonly #properties = new Map<string, Property>();

  constructor(world: DeviceWorld) {
    this.#world = world;
  }

  /** The desired values the device has been given and the values it has. */
  state(): Record<string, { readonly desired?: string; readonly value?: string }> {
    return Object.fromEntries([...this.#properties].map(([name, { desired, value }]) => [name, {
      ...(desired === undefined ? {} : { desired }),
      ...(value === undefined ? {} : { value }),
    }]));
  }

  /** The mapper registers the device, or is told that it changed. Without one the device only says what it is made to. */
  configure(device: Device, model: DeviceModel | undefined, hasMapper = true): void {
    const wanted = device.spec?.properties ?? [];
    for (const [name, property] of this.#properties) {
      property.timer?.cancel();
      if (!wanted.some((p) => p.name === name)) this.#properties.delete(name);
    }
    for (const property of wanted) {
      const known = this.#properties.get(property.name);
      const described = model?.spec?.properties?.find((p) => p.name === property.name) ?? { name: property.name };
      const cycle = (property.reportCycle ?? 0) > 0 ? property.reportCycle as number : DEFAULT_CYCLE_MS;
      const reportsToCloud = hasMapper && property.reportToCloud === true;
      const timer = reportsToCloud
        ? every(this.#world.clock, cycle * this.#world.millisecond, () => this.#cycle(property.name))
        : undefined;
      const entry: Property = {
        desired: known?.desired,
        value: known?.value,
        measured: known?.measured,
        type: twinTypes[described.type ?? ""] ?? "string",
        isWritable: described.accessMode !== "ReadOnly",
        reportsToCloud,
        source: known?.source ?? valueSource(described, this.#world.random.stream(property.name)),
        timer,
      };
      this.#properties.set(property.name, entry);
      const desired = property.desired?.value ?? "";
      if (desired !== "" && desired !== entry.desired && entry.isWritable && hasMapper) {
        this.#apply(property.name, entry, desired);
      }
    }
  }

  /** The device has this value from now on. Properties it doesn't have are ignored. */
  measure(property: string, value: string): void {
    const known = this.#properties.get(property);
    if (known !== undefined) known.measured = known.value = value;
  }

  /** The device measures, or is made to say, this value now. */
  set(property: string, value: string): void {
    const known = this.#properties.get(property);
    if (known !== undefined) known.value = value;
    this.#world.report({
      property,
      ...(known?.desired === undefined ? {} : { desired: known.desired }),
      value,
      type: known?.type ?? "string",
    });
  }

  /** Says everything it has again, as mappers do each cycle: after a time without connection the cloud may have missed it. */
  repeat(): void {
    for (const [name, { value, reportsToCloud }] of this.#properties) {
      if (reportsToCloud && value !== undefined) this.set(name, value);
    }
  }

  stop(): void {
    for (const { timer } of this.#properties.values()) timer?.cancel();
    this.#properties.clear();
  }

  #apply(name: string, property: Property, desired: string): void {
    property.desired = desired;
    property.value = desired;
    this.#world.applied(name, desired);
    if (property.reportsToCloud) this.set(name, desired);
  }

  #cycle(name: string): void {
    const property = this.#properties.get(name);
    if (property === undefined) return;
    // What has been asked for is held; everything else is measured.
    this.set(name, property.desired ?? property.measured ?? property.source());
  }
}
