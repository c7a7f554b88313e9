// A simulated mapper: it has the simulated devices of one edge, is sent them as any mapper is, and reports for them.
import { isDeepStrictEqual } from "node:util";
import type { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import { type Device, deviceIdOf, type DeviceModel } from "../../protocol/apis/device.ts";
import type { DeviceMapper } from "../dmi/dmi.ts";
import { type DeviceBehaviour, type Report, SimulatedDevice } from "./device.ts";

/** Injected dependencies. */
export interface MapperDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** One millisecond of a device's cycles. */
  readonly millisecond: number;
  /** By the name of a model: how its devices behave. */
  readonly behaviours: Readonly<Record<string, DeviceBehaviour>>;
  /** Whether devices apply desired values and report by themselves, or act only on command. */
  readonly isActive: boolean;
  /** Reports a device's values; returns why they were refused, if they were. */
  readonly report: (id: string, report: Report) => string | undefined;
  readonly state: (id: string, state: string) => void;
  /** A desired value has reached a device. */
  readonly onApplied: (id: string, property: string, value: string) => void;
}

export class SimulatedMapper implements DeviceMapper {
  readonly #deps: MapperDeps;
  /** By id. */
  readonly #devices = new Map<string, { readonly simulated: SimulatedDevice; device: Device }>();
  readonly #models = new Map<string, DeviceModel>();

  constructor(deps: MapperDeps) {
    this.#deps = deps;
  }

  get(id: string): SimulatedDevice | undefined {
    return this.#devices.get(id)?.simulated;
  }

  registerDevice(device: Device): void {
    this.#configure(deviceIdOf(device), device);
  }

  updateDevice(device: Device): void {
    this.registerDevice(device);
  }

  removeDevice(namespace: string, name: string): void {
    this.remove(pathOf(namespace, name));
  }

  putDeviceModel(model: DeviceModel): void {
    const { name, namespace } = model.metadata;
    const known = this.#models.get(pathOf(namespace, name));
    this.#models.set(pathOf(namespace, name), model);
    if (known !== undefined && isDeepStrictEqual(known.spec, model.spec)) return;
    for (const [id, { device }] of this.#devices) {
      const isIts = device.spec?.deviceModelRef?.name === name && device.metadata.namespace === namespace;
      if (isIts) this.#configure(id, device);
    }
  }

  removeDeviceModel(namespace: string, name: string): void {
    this.#models.delete(pathOf(namespace, name));
  }

  /** With v1.1, where no Device tells a mapper what there is: a device with these properties, and what is wanted of them. */
  want(id: string, expected: Readonly<Record<string, string | undefined>>): void {
    const properties = Object.entries(expected).map(([name, value]) => ({
      name,
      ...(value === undefined ? {} : { desired: { value } }),
    }));
    this.#configure(id, { metadata: { name: id }, spec: { properties } });
  }

  remove(id: string): void {
    this.get(id)?.stop();
    this.#devices.delete(id);
  }

  /** All devices report their values again, as mappers do each cycle: reports are lost while disconnected. */
  repeat(): void {
    for (const { simulated } of this.#devices.values()) simulated.repeat();
  }

  stop(): void {
    for (const { simulated } of this.#devices.values()) simulated.stop();
    this.#devices.clear();
    this.#models.clear();
  }

  #configure(id: string, device: Device): void {
    const entry = this.#devices.get(id) ?? { simulated: this.#make(id), device };
    entry.device = device;
    this.#devices.set(id, entry);
    const model = this.#models.get(pathOf(device.metadata.namespace, device.spec?.deviceModelRef?.name ?? ""));
    entry.simulated.configure(device, model, this.#deps.isActive);
  }

  #make(id: string): SimulatedDevice {
    const { behaviours, clock, millisecond, onApplied, random, report, state } = this.#deps;
    return new SimulatedDevice({
      clock,
      random: random.stream(`device/${id}`),
      millisecond,
      behaviours,
      noticed: (noticed) => state(id, noticed),
      report: (said) => report(id, said),
      applied: (property, value) => onApplied(id, property, value),
    });
  }
}

function pathOf(namespace = "default", name: string): string {
  return `${namespace}/${name}`;
}
