// The simulated mapper as another program would be one: it registers at the edge's DMI socket and is called back on its own.
import { rm } from "node:fs/promises";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { deviceIn, modelIn } from "../../protocol/dmi/device.ts";
import type { DeviceManager, TwinReport } from "../dmi/dmi.ts";
import type { DmiClient, DmiMessage } from "../dmi/grpc.ts";
import type { SimulatedMapper } from "./mapper.ts";

/** Injected dependencies. */
export interface SocketMapperDeps {
  readonly mapper: SimulatedMapper;
  /** Path of the edge's socket; its own is beside it. */
  readonly socket: string;
  /** The protocols that it registers for, one after the other. */
  readonly protocols: readonly string[];
  readonly logger: Logger;
}

export class SocketMapper implements DeviceManager {
  readonly #deps: SocketMapperDeps;
  #client: DmiClient | undefined;
  #close: (() => Promise<void>) | undefined;

  constructor(deps: SocketMapperDeps) {
    this.#deps = deps;
  }

  /** Path of its own socket. */
  get #socket(): string {
    return this.#deps.socket.replace(/[^/]*$/, "mapper.sock");
  }

  /** Opens its socket and registers. Rejects where the edge refuses it. */
  async start(): Promise<void> {
    const { mapper, protocols, socket } = this.#deps;
    const { DmiClient, serveDmi } = await import("../dmi/grpc.ts");
    await rm(this.#socket, { force: true });
    const removed = (request: DmiMessage, what: string) =>
      [textAt(request, `${what}Namespace`), textAt(request, `${what}Name`)] as const;
    this.#close = await serveDmi("DeviceMapperService", this.#socket, {
      RegisterDevice: ({ device }) => {
        mapper.registerDevice(deviceIn(device as DmiMessage));
        return { deviceName: textAt(device, "name"), deviceNamespace: textAt(device, "namespace") };
      },
      UpdateDevice: ({ device }) => {
        mapper.updateDevice(deviceIn(device as DmiMessage));
        return {};
      },
      RemoveDevice: (request) => {
        mapper.removeDevice(...removed(request, "device"));
        return {};
      },
      CreateDeviceModel: ({ model }) => {
        mapper.putDeviceModel(modelIn(model as DmiMessage));
        return { deviceModelName: textAt(model, "name"), deviceModelNamespace: textAt(model, "namespace") };
      },
      UpdateDeviceModel: ({ model }) => {
        mapper.putDeviceModel(modelIn(model as DmiMessage));
        return {};
      },
      RemoveDeviceModel: (request) => {
        mapper.removeDeviceModel(...removed(request, "model"));
        return {};
      },
    });
    const client = new DmiClient("DeviceManagerService", socket);
    this.#client = client;
    for (const protocol of protocols) {
      const { deviceList = [], modelList = [] } = await client.call("MapperRegister", {
        withData: true,
        mapper: {
          name: `skep-${protocol}`,
          version: "v1.0.0",
          api_version: "v1.0.0",
          protocol,
          address: Buffer.from(this.#socket),
          state: "ok",
        },
      }) as { readonly deviceList?: DmiMessage[]; readonly modelList?: DmiMessage[] };
      for (const model of modelList) mapper.putDeviceModel(modelIn(model));
      for (const device of deviceList) mapper.registerDevice(deviceIn(device));
    }
  }

  async stop(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    await this.#close?.();
    this.#close = undefined;
    await rm(this.#socket, { force: true });
  }

  /** A report that the edge refuses (mostly by its rate limit) is lost until the next cycle, as with any mapper. */
  reportDeviceStatus(namespace: string, name: string, twins: readonly TwinReport[]): undefined {
    this.#call("ReportDeviceStatus", {
      deviceName: name,
      deviceNamespace: namespace,
      reportedDevice: {
        twins: twins.map(({ observedDesired, property, reported }) => ({
          propertyName: property,
          observedDesired: { value: observedDesired },
          reported: { value: reported },
        })),
      },
    });
  }

  reportDeviceStates(namespace: string, name: string, state: string): void {
    this.#call("ReportDeviceStates", { deviceName: name, deviceNamespace: namespace, state });
  }

  #call(call: string, request: object): void {
    this.#client?.call(call, request).catch((error) =>
      this.#deps.logger.debug("the edge did not take a report", { call, error: reasonOf(error) })
    );
  }
}
