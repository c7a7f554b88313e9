// DMI: a mapper made from the service description alone, at an edge's socket; and our simulated mapper at the same.
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { describe, expect, onTestFinished, test } from "vitest";
import type { EdgeOptions } from "../../edge-sim/edge.ts";
import type { EdgeTimings } from "../../edge-sim/timings/timings.ts";
import { limits } from "../../protocol/limits.ts";
import { newMessage } from "../../protocol/message/message.ts";
import type { DeviceTwinUpdate } from "../../protocol/twin/twin.ts";
import { workFolder } from "../support/command.ts";
import { connectedEdge, edgeOfFakeCloud } from "../support/fake-cloud.ts";
import { until } from "../support/until.ts";

const proto = protobuf.parse(readFileSync(new URL("../support/dmi.proto", import.meta.url), "utf8"), {
  keepCase: true,
});
const typeOf = (name: string) => proto.root.lookupType(`v1beta1.${name}`);
type Json = Record<string, unknown>;

const codec = (name: string) => ({
  to: (value: object) => Buffer.from(typeOf(name).encode(typeOf(name).fromObject(value)).finish()),
  from: (bytes: Uint8Array) => typeOf(name).toObject(typeOf(name).decode(bytes), { longs: Number }) as Json,
});

/** An edge with a DMI socket, and what its cloud says and hears. */
async function edgeWithDmi(more: Partial<EdgeOptions> = { mapper: "none" }, timings: Partial<EdgeTimings> = {}) {
  const folder = workFolder();
  onTestFinished(() => folder.remove());
  const socket = join(folder.path, "edge-0", "dmi.sock");
  const { edge, said, send } = await connectedEdge({
    timings,
    more: { dmi: { socket, protocols: ["modbus"] }, ...more },
  });
  const sends = (operation: string, resource: string, content: unknown) =>
    send(newMessage(0, { source: "devicecontroller", group: "resource", operation, resource, content }));
  return {
    edge,
    folder: folder.path,
    socket,
    sends,
    reports: () =>
      said.filter(({ route }) => route.resource?.endsWith("edge_updated")).map(({ content }) =>
        (content as DeviceTwinUpdate).twin
      ),
    states: () => said.filter(({ route }) => route.resource?.endsWith("state/update")),
    has: (path: string) => until(`${path} is stored`, () => edge.store.get(path)),
  };
}

const model = {
  apiVersion: "devices.kubeedge.io/v1beta1",
  kind: "DeviceModel",
  metadata: { name: "thermo", namespace: "default" },
  spec: {
    protocol: "modbus",
    protocolConfigData: { data: { baud: 9600, parity: "even" } },
    properties: [{
      name: "temperature",
      type: "FLOAT",
      accessMode: "ReadWrite",
      minimum: "0",
      maximum: "50",
      visitors: { configData: { data: { register: 1, swap: false } } },
    }],
  },
};

const device = (name: string, more: object = {}, protocolName = "modbus") => ({
  apiVersion: "devices.kubeedge.io/v1beta1",
  kind: "Device",
  metadata: { name, namespace: "default" },
  spec: {
    nodeName: "edge-0",
    deviceModelRef: { name: "thermo" },
    protocol: { protocolName, configData: { data: { baud: 19200 } } },
    properties: [{
      name: "temperature",
      desired: { value: "21" },
      reportToCloud: true,
      reportCycle: 50,
      visitors: { protocolName, configData: { data: { offset: 0.5 } } },
    }],
    ...more,
  },
});

/** A mapper: what it is told, and its calls of the edge. */
async function mapperAt(socket: string, folder: string) {
  const told: { readonly call: string; readonly request: Json }[] = [];
  const own = join(folder, "modbus.sock");
  const server = new grpc.Server();
  const requests: Record<string, string> = {
    RegisterDevice: "DeviceRequest",
    UpdateDevice: "DeviceRequest",
    RemoveDevice: "NamedDevice",
    CreateDeviceModel: "ModelRequest",
    UpdateDeviceModel: "ModelRequest",
    RemoveDeviceModel: "NamedModel",
  };
  const definition = Object.fromEntries(
    Object.entries(requests).map(([call, request]) => [call, {
      path: `/v1beta1.DeviceMapperService/${call}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: codec(request).to,
      requestDeserialize: codec(request).from,
      responseSerialize: codec("Empty").to,
      responseDeserialize: codec("Empty").from,
    }]),
  );
  server.addService(
    definition,
    Object.fromEntries(
      Object.keys(requests).map((call) => [call, (asked: { request: Json }, done: grpc.sendUnaryData<object>) => {
        told.push({ call, request: asked.request });
        done(null, {});
      }]),
    ),
  );
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(
      `unix:${own}`,
      grpc.ServerCredentials.createInsecure(),
      (error) => error ? reject(error) : resolve(),
    )
  );
  onTestFinished(() => server.forceShutdown());
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure());
  onTestFinished(() => client.close());
  const call = (name: string, request: object, form = `${name}Request`, answer = "Empty") =>
    new Promise<Json>((resolve, reject) =>
      client.makeUnaryRequest(
        `/v1beta1.DeviceManagerService/${name}`,
        codec(form).to,
        codec(answer).from,
        request,
        (error: grpc.ServiceError | null, value?: Json) =>
          error ? reject(new Error(error.details)) : resolve(value ?? {}),
      )
    );
  return {
    told,
    register: (protocol = "modbus", withData = true) =>
      call(
        "MapperRegister",
        { withData, mapper: { name: "m", protocol, address: Buffer.from(own), version: "v1" } },
        "MapperRegisterRequest",
        "MapperRegisterResponse",
      ),
    status: (deviceName: string, twins: object[]) =>
      call("ReportDeviceStatus", { deviceName, deviceNamespace: "default", reportedDevice: { twins } }),
    state: (deviceName: string, state: string) =>
      call("ReportDeviceStates", { deviceName, deviceNamespace: "default", state }),
  };
}

const twin = (reported: string, observedDesired = "") => ({
  propertyName: "temperature",
  observedDesired: { value: observedDesired },
  reported: { value: reported, metadata: { type: "float", timestamp: "1" } },
});

const any = (value: unknown) => {
  const { type_url, value: bytes } = value as { type_url: string; value: Uint8Array };
  const kind = type_url.replace("type.googleapis.com/google.protobuf.", "");
  const wrapped = Buffer.from(bytes ?? new Uint8Array());
  return [
    kind,
    kind === "FloatValue" ? wrapped.length === 0 ? 0 : wrapped.readFloatLE(1) : wrapped.subarray(2).toString(),
  ];
};

describe("a mapper at an edge's DMI socket", () => {
  test("registers with data: gets its protocol's devices with what their models say by default, and a model for each", async () => {
    const { folder, has, sends, socket } = await edgeWithDmi();
    sends("insert", "default/devicemodel/thermo", model);
    for (const d of [device("a"), device("b"), device("c", {}, "opcua")]) {
      sends("insert", `default/device/${d.metadata.name}`, d);
    }
    await has("default/device/c");
    const { register } = await mapperAt(socket, folder);
    const { deviceList, modelList } = await register() as { deviceList: Json[]; modelList: Json[] };
    expect(deviceList.map(({ name, namespace }) => [name, namespace])).toEqual([["a", "default"], ["b", "default"]]);
    expect(modelList.map(({ name }) => name)).toEqual(["thermo", "thermo"]);
    expect(modelList[0]).toMatchObject({
      spec: { properties: [{ name: "temperature", type: "FLOAT", maximum: "50" }] },
    });
    const spec = deviceList[0]?.spec as {
      deviceModelReference: string;
      protocol: { configData: { data: Json } };
      properties: { desired: Json; reportCycle: number; visitors: { configData: { data: Json } } }[];
    };
    expect(spec.deviceModelReference).toBe("thermo");
    const { data } = spec.protocol.configData;
    expect([any(data.baud), any(data.parity)]).toEqual([["FloatValue", 19200], ["StringValue", "even"]]);
    const [property] = spec.properties;
    expect(property).toMatchObject({ desired: { value: "21" }, reportCycle: 50, reportToCloud: true });
    const visitors = property?.visitors.configData.data as Json;
    expect([any(visitors.register), any(visitors.offset), any(visitors.swap)[0]]).toEqual([
      ["FloatValue", 1],
      ["FloatValue", 0.5],
      "BoolValue",
    ]);
  });

  test("without data it gets none, and is never called; without a protocol it is refused", async () => {
    const { folder, has, sends, socket } = await edgeWithDmi();
    const { register, told } = await mapperAt(socket, folder);
    expect(await register("modbus", false)).toEqual({});
    await expect(register("")).rejects.toThrow("fail to register mapper m because the protocol is nil");
    sends("insert", "default/devicemodel/thermo", model);
    sends("insert", "default/device/a", device("a"));
    await has("default/device/a");
    expect(told).toEqual([]);
  });

  test("is sent models and devices when they are created, changed and deleted; changes outside the spec it isn't", async () => {
    const { folder, sends, socket } = await edgeWithDmi();
    const { register, told } = await mapperAt(socket, folder);
    await register();
    const calls = () => told.map(({ call }) => call);
    sends("insert", "default/devicemodel/thermo", model);
    sends("insert", "default/device/a", device("a"));
    await until("the device", () => calls().includes("RegisterDevice"));
    sends("update", "default/device/a", { ...device("a"), metadata: { ...device("a").metadata, labels: { x: "y" } } });
    sends(
      "update",
      "default/device/a",
      device("a", { properties: [{ name: "temperature", desired: { value: "25" } }] }),
    );
    await until("the change", () => calls().includes("UpdateDevice"));
    sends("update", "default/devicemodel/thermo", model);
    sends("delete", "default/device/a", device("a"));
    sends("delete", "default/devicemodel/thermo", model);
    await until("the end", () => calls().includes("RemoveDeviceModel"));
    expect(calls()).toEqual([
      "CreateDeviceModel",
      "RegisterDevice",
      "UpdateDevice",
      "UpdateDeviceModel",
      "RemoveDevice",
      "RemoveDeviceModel",
    ]);
    expect(told[2]?.request).toMatchObject({ device: { spec: { properties: [{ desired: { value: "25" } }] } } });
  });

  test("is not sent a device whose data can't be wrapped, nor one whose model isn't there", async () => {
    const { folder, sends, socket } = await edgeWithDmi();
    const { register, told } = await mapperAt(socket, folder);
    await register();
    sends("insert", "default/device/early", device("early", { deviceModelRef: { name: "none" } }));
    sends("insert", "default/devicemodel/thermo", model);
    const protocol = { protocolName: "modbus", configData: { data: { list: [1, 2] } } };
    sends("insert", "default/device/odd", device("odd", { protocol }));
    sends("insert", "default/device/good", device("good"));
    await until("the good one", () => told.some(({ call }) => call === "RegisterDevice"));
    const names = told.filter(({ call }) => call === "RegisterDevice").map(({ request }) =>
      (request.device as Json).name
    );
    expect(names).toEqual(["good"]);
  });

  test("is sent the others where one device can't be written", async () => {
    const { folder, has, sends, socket } = await edgeWithDmi();
    sends("insert", "default/devicemodel/thermo", model);
    sends("insert", "default/device/odd", device("odd", { properties: [{ name: "temperature", desired: "21" }] }));
    sends("insert", "default/device/good", device("good"));
    await has("default/device/good");
    const { register } = await mapperAt(socket, folder);
    const { deviceList } = await register() as { deviceList: Json[] };
    expect(deviceList.map(({ name }) => name)).toEqual(["good"]);
  });

  test("reports: each property a message of its own, always text, with the desired value it has seen", async () => {
    const { folder, has, reports, sends, socket, states } = await edgeWithDmi();
    sends("insert", "default/devicemodel/thermo", model);
    sends("insert", "default/device/a", device("a"));
    await has("default/device/a");
    const { state, status } = await mapperAt(socket, folder);
    await status("a", [twin("21.5"), { ...twin("40"), propertyName: "humidity" }]);
    await status("a", [twin("22", "25")]);
    await state("a", "OK");
    await state("a", "disconnected");
    await until("the state", () => states().length > 0);
    expect(reports()).toMatchObject([
      { temperature: { actual: { value: "21.5" }, metadata: { type: "string" }, expected_version: { edge: 1 } } },
      { humidity: { actual: { value: "40" } } },
      { temperature: { expected: { value: "25" }, actual: { value: "22" }, actual_version: { edge: 2 } } },
    ]);
    expect(reports()[0]?.temperature?.expected).toBeUndefined();
    expect(states().map(({ content }) => JSON.parse(content as string).device.state)).toEqual(["OK"]);
  });

  test.each([
    [
      "a report without twins",
      (m: Awaited<ReturnType<typeof mapperAt>>) => m.status("a", []),
      "does not have twin data",
    ],
    [
      "a twin without its desired side",
      (m: Awaited<ReturnType<typeof mapperAt>>) => m.status("a", [{ propertyName: "t", reported: { value: "1" } }]),
      "needs observedDesired and reported",
    ],
    [
      "more twins than a report may have",
      (m: Awaited<ReturnType<typeof mapperAt>>) =>
        m.status(
          "a",
          Array.from({ length: limits.twinsOfReport + 1 }, (_, i) => ({ ...twin("1"), propertyName: `p${i}` })),
        ),
      `a report has ${limits.twinsOfReport} twins at most`,
    ],
    ["an empty state", (m: Awaited<ReturnType<typeof mapperAt>>) => m.state("a", ""), "invalid data"],
  ])("is refused %s", async (_what, call, words) => {
    const { folder, socket } = await edgeWithDmi();
    await expect(call(await mapperAt(socket, folder))).rejects.toThrow(words);
  });

  test("may report a hundred times at once, and then once a second", async () => {
    const { folder, socket } = await edgeWithDmi({ mapper: "none" }, { dmiRefill: 60_000 });
    const { status } = await mapperAt(socket, folder);
    const outcomes = await Promise.allSettled(Array.from({ length: 105 }, () => status("a", [twin("1")])));
    const refused = outcomes.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(5);
    expect((refused[0] as PromiseRejectedResult).reason.message).toBe(
      "fail to report device status because of too many request: a",
    );
  });

  test("takes the devices of its protocol over from the simulated mapper, which keeps the others", async () => {
    const { edge, folder, has, reports, sends, socket } = await edgeWithDmi({ mapper: "inside" });
    sends("insert", "default/devicemodel/thermo", model);
    sends("insert", "default/device/a", device("a"));
    sends("insert", "default/device/b", device("b", {}, "opcua"));
    await has("default/device/b");
    await until("both report", () => reports().length > 4);
    const { register } = await mapperAt(socket, folder);
    expect((await register() as { deviceList: Json[] }).deviceList).toHaveLength(1);
    expect(edge.devices.stateOf("default/b")?.twin.temperature?.desired).toBe("21");
    sends(
      "update",
      "default/device/a",
      device("a", { properties: [{ name: "temperature", desired: { value: "30" } }] }),
    );
    sends(
      "update",
      "default/device/b",
      device("b", {
        protocol: { protocolName: "opcua" },
        properties: [{ name: "temperature", desired: { value: "31" } }],
      }),
    );
    await until("the other is asked", () => edge.devices.stateOf("default/b")?.twin.temperature?.value === "31");
    expect(edge.devices.stateOf("default/a")?.twin.temperature?.desired).toBe("21");
  });
});

test("the simulated mapper connects to the socket as any other: it is sent its devices, sets desired values, and reports", async () => {
  const { edge, reports, sends } = await edgeWithDmi({ mapper: "socket" });
  sends("insert", "default/devicemodel/thermo", model);
  sends("insert", "default/device/a", device("a"));
  const report = await until(
    "its report",
    () => reports().find((t) => t.temperature?.actual?.value === "21" && t.temperature.expected?.value === "21"),
  );
  expect(report.temperature?.metadata).toEqual({ type: "string" });
  await edge.stop();
  edge.start();
  await edge.opened;
  const before = reports().length;
  await until("after a restart it is told again, and reports", () => reports().length > before);
});

test("the socket is its owner's alone, and removed with the edge; one that can't be created is an error", async () => {
  const { edge, socket } = await edgeWithDmi();
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
  await edge.stop();
  await expect(stat(socket)).rejects.toThrow("ENOENT");
  const other = await edgeOfFakeCloud("edge-1", () => {}, {}, "v1.23", {
    dmi: { socket: `/tmp/${"x".repeat(120)}/dmi.sock`, protocols: [] },
  });
  onTestFinished(other.stop);
  other.edge.start();
  await expect(other.edge.opened).rejects.toThrow("longer than 103 bytes");
});
