// The sample messages of KubeEdge v1.1's controllers: does our cloud say them, word for word, and does our edge take them?
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { profileKey } from "../../protocol/apis/device-v1alpha1.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import type { DeviceTwinUpdate, MembershipUpdate } from "../../protocol/twin/twin.ts";
import { comparable, headOf } from "../support/captured.ts";
import { edgeOfFakeCloud } from "../support/fake-cloud.ts";
import type { RawEdge } from "../support/raw-edge.ts";
import { sampleSet } from "../support/samples.ts";
import { until } from "../support/until.ts";
import { makeNodeOfV11, rawEdgeOfV11, setReady, startCloudOfBothEras } from "../support/v11.ts";
import type { Cloud } from "../support/start.ts";

const { did, expectPage, sample } = sampleSet("sample-messages-v1.1.json");
const node = "edge-1";
let cloud: Cloud;
let edge: RawEdge;
beforeAll(async () => {
  cloud = await startCloudOfBothEras();
  await makeNodeOfV11(cloud, node);
  edge = await rawEdgeOfV11(cloud, node);
});
afterAll(() => cloud.stop());

const create = (resource: Resource, metadata: KubeObject["metadata"], rest: object = {}) => {
  const { apiVersion, kind } = resource;
  return cloud.kube.create(resource, { apiVersion, kind, metadata: { namespace: "default", ...metadata }, ...rest });
};
const fits = (name: string) => {
  const { operation, resource } = sample(name).route;
  return ({ route }: Message) => route.operation === operation && route.resource === resource;
};

/** The version of the device of this run stands where the sample's stood; all else must be the sample's. */
const ofTwins = (content: unknown) =>
  JSON.parse(JSON.stringify(comparable(content)).replace(/"cloud":\d+/g, '"cloud":"*"')) as unknown;

describe("devices", () => {
  const twin = (propertyName: string, value: string, type?: string) => ({
    propertyName,
    desired: { value, ...(type === undefined ? {} : { metadata: { type } }) },
  });
  const ref = { resource: resources.devicesV1alpha1, namespace: "default", name: "sensor-tag-01" };
  const desire = (...twins: object[]) => cloud.kube.patch(ref, "merge", { status: { twins } });

  test("a device is added, gets a desired value, loses a twin, reports, and is removed", async () => {
    await create(resources.devicemodelsV1alpha1, { name: "sensor-tag-model" }, {
      spec: {
        properties: [
          {
            name: "temperature",
            description: "temperature in degree celsius",
            type: { int: { accessMode: "ReadWrite", maximum: 100, unit: "degree celsius" } },
          },
        ],
        propertyVisitors: [{
          propertyName: "temperature",
          modbus: { register: "CoilRegister", offset: 2, limit: 1, scale: 1, isSwap: true, isRegisterSwap: true },
        }],
      },
    });
    await create(
      resources.devicesV1alpha1,
      { name: "sensor-tag-01", labels: { description: "TISimplelinkSensorTag" } },
      {
        spec: {
          deviceModelRef: { name: "sensor-tag-model" },
          nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: "", operator: "In", values: [node] }] }] },
          protocol: {
            modbus: {
              rtu: { serialPort: "1", baudRate: 115200, dataBits: 8, parity: "even", stopBits: 1, slaveID: 1 },
            },
          },
        },
        status: { twins: [twin("temperature", "25", "int"), twin("temperature-enable", "OFF")] },
      },
    );
    const won = await edge.expect("the membership", fits("membership-add"));
    expect(headOf(won)).toBe(headOf(sample("membership-add")));
    expect(ofTwins(won.content)).toEqual(ofTwins(sample("membership-add").content));
    const { added_devices: added } = won.content as MembershipUpdate;
    const { metadata } = await cloud.kube.get(ref);
    expect(added?.[0]?.twin?.temperature?.expected_version?.cloud).toBe(Number(metadata.resourceVersion));
    did("what our cloud said", "membership-add");

    const profile = await until(
      "the profile",
      () =>
        cloud.kube.find({
          resource: resources.configmaps,
          namespace: "default",
          name: `device-profile-config-${node}`,
        }),
    );
    const { body } = sample("configmap-profile") as unknown as { body: { data: Record<string, string> } };
    const stored = (profile.data as Record<string, string>)[profileKey] ?? "";
    expect(JSON.parse(stored)).toEqual(JSON.parse(body.data[profileKey] ?? ""));
    did("what our cloud wrote", "configmap-profile");

    await desire(twin("temperature", "30", "int"), twin("temperature-enable", "OFF"));
    const asked = await edge.expect("what is wanted", fits("twin-cloud-updated"));
    expect(headOf(asked)).toBe(headOf(sample("twin-cloud-updated")));
    expect(ofTwins(asked.content)).toEqual(ofTwins(sample("twin-cloud-updated").content));
    did("what our cloud said", "twin-cloud-updated");

    edge.received.length = 0;
    await desire(twin("temperature", "30", "int"));
    const less = await edge.expect("one twin less", fits("twin-cloud-updated-deleted"));
    expect(ofTwins(less.content)).toEqual(ofTwins(sample("twin-cloud-updated-deleted").content));
    did("what our cloud said", "twin-cloud-updated-deleted");

    edge.received.length = 0;
    const silent = ["twin-sync-conflict", "state-report", "twin-report"];
    for (const name of silent) edge.sendText(encodeMessage(sample(name)));
    const { body: patch } = sample("twin-report-patch") as unknown as { body: { status: object } };
    const status = await until("the report is stored", async () => {
      const found = await cloud.kube.get(ref);
      return JSON.stringify(found.status).includes("reported") ? found.status : undefined;
    });
    expect(status).toEqual(patch.status);
    edge.sendText(encodeMessage(sample("membership-detail-request")));
    await edge.expect(
      "our answer, which Go does not give",
      ({ header }) => header.parent_msg_id === sample("membership-detail-request").header.msg_id,
    );
    expect(edge.received, "and none to the others").toHaveLength(1);
    did("sent to our cloud; stored as the sample's patch says, not confirmed", "twin-report", "twin-report-patch");
    did("sent to our cloud; nothing comes of it", "twin-sync-conflict", "state-report");
    did("sent to our cloud; answered (docs/deviations.md)", "membership-detail-request");

    edge.received.length = 0;
    await desire(twin("temperature", "25", "int"));
    await cloud.kube.patch(ref, "merge", { metadata: { labels: null } });
    await edge.expect("what is wanted", fits("twin-cloud-updated"));
    await cloud.kube.delete(ref);
    const lost = await edge.expect("the loss", fits("membership-remove"));
    expect(ofTwins(lost.content)).toEqual(ofTwins(sample("membership-remove").content));
    did("what our cloud said", "membership-remove");
  });
});

describe("services and endpoints", () => {
  /** What an API server fills in, and versions: the rest must be the sample's. */
  const told = (content: unknown): unknown => {
    const one = ({ metadata, spec, subsets }: KubeObject) => {
      const { ports, selector } = (spec ?? {}) as {
        readonly ports?: { readonly port: number }[];
        readonly selector?: object;
      };
      return { name: metadata.name, ports: ports?.map(({ port }) => port), selector, subsets };
    };
    return Array.isArray(content)
      ? (content as KubeObject[]).filter(({ metadata }) => metadata.name !== "kubernetes").map(one)
      : one(content as KubeObject);
  };
  const same = async (name: string) => {
    const ours = await edge.expect(name, fits(name));
    expect(headOf(ours)).toBe(headOf(sample(name)));
    expect(told(ours.content)).toEqual(told(sample(name).content));
    did("what our cloud said", name);
  };

  test("come when they are made, with the pods behind them, and all together when the node gets Ready", async () => {
    await create(resources.pods, { name: "nginx", labels: { app: "web" } }, {
      spec: { nodeName: node, containers: [{ name: "nginx", image: "nginx:1.27" }] },
    });
    await create(resources.services, { name: "web" }, { spec: { selector: { app: "web" }, ports: [{ port: 80 }] } });
    await same("seed-down-service-insert");
    await create(resources.endpoints, { name: "web" });
    await edge.expect("the endpoints", ({ route }) => route.resource === "default/endpoints/web");
    edge.received.length = 0;
    const subsets = [{ addresses: [{ ip: "10.88.0.5" }], ports: [{ port: 80 }] }];
    await cloud.kube.patch({ resource: resources.endpoints, namespace: "default", name: "web" }, "merge", { subsets });
    await same("seed-down-endpoints-update");
    await same("seed-down-podlist");
    edge.received.length = 0;
    await setReady(cloud, node, "True");
    await same("seed-down-servicelist-on-ready");
    await same("seed-down-endpointslist-on-ready");
  });
});

describe("an edge of v1.1 of ours", () => {
  test("takes each of them as the sample says", async () => {
    const received: Message[] = [];
    let socket: MessageSocket | undefined;
    const fake = await edgeOfFakeCloud(
      node,
      (accepted) => {
        socket = accepted;
        accepted.onMessage((text) => received.push(decodeMessage(text)));
      },
      {},
      "v1.1",
    );
    onTestFinished(fake.stop);
    const { devices, twin } = fake.edge;
    fake.edge.start();
    await until("the edge connects", () => socket);
    const send = (name: string) => void socket?.send(encodeMessage(sample(name)));
    const answersTo = (name: string) =>
      received.filter(({ header }) => header.parent_msg_id === sample(name).header.msg_id);
    const property = (name: string) => devices.stateOf("sensor-tag-01")?.twin[name];

    send("membership-add");
    await until("it has the device", () => property("temperature")?.desired === "25");
    send("twin-cloud-updated");
    await until("it is told", () => property("temperature")?.desired === "30");
    send("twin-cloud-updated-deleted");
    await until("a twin goes", () => property("temperature-enable") === undefined);
    devices.report("sensor-tag-01", "temperature", "23");
    const report = await until("its report", () => received.find(fits("twin-report")));
    expect(comparable(report.content)).toEqual(comparable(sample("twin-report").content));
    // What a mapper has written stands against what the cloud says without having seen it.
    twin.reported("sensor-tag-01", { temperature: { expected: { value: "27" } } });
    received.length = 0;
    send("twin-cloud-updated");
    const conflict = await until("it insists", () => received.find(fits("twin-sync-conflict")));
    const wanted = (m: Message) => (m.content as DeviceTwinUpdate).twin.temperature?.expected?.value;
    expect(wanted(conflict)).toBe(wanted(sample("twin-sync-conflict")));
    devices.reportState("sensor-tag-01", "online");
    const state = await until("its state", () => received.find(fits("state-report")));
    expect(comparable(state.content)).toEqual(comparable(sample("state-report").content));
    send("membership-remove");
    await until("it has lost the device", () => devices.all().length === 0);
    for (const name of ["membership-add", "twin-cloud-updated", "membership-remove"]) {
      expect(answersTo(name)).toEqual([]);
    }

    const stored = { "service/web": "seed-down-service-insert", "endpoints/web": "seed-down-endpoints-update" };
    for (const [path, name] of Object.entries(stored)) {
      send(name);
      await until(`${name} is acknowledged`, () => answersTo(name)[0]?.content === "OK");
      expect(fake.edge.store.get(`default/${path}`)).toEqual(sample(name).content);
    }
    send("seed-down-podlist");
    await until("the list is acknowledged", () => answersTo("seed-down-podlist")[0]);
    expect(fake.edge.store.get("default/podlist/web")?.items).toEqual(sample("seed-down-podlist").content);
    fake.edge.store.clear();
    for (const name of ["seed-down-servicelist-on-ready", "seed-down-endpointslist-on-ready"]) {
      send(name);
      await until(`${name} is acknowledged`, () => answersTo(name)[0]);
    }
    expect([...fake.edge.store.entries()].map(([path]) => path)).toEqual([
      "default/service/web",
      "default/endpoints/web",
    ]);
  });
});

test("every sample is tried or listed as not there yet, and the table of results is up to date", () => {
  expectPage({
    page: "docs/samples-v1.1.md",
    title: "The sample messages of KubeEdge v1.1, and what became of them",
    about: [
      "Each message of the controllers of 2019 that has a sample in `test/wire/sample-messages-v1.1.json` must be what our cloud says in its place, or is",
      "sent to it, by `test/wire/samples-v1.1.test.ts`; our edge of that era takes, or says, them all. This table is generated by it (`SKEP_UPDATE=1`).",
    ],
    missing: [[
      /^mqtt-/,
      "between mappers and edges, not on the hub: EventBus and DeviceTwin have tests of their own (test/wire/eventbus.test.ts)",
    ]],
  });
});
