// DMI: the mappers of an edge, which devices they are sent, and what they report (KubeEdge v1.23 `edge/pkg/devicetwin/dtmanager/dmiworker.go`).
import { isDeepStrictEqual } from "node:util";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { type Device, deviceIdOf, type DeviceModel } from "../../protocol/apis/device.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { resourceTypes } from "../../protocol/message/names.ts";
import { wirePath } from "../../protocol/resource/path.ts";
import type { MsgTwin } from "../../protocol/twin/twin.ts";
import type { EdgeStore } from "../metamanager/store.ts";

/** What an edge tells a mapper (`DeviceMapperService`). What fails is logged and forgotten, as edgecore does. */
export interface DeviceMapper {
  registerDevice(device: Device): Promise<void> | void;
  updateDevice(device: Device): Promise<void> | void;
  removeDevice(namespace: string, name: string): Promise<void> | void;
  putDeviceModel(model: DeviceModel, isNew: boolean): Promise<void> | void;
  removeDeviceModel(namespace: string, name: string): Promise<void> | void;
}

/** A mapper's report of one property: the desired value it was given last, empty for none, and the value it has. */
export interface TwinReport {
  readonly property: string;
  readonly observedDesired: string;
  readonly reported: string;
}

/** What a mapper tells its edge (`DeviceManagerService`). */
export interface DeviceManager {
  /** Returns why something of it was refused, where it was; a mapper in another process isn't notified. */
  reportDeviceStatus(namespace: string, name: string, twins: readonly TwinReport[]): string | undefined;
  reportDeviceStates(namespace: string, name: string, state: string): void;
}

/** Injected dependencies. */
export interface DmiDeps {
  readonly store: EdgeStore;
  readonly logger: Logger;
  /** The twin takes a mapper's report, as if it had come over MQTT. */
  readonly onReport: (id: string, twin: Readonly<Record<string, MsgTwin>>) => string | undefined;
  readonly onState: (id: string, state: string) => void;
  /** Takes the devices of all protocols without a registered mapper. */
  readonly simulated: DeviceMapper | undefined;
}

export class Dmi implements DeviceManager {
  readonly #deps: DmiDeps;
  /** By protocol. */
  readonly #mappers = new Map<string, DeviceMapper>();
  /** What mappers know, by id. */
  readonly #known = new Map<string, { readonly device: Device; readonly mapper: DeviceMapper }>();
  /** Models that mappers have been sent, by namespace and name. */
  readonly #models = new Set<string>();

  constructor(deps: DmiDeps) {
    this.#deps = deps;
  }

  /** The edge starts: its mappers are sent again what it has stored. */
  start(): void {
    for (const [, model] of this.#deps.store.entries(resourceTypes.devicemodel)) this.putModel(model);
    for (const [, device] of this.#deps.store.entries(resourceTypes.device)) this.putDevice(device as Device);
  }

  stop(): void {
    this.#mappers.clear();
    this.#known.clear();
    this.#models.clear();
  }

  /**
   * Registers a mapper for a protocol; returns its devices, except those without a stored model. An earlier mapper of
   * the same protocol is sent nothing any more.
   */
  register(protocol: string, mapper: DeviceMapper): Device[] {
    this.#mappers.set(protocol, mapper);
    const devices: Device[] = [];
    for (const [, stored] of this.#deps.store.entries(resourceTypes.device)) {
      const device = stored as Device;
      if (protocolOf(device) !== protocol) continue;
      const id = deviceIdOf(device);
      const { simulated } = this.#deps;
      if (simulated !== undefined && this.#known.get(id)?.mapper === simulated) {
        this.#tell(simulated.removeDevice(...nameOf(device)));
      }
      if (this.modelOf(device) === undefined) continue;
      this.#known.set(id, { device, mapper });
      devices.push(device);
    }
    return devices;
  }

  /** A Device was stored: it is sent to its mapper if its spec has changed. */
  putDevice(device: Device): void {
    const id = deviceIdOf(device);
    const known = this.#known.get(id);
    const registered = this.#mappers.get(protocolOf(device));
    const mapper = registered ?? this.#deps.simulated;
    if (known !== undefined && known.mapper !== mapper) this.#tell(known.mapper.removeDevice(...nameOf(device)));
    if (mapper === undefined) return void this.#known.delete(id);
    // An external mapper is not sent a device without its model; the simulated one can do without.
    if (registered !== undefined && this.modelOf(device) === undefined) return;
    this.#known.set(id, { device, mapper });
    if (known?.mapper !== mapper) this.#tell(mapper.registerDevice(device));
    else if (!isDeepStrictEqual(known.device.spec, device.spec)) this.#tell(mapper.updateDevice(device));
  }

  deleteDevice(device: KubeObject): void {
    const id = deviceIdOf(device);
    const known = this.#known.get(id);
    this.#known.delete(id);
    if (known !== undefined) this.#tell(known.mapper.removeDevice(...nameOf(device)));
  }

  /** A model was stored: every mapper is sent it, and the devices that waited for it. */
  putModel(model: KubeObject): void {
    const isNew = !this.#models.has(deviceIdOf(model));
    this.#models.add(deviceIdOf(model));
    for (const mapper of this.#all()) this.#tell(mapper.putDeviceModel(model as DeviceModel, isNew));
    for (const [, stored] of this.#deps.store.entries(resourceTypes.device)) {
      const device = stored as Device;
      const isOfModel = device.spec?.deviceModelRef?.name === model.metadata.name &&
        device.metadata.namespace === model.metadata.namespace;
      if (isOfModel && !this.#known.has(deviceIdOf(device))) this.putDevice(device);
    }
  }

  deleteModel(model: KubeObject): void {
    this.#models.delete(deviceIdOf(model));
    const [namespace, name] = nameOf(model);
    for (const mapper of this.#all()) this.#tell(mapper.removeDeviceModel(namespace, name));
  }

  /** Each property becomes an update of its own. The mapper's type and time are not kept. */
  reportDeviceStatus(namespace: string, name: string, twins: readonly TwinReport[]): string | undefined {
    const refusals = twins.map(({ observedDesired, property, reported }) =>
      this.#deps.onReport(`${namespace}/${name}`, {
        [property]: { expected: { value: observedDesired }, actual: { value: reported } },
      })
    );
    return refusals.find((refusal) => refusal !== undefined);
  }

  reportDeviceStates(namespace: string, name: string, state: string): void {
    this.#deps.onState(`${namespace}/${name}`, state);
  }

  /** The model that a device names, where the node has it. */
  modelOf(device: Device): DeviceModel | undefined {
    const [namespace] = nameOf(device);
    const model = device.spec?.deviceModelRef?.name ?? "";
    return this.#deps.store.get(wirePath(namespace, resourceTypes.devicemodel, model)) as DeviceModel | undefined;
  }

  #all(): DeviceMapper[] {
    const { simulated } = this.#deps;
    return [...new Set(this.#mappers.values()), ...(simulated === undefined ? [] : [simulated])];
  }

  #tell(call: Promise<void> | void): void {
    call?.catch((error) => this.#deps.logger.warn("a mapper refused a call", { error: reasonOf(error) }));
  }
}

function nameOf({ metadata: { name, namespace = "default" } }: KubeObject): [namespace: string, name: string] {
  return [namespace, name];
}

function protocolOf(device: Device): string {
  return textAt(device, "spec", "protocol", "protocolName");
}
