// The devices of one edge as tests and scenarios operate them: their state, and reports on command.
import { refuseTwin } from "../../protocol/twin/twin.ts";
import { DeviceError, type DeviceTwin } from "../devicetwin/devicetwin.ts";
import type { EdgeEra } from "../era/edge-era.ts";
import type { SimulatedMapper } from "./mapper.ts";

/** A property as seen at the edge: desired and reported value. */
export interface PropertyState {
  readonly desired?: string;
  readonly value?: string;
}

export class EdgeDevices {
  readonly #twin: DeviceTwin;
  readonly #mapper: SimulatedMapper;
  readonly #era: EdgeEra;

  constructor(twin: DeviceTwin, mapper: SimulatedMapper, era: EdgeEra) {
    this.#twin = twin;
    this.#mapper = mapper;
    this.#era = era;
  }

  /** Ids of those the node has. */
  all(): string[] {
    return this.#twin.devices();
  }

  get size(): number {
    return this.#twin.size;
  }

  has(id: string): boolean {
    return this.#twin.has(id);
  }

  /** A device's state and properties: as the device has them where it is a simulated one, else as its twin does. */
  stateOf(id: string): { readonly state: string; readonly twin: Record<string, PropertyState> } | undefined {
    const known = this.#twin.stateOf(id);
    if (known === undefined || !this.#era.hasDmi) return known;
    const simulated = this.#mapper.get(id)?.state();
    if (simulated === undefined) return known;
    // The twin remembers properties that the device has no longer.
    const twin = Object.entries(known.twin).filter(([name]) => Object.hasOwn(simulated, name));
    return { state: known.state, twin: { ...Object.fromEntries(twin), ...simulated } };
  }

  /** A device reports a value. Throws DeviceError where the node does not have the device, or the value may not travel. */
  report(id: string, property: string, value: string): void {
    this.#check(id, property, value);
    const known = this.#era.idOf(id);
    const device = this.#mapper.get(known);
    const refused = device === undefined
      ? this.#twin.reported(known, { [property]: { actual: { value } } })
      : device.set(property, value);
    if (refused !== undefined) throw new DeviceError(refused);
  }

  /** A device has this value from now on, without reporting it by itself. Throws as `report` does. */
  measure(id: string, property: string, value: string): void {
    this.#check(id, property, value);
    if (!this.#era.hasDmi) {
      throw new DeviceError(`${id}: devices of v1.1 say only what they are made to report: use \`report\``);
    }
    const device = this.#mapper.get(id);
    if (device === undefined) throw new DeviceError(`there is no simulated device ${id}`);
    device.measure(property, value);
  }

  /** A device's state changes, e.g. to `online`. Throws DeviceError for a device the node does not have, or no state. */
  reportState(id: string, state: string): void {
    this.#twin.reportState(id, state);
  }

  #check(id: string, property: string, value: string): void {
    const refused = this.#twin.missing(id) ?? refuseTwin(property, value);
    if (refused !== undefined) throw new DeviceError(refused);
  }
}
