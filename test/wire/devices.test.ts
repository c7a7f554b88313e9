// Devices between the API and an edge, on real sockets: what is sent in which order, and which reports are stored.
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type Fields, type Logger, silentLogger } from "../../base/log/logger.ts";
import { KubeApiError, KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import type { Message } from "../../protocol/message/message.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { addNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
const warnings: [message: string, fields: Fields | undefined][] = [];
const logger: Logger = {
  ...silentLogger,
  warn: (message, fields) => void warnings.push([message, fields]),
  with: () => logger,
};
// Keepalives are not what is tried here.
beforeAll(async () => void (cloud = await startCloud({ config: { keepaliveInterval: 60_000 }, logger })));
afterAll(() => cloud.stop());

const model = (name: string): KubeObject => ({
  apiVersion: deviceApi,
  kind: "DeviceModel",
  metadata: { name, namespace: "default" },
  spec: { properties: [{ name: "t", type: "INT", accessMode: "ReadWrite" }] },
});

const device = (name: string, node: string, modelName: string, properties: unknown[]): KubeObject => ({
  apiVersion: deviceApi,
  kind: "Device",
  metadata: { name, namespace: "default" },
  spec: { nodeName: node, deviceModelRef: { name: modelName }, properties },
});

/** An edge that acknowledges everything that asks for it. */
async function ackingEdge(name: string): Promise<RawEdge> {
  await addNode(cloud.kube, name);
  const edge = await rawEdge(cloud, name);
  edge.acknowledgeAll();
  return edge;
}

const wants = (value: string) => [{ name: "t", desired: { value, metadata: { type: "int" } } }];
const brief = ({ route }: Message) => `${route.operation} ${route.resource}`;

describe("an edge", () => {
  test("gets whole numbers beyond 2^53 digit for digit, of a device as it is created and as it changes", async () => {
    const edge = await ackingEdge("dev-big");
    await cloud.kube.create(resources.devicemodels, model("m-big"));
    const made = device("d-big", edge.node, "m-big", [{ name: "t", reportCycle: 9007199254740993n }]);
    const protocol = { protocolName: "gige", configData: { serial: 18446744073709551615n } };
    await cloud.kube.create(resources.devices, { ...made, spec: { ...made.spec as object, protocol } });
    const texts = () =>
      edge.received.filter((m) => m.route.resource === "default/device/d-big").map((m) => JSON.stringify(m.content));
    await until("the device", () => texts().length > 0);
    const ref = { resource: resources.devices, namespace: "default", name: "d-big" };
    await cloud.kube.patch(ref, "merge", { spec: { protocol: { configData: { other: -9223372036854775808n } } } });
    await until("its change", () => texts().length > 1);
    for (const text of texts()) {
      expect(text).toContain('"reportCycle":9007199254740993');
      expect(text).toContain('"serial":18446744073709551615');
    }
    expect(texts().at(-1)).toContain('"other":-9223372036854775808');
    expect(JSON.stringify(await cloud.kube.get(ref))).toContain('"serial":18446744073709551615');
    edge.close();
  });

  test("is sent the membership, then the model, then the device; at its end all three again", async () => {
    const edge = await ackingEdge("dev-order");
    await cloud.kube.create(resources.devicemodels, model("m-order"));
    await cloud.kube.create(resources.devices, device("d-order", edge.node, "m-order", wants("20")));
    await edge.expect("the device", (m) => m.route.resource === "default/device/d-order");
    const all = ["membership", "default/devicemodel/m-order", "default/device/d-order"];
    const first = edge.received.filter((m) => all.includes(m.route.resource ?? ""));
    expect(first.map(brief)).toEqual(["update membership", `insert ${all[1]}`, `insert ${all[2]}`]);
    expect(first[0]?.content).toMatchObject({
      added_devices: [{ id: "default/d-order", name: "d-order" }],
      removed_devices: null,
    });
    await cloud.kube.delete({ resource: resources.devices, namespace: "default", name: "d-order" });
    await edge.expect("the deletion", (m) => brief(m) === `delete ${all[2]}`);
    const membership = edge.received.filter((m) => m.route.resource === "membership").at(-1);
    expect(membership?.content).toMatchObject({ added_devices: null, removed_devices: [{ id: "default/d-order" }] });
    expect(edge.received.map(brief)).toContain(`delete ${all[1]}`);
    edge.close();
  });

  test("gets a faulty device all the same; the log says what is wrong with it", async () => {
    const edge = await ackingEdge("dev-faulty");
    await cloud.kube.create(resources.devicemodels, model("m-faulty"));
    await cloud.kube.create(resources.devices, device("d-faulty", edge.node, "m-faulty", wants("21 °C")));
    await edge.expect("the device", (m) => m.route.resource === "default/device/d-faulty");
    const fields = warnings.find(([message]) => message === "a device is invalid")?.[1];
    expect(fields).toMatchObject({ key: "default/d-faulty", faults: expect.stringContaining('value "21 °C"') });
    edge.close();
  });
});

describe("a report", () => {
  const report = (value: string) => ({
    event_id: "",
    timestamp: 5,
    twin: { t: { actual: { value, metadata: { timestamp: 5 } }, metadata: { type: "int" } } },
  });
  const statusOf = (name: string) =>
    cloud.kube.find({ resource: resources.devicestatuses, namespace: "default", name });

  test("is stored, the first one too, and confirmed after that", async () => {
    const edge = await ackingEdge("dev-report");
    await cloud.kube.create(resources.devicemodels, model("m-report"));
    await cloud.kube.create(resources.devices, device("d-report", edge.node, "m-report", wants("20")));
    await edge.expect("the device", (m) => m.route.resource === "default/device/d-report");
    const resource = "device/default/d-report/twin/edge_updated";
    const sent = edge.send({ operation: "update", source: "twin", resource, content: report("19") });
    const answer = await edge.expect("the confirmation", (m) => m.header.parent_msg_id === sent.header.msg_id);
    expect(answer.route).toMatchObject({ source: "devicecontroller", group: "twin", operation: "response" });
    expect((await statusOf("d-report"))?.status).toMatchObject({
      twins: [{ propertyName: "t", reported: { value: "19", metadata: { timestamp: "5", type: "int" } } }],
    });
    edge.close();
  });

  test("that the API refuses holds up no other of its device", async () => {
    const edge = await ackingEdge("dev-poison");
    await cloud.kube.create(resources.devicemodels, model("m-poison"));
    await cloud.kube.create(
      resources.devices,
      device("d-poison", edge.node, "m-poison", [...wants("20"), { name: "u" }]),
    );
    await edge.expect("the device", (m) => m.route.resource === "default/device/d-poison");
    const { patch } = KubeClient.prototype;
    const refusal = { status: "Failure", message: "no such value", reason: "Invalid", code: 422 } as const;
    const spy = vi.spyOn(KubeClient.prototype, "patch").mockImplementation(function (this: KubeClient, ...args) {
      const isRefused = JSON.stringify(args[2]).includes("poison");
      return isRefused ? Promise.reject(new KubeApiError(refusal)) : patch.apply(this, args);
    });
    onTestFinished(() => spy.mockRestore());
    const resource = "device/default/d-poison/twin/edge_updated";
    const poison = { event_id: "", timestamp: 5, twin: { u: { actual: { value: "poison" }, metadata: {} } } };
    const say = (content: unknown) => edge.send({ operation: "update", source: "twin", resource, content });
    const sent = [report("1"), report("2"), poison, report("4"), report("5")].map(say);
    const isConfirmed = (m: Message) => edge.received.some((a) => a.header.parent_msg_id === m.header.msg_id);
    await until("the others are confirmed", () => sent.filter(isConfirmed).length === 4);
    expect(isConfirmed(sent[2] as Message)).toBe(false);
    expect(JSON.stringify((await statusOf("d-poison"))?.status)).toContain('"value":"5"');
    edge.close();
  });

  test("of another node's device changes nothing and is not confirmed", async () => {
    const [owner, other] = [await ackingEdge("dev-owner"), await ackingEdge("dev-other")];
    await cloud.kube.create(resources.devicemodels, model("m-owned"));
    await cloud.kube.create(resources.devices, device("d-owned", owner.node, "m-owned", wants("20")));
    await owner.expect("the device", (m) => m.route.resource === "default/device/d-owned");
    const resource = "device/default/d-owned/twin/edge_updated";
    const sent = other.send({ operation: "update", source: "twin", resource, content: report("666") });
    const refused = "a report of a device that the node does not have was refused";
    await until(
      "the refusal is logged",
      () => warnings.some(([m, f]) => m === refused && f?.id === sent.header.msg_id),
    );
    expect((await statusOf("d-owned"))?.status ?? {}).toEqual({});
    expect(other.received.some((m) => m.header.parent_msg_id === sent.header.msg_id)).toBe(false);
    owner.close();
    other.close();
  });
});
