// What must come right again: objects made anew or moved, an API that fails once, lanes that overflow, answers nobody takes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import { syncApi } from "../../protocol/apis/reliablesyncs.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { failCalls, refusal } from "../support/failing-api.ts";
import { addNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
let edges: Edge[];
beforeAll(async () => {
  cloud = await startCloud();
  edges = (await cloud.fleet(2, "gw")).edges();
  await until("both edges are Ready", () => edges.every((edge) => edge.isReady));
});
afterAll(() => cloud.stop());

const edge = (i = 0) => edges[i] as Edge;

const configMap = (name: string, data: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});

const pod = (name: string, node: string, configMaps: string[] = []) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: {
    nodeName: node,
    containers: [{ name: "c", image: "x", envFrom: configMaps.map((name) => ({ configMapRef: { name } })) }],
  },
});

const device = (name: string, node: string, model = "") => ({
  apiVersion: deviceApi,
  kind: "Device",
  metadata: { name, namespace: "default" },
  spec: { nodeName: node, ...(model === "" ? {} : { deviceModelRef: { name: model } }), properties: [{ name: "t" }] },
});

const model = (name: string) => ({
  apiVersion: deviceApi,
  kind: "DeviceModel",
  metadata: { name, namespace: "default" },
  spec: { properties: [{ name: "t", type: "INT", accessMode: "ReadWrite" }] },
});

const ref = (resource: Resource, name: string) => ({ resource, namespace: "default", name });
const dataOf = (name: string, of = edge()) => of.store.get(`default/configmap/${name}`)?.data as Record<string, string>;
const recordsOf = async (name: string) =>
  (await cloud.kube.list(resources.objectsyncs)).items.filter(({ spec }) =>
    (spec as { objectName?: string }).objectName === name
  );

/** cloudcore's next call of `method` for sync records fails as an overloaded API's does. */
const failOnce = (method: "create" | "patch") =>
  failCalls(cloud.core.client, "objectsyncs", refusal(500), { only: [method], times: 1 });

describe("an object made anew under its old name", () => {
  test("while the edge is away is there when it is back", async () => {
    const names = Array.from({ length: 5 }, (_, i) => `anew-${i}`);
    for (const name of names) await cloud.kube.create(resources.configmaps, configMap(name, { v: "old" }));
    await cloud.kube.create(resources.pods, pod("anew", "gw-0", names));
    await until("the edge has all", () => names.every((name) => dataOf(name)?.v === "old"));
    await until(
      "all are recorded",
      async () => (await Promise.all(names.map(recordsOf))).flat().every(({ status }) => status !== undefined),
    );
    edge().link.put({ cut: "both" });
    await until("the edge is away", () => !edge().hub.isConnected);
    for (const name of names) {
      await cloud.kube.delete(ref(resources.configmaps, name));
      await cloud.kube.create(resources.configmaps, configMap(name, { v: "new" }));
    }
    edge().link.heal();
    edge().hub.hurry();
    const settled = () => names.map((name) => dataOf(name)?.v ?? "missing").join();
    await until("the edge has the new ones", () => settled() === names.map(() => "new").join());
    await until(
      "only the new ones are recorded",
      async () => (await Promise.all(names.map(recordsOf))).every((records) => records.length === 1),
    );
    expect(settled()).toBe(names.map(() => "new").join());
  });

  test("survives a record left over from the old one", async () => {
    await cloud.kube.create(resources.configmaps, configMap("ghost", { v: "1" }));
    await cloud.kube.create(resources.pods, pod("ghost-user", "gw-0", ["ghost"]));
    await until("the edge has it", () => dataOf("ghost"));
    const name = "gw-0.00000000-dead-dead-dead-000000000000";
    await cloud.kube.create(resources.objectsyncs, {
      apiVersion: syncApi,
      kind: "ObjectSync",
      metadata: { name, namespace: "default" },
      spec: { objectAPIVersion: "v1", objectKind: "ConfigMap", objectName: "ghost" },
    });
    await until(
      "the record is gone",
      async () => await cloud.kube.find(ref(resources.objectsyncs, name)) === undefined,
    );
    await cloud.kube.patch(ref(resources.configmaps, "ghost"), "merge", { data: { v: "2" } });
    await until("the edge has the next version", () => dataOf("ghost")?.v === "2");
    const deletions = [...cloud.hops.since(0)].filter(({ hop, operation, resource }) =>
      hop === "hub.write" && operation === "delete" && resource === "default/configmap/ghost"
    );
    expect(deletions).toEqual([]);
  });
});

describe("a device", () => {
  test("that comes as another of its model goes has the model", async () => {
    await cloud.kube.create(resources.devicemodels, model("shared"));
    await cloud.kube.create(resources.devices, device("goes", "gw-0", "shared"));
    await until("the first is there", () => edge().store.get("default/device/goes"));
    edge().link.setQuality("both", { latency: 50 });
    await cloud.kube.delete(ref(resources.devices, "goes"));
    await cloud.kube.create(resources.devices, device("comes", "gw-0", "shared"));
    await until(
      "the second and the model are there",
      () =>
        edge().store.get("default/device/comes") && edge().store.get("default/devicemodel/shared") &&
        !edge().store.get("default/device/goes"),
    );
    edge().link.setQuality("both", {});
  });

  test("that moves away and back is at its node, and nowhere else", async () => {
    await cloud.kube.create(resources.devices, device("mover", "gw-0"));
    await until("it is there", () => edge().store.get("default/device/mover"));
    edge().link.setQuality("both", { latency: 50 });
    for (const nodeName of ["gw-1", "gw-0"]) {
      await cloud.kube.patch(ref(resources.devices, "mover"), "merge", { spec: { nodeName } });
      await until(
        `cloudcore has sent it to ${nodeName}`,
        () =>
          [...cloud.hops.since(0)].some(({ hop, node, operation, resource }) =>
            hop === "hub.enqueue" && node === nodeName && operation !== "delete" && resource === "default/device/mover"
          ),
      );
    }
    await until(
      "it is back",
      () =>
        edge().store.get("default/device/mover") && edge().devices.all().includes("default/mover") &&
        !edge(1).store.get("default/device/mover"),
    );
    edge().link.setQuality("both", {});
    await until(
      "and recorded there alone",
      async () => (await recordsOf("mover")).map(({ metadata }) => metadata.name.split(".")[0]).join() === "gw-0",
    );
  });
});

describe("an API that fails once", () => {
  test("when a record is made delays its object, and no more", async () => {
    failOnce("create");
    await cloud.kube.create(resources.pods, pod("late", "gw-0"));
    await until("the pod is there", () => edge().store.get("default/pod/late"));
  });

  test("when an acknowledgement is written has it written again", async () => {
    failOnce("patch");
    const made = await cloud.kube.create(resources.devices, device("unwritten", "gw-0"));
    await until("the record has the version", async () => {
      const [record] = await recordsOf("unwritten");
      return (record?.status as { objectResourceVersion?: string })?.objectResourceVersion ===
        made.metadata.resourceVersion;
    });
  });
});

test("a node deleted and registered again gets its pods", async () => {
  await cloud.kube.create(resources.pods, pod("survivor", "gw-1"));
  await until("the pod is there", () => edge(1).store.get("default/pod/survivor"));
  await cloud.kube.delete({ resource: resources.nodes, name: "gw-1" });
  // As a kubelet, it registers when it starts, not when it finds its Node gone.
  await edge(1).stop({ forget: true });
  edge(1).start();
  await until("the edge is Ready again", () => edge(1).isReady, 15_000);
  await until(
    "it has the pod, and the record says so",
    async () =>
      edge(1).store.get("default/pod/survivor") !== undefined && (await recordsOf("survivor"))[0]?.status !== undefined,
  );
});

test("a container whose image is changed is restarted with the new one", async () => {
  await cloud.kube.create(resources.pods, pod("edited", "gw-0"));
  const first = async () => {
    const { status } = await cloud.kube.get(ref(resources.pods, "edited"));
    return (status as { containerStatuses?: { image: string; restartCount: number; ready: boolean }[] })
      .containerStatuses?.[0];
  };
  await until("it runs", async () => (await first())?.ready === true);
  expect(await first()).toMatchObject({ image: "x", restartCount: 0 });
  const containers = [{ name: "c", image: "y" }];
  await cloud.kube.patch(ref(resources.pods, "edited"), "strategic", { spec: { containers } });
  await until("it runs the new image", async () => (await first())?.image === "y");
  expect(await first()).toMatchObject({ restartCount: 1, ready: true });
});

test("an edge stopped and started again connects again", async () => {
  const before = edge(1).hub.connections;
  await edge(1).stop();
  expect(edge(1).hub.isConnected).toBe(false);
  edge(1).start();
  await until("it is Ready again", () => edge(1).isReady && edge(1).hub.connections > before);
});

test("more than the lane holds arrives all the same, over one connection", async () => {
  const own = await startCloud();
  try {
    const names = Array.from({ length: 1200 }, (_, i) => `many-${i}`);
    for (let i = 0; i < names.length; i += 100) {
      await Promise.all(
        names.slice(i, i + 100).map((name) => own.kube.create(resources.devices, device(name, "gw-0"))),
      );
    }
    await until(
      "cloudcore knows them",
      () => own.api.resources.store.count("devicestatuses.devices.kubeedge.io") === names.length,
      30_000,
    );
    const [gateway] = (await own.fleet(1, "gw")).edges() as [Edge];
    await until("all are there", () => [...gateway.store.entries("device")].length === names.length, 30_000);
    expect(gateway.hub.connections).toBe(1);
    expect([...own.hops.since(0)].some(({ outcome }) => outcome.startsWith("the lane of this edge is full"))).toBe(
      true,
    );
  } finally {
    await own.stop();
  }
}, 90_000);

test("large objects that change while the edge is away arrive all the same, over one connection", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `large-${i}`);
  for (const name of names) {
    await cloud.kube.create(resources.configmaps, configMap(name, { v: "x".repeat(900_000) }));
  }
  await cloud.kube.create(resources.pods, pod("large", "gw-0", names));
  await until("the edge has all", () => names.every((name) => dataOf(name)), 30_000);
  edge().link.put({ cut: "both" });
  await until("the edge is away", () => !edge().hub.isConnected);
  for (const name of names) await cloud.kube.patch(ref(resources.configmaps, name), "merge", { data: { w: "2" } });
  const before = edge().hub.connections;
  edge().link.heal();
  edge().hub.hurry();
  await until("the edge has all as they are now", () => names.every((name) => dataOf(name)?.w === "2"), 30_000);
  expect(edge().hub.connections).toBe(before + 1);
}, 90_000);

test.each([32, 1])(
  "with a window of %d, an answer nobody acknowledges holds up nothing for long",
  async (ackWindow) => {
    const own = await startCloud({ config: { ackWindow, keepaliveInterval: 60_000, ackRetry: 50 } });
    try {
      await addNode(own.kube, "deaf");
      await own.kube.create(resources.configmaps, configMap("asked", { v: "1" }));
      await own.kube.create(resources.pods, pod("user", "deaf", ["asked"]));
      const deaf = await rawEdge(own, "deaf");
      deaf.acknowledgeAll();
      await deaf.expect("the pod", (m) => m.route.resource === "default/pod/user");
      const query = deaf.send({ operation: "query", resource: "default/configmap/asked" });
      await deaf.expect("the answer", (m) => m.header.parent_msg_id === query.header.msg_id);
      await own.kube.patch(ref(resources.configmaps, "asked"), "merge", { data: { v: "2" } });
      await own.kube.create(resources.pods, pod("other", "deaf"));
      await deaf.expect("the other pod", (m) => m.route.resource === "default/pod/other");
      await deaf.expect(
        "the change",
        (m) => m.route.operation === "update" && m.route.resource === "default/configmap/asked",
      );
      deaf.close();
    } finally {
      await own.stop();
    }
  },
);
