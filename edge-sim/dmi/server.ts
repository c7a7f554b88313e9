// An edge's DMI server: mappers register, report, and are called back (KubeEdge v1.23 `edge/pkg/devicetwin/dmiserver/server.go`).
import { SkepError } from "../../base/error/skep-error.ts";
import { chmod, mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../base/time/clock.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Device, DeviceModel } from "../../protocol/apis/device.ts";
import { at, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { deviceMessage, modelMessage } from "../../protocol/dmi/device.ts";
import { encodeDmi } from "../../protocol/dmi/messages.ts";
import { limits } from "../../protocol/limits.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import type { DeviceMapper, Dmi } from "./dmi.ts";
import type { DmiClient, DmiMessage, Handler } from "./grpc.ts";
import { Limiter } from "../../base/queue/limiter.ts";

/** Injected dependencies. */
export interface DmiServerDeps {
  /** Path of the socket; its folder is made. */
  readonly socket: string;
  readonly dmi: Dmi;
  readonly timings: EdgeTimings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A socket that can't be listened on. */
export class DmiError extends SkepError {
  readonly code = "SKEP_DMI";
}

/** Mappers of an edge, each of a protocol of its own. */
const MAX_MAPPERS = 100;
/** Reports and registrations at once, all mappers of an edge together. */
const BURST = 100;
/** Bytes of a unix socket's path. */
const MAX_PATH = 103;

export class DmiServer {
  readonly #deps: DmiServerDeps;
  readonly #limiter: Limiter;
  /** By protocol. */
  readonly #clients = new Map<string, DmiClient>();
  #close: (() => Promise<void>) | undefined;

  constructor(deps: DmiServerDeps) {
    this.#deps = deps;
    this.#limiter = new Limiter(deps.clock, BURST, deps.timings.dmiRefill);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    await this.#close?.();
    if (this.#close !== undefined) await rm(this.#deps.socket, { force: true });
    this.#close = undefined;
  }

  /** Path of the socket. */
  get socket(): string {
    return this.#deps.socket;
  }

  /** Rejects with DmiError where the socket can't be listened on. */
  async start(): Promise<void> {
    const { socket } = this.#deps;
    if (Buffer.byteLength(socket) > MAX_PATH) {
      throw new DmiError(
        `the socket's path is longer than ${MAX_PATH} bytes, which a unix socket can't have: ${socket}`,
      );
    }
    try {
      await mkdir(dirname(socket), { recursive: true });
      // A socket that a killed process left behind can't be listened on.
      await rm(socket, { force: true });
      const { serveDmi } = await import("./grpc.ts");
      this.#close = await serveDmi("DeviceManagerService", socket, this.#handlers());
      await chmod(socket, 0o600);
    } catch (error) {
      throw new DmiError(`DMI can't be served on ${socket}: ${(error as Error).message}`);
    }
  }

  #handlers(): Record<string, Handler> {
    const { dmi } = this.#deps;
    const nameOf = (request: DmiMessage) =>
      [textAt(request, "deviceNamespace") || "default", textAt(request, "deviceName")] as const;
    const limited = (what: string, about: (request: DmiMessage) => string, handler: Handler): Handler => (request) => {
      if (!this.#limiter.allows()) throw new Error(`fail to ${what} because of too many request: ${about(request)}`);
      return handler(request);
    };
    const device = (request: DmiMessage) => textAt(request, "deviceName");
    return {
      MapperRegister: limited(
        "register mapper",
        (request) => textAt(request, "mapper", "name"),
        (request) => this.#register(request),
      ),
      ReportDeviceStatus: limited("report device status", device, (request) => {
        const twins = listAt(request, "reportedDevice", "twins");
        if (twins.length === 0) throw new Error("ReportDeviceStatusRequest does not have twin data");
        if (twins.length > limits.twinsOfReport) {
          throw new Error(`ReportDeviceStatusRequest: a report has ${limits.twinsOfReport} twins at most`);
        }
        // edgecore panics if one of the two is missing.
        const hasBoth = twins.every((twin) =>
          at(twin, "observedDesired") !== undefined && at(twin, "reported") !== undefined
        );
        if (!hasBoth) throw new Error("ReportDeviceStatusRequest: a twin needs observedDesired and reported");
        dmi.reportDeviceStatus(
          ...nameOf(request),
          twins.map((twin) => ({
            property: textAt(twin, "propertyName"),
            observedDesired: textAt(twin, "observedDesired", "value"),
            reported: textAt(twin, "reported", "value"),
          })),
        );
        return {};
      }),
      ReportDeviceStates: limited("report device states", device, (request) => {
        const state = textAt(request, "state");
        if (state === "" || device(request) === "") throw new Error("ReportDeviceStatesRequest is invalid data");
        dmi.reportDeviceStates(...nameOf(request), state);
        return {};
      }),
    };
  }

  async #register(request: DmiMessage): Promise<DmiMessage> {
    const { dmi, logger } = this.#deps;
    const protocol = textAt(request, "mapper", "protocol");
    const name = textAt(request, "mapper", "name");
    if (protocol === "") throw new Error(`fail to register mapper ${name} because the protocol is nil`);
    const address = at(request, "mapper", "address");
    const path = Buffer.from(address instanceof Uint8Array ? address : []).toString().replace(/^unix:(\/\/)?/, "");
    // Without `withData` edgecore creates no client to call the mapper.
    if (request.withData !== true) return {};
    if (!path.startsWith("/")) {
      throw new Error(`fail to create dmi client for device mapper ${name}: no socket ${path}`);
    }
    const { DmiClient } = await import("./grpc.ts");
    if (!this.#clients.has(protocol) && this.#clients.size >= MAX_MAPPERS) {
      throw new Error(`fail to register mapper ${name}: there are ${MAX_MAPPERS} already`);
    }
    this.#clients.get(protocol)?.close();
    const client = new DmiClient("DeviceMapperService", path);
    this.#clients.set(protocol, client);
    const devices = dmi.register(protocol, new MapperClient(client, (device) => dmi.modelOf(device)));
    const deviceList: object[] = [];
    const modelList: object[] = [];
    for (const device of devices) {
      const model = dmi.modelOf(device) as DeviceModel;
      try {
        const [ofDevice, ofModel] = [deviceMessage(device, model), modelMessage(model)];
        // One device that can't be encoded would make the whole answer fail.
        encodeDmi("Device", ofDevice);
        encodeDmi("DeviceModel", ofModel);
        deviceList.push(ofDevice);
        modelList.push(ofModel);
      } catch (error) {
        logger.warn("a device can't be sent to its mapper", {
          device: device.metadata.name,
          error: (error as Error).message,
        });
      }
    }
    return { deviceList, modelList };
  }
}

/** A mapper in another process, called back on its socket. */
class MapperClient implements DeviceMapper {
  readonly #client: DmiClient;
  readonly #modelOf: (device: Device) => DeviceModel | undefined;

  constructor(client: DmiClient, modelOf: (device: Device) => DeviceModel | undefined) {
    this.#client = client;
    this.#modelOf = modelOf;
  }

  async registerDevice(device: Device): Promise<void> {
    await this.#client.call("RegisterDevice", { device: deviceMessage(device, this.#modelOf(device)) });
  }

  async updateDevice(device: Device): Promise<void> {
    await this.#client.call("UpdateDevice", { device: deviceMessage(device, this.#modelOf(device)) });
  }

  async removeDevice(namespace: string, name: string): Promise<void> {
    await this.#client.call("RemoveDevice", { deviceName: name, deviceNamespace: namespace });
  }

  async putDeviceModel(model: DeviceModel, isNew: boolean): Promise<void> {
    await this.#client.call(isNew ? "CreateDeviceModel" : "UpdateDeviceModel", { model: modelMessage(model) });
  }

  async removeDeviceModel(namespace: string, name: string): Promise<void> {
    await this.#client.call("RemoveDeviceModel", { modelName: name, modelNamespace: namespace });
  }
}
