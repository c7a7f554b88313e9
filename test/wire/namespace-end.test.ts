// A namespace that is deleted ends, whatever its edges hold of it and whether they are there: nothing waits for a record that can't be.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resources } from "../../cloud/kube/resource.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import type { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
let fleet: Fleet;
beforeAll(async () => {
  cloud = await startCloud();
  fleet = await cloud.fleet(4, "ends");
});
afterAll(() => cloud.stop());

const edge = (index: number) => fleet.get(`ends-${index}`) as Edge;

/** A namespace with one of every kind that an edge holds, all of them there. */
async function fill(namespace: string, node: string): Promise<void> {
  const metadata = (name: string) => ({ name, namespace });
  await cloud.kube.create(resources.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await until(
    "its service account",
    () => cloud.kube.find({ resource: resources.serviceaccounts, namespace, name: "default" }),
  );
  const objects: [keyof typeof resources, KubeObject][] = [
    ["configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("c"), data: { a: "b" } }],
    ["secrets", { apiVersion: "v1", kind: "Secret", metadata: metadata("s"), data: { a: "Yg==" } }],
    ["pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: metadata("p"),
      spec: {
        nodeName: node,
        containers: [{
          name: "c",
          image: "i",
          envFrom: [{ configMapRef: { name: "c" } }, { secretRef: { name: "s" } }],
        }],
      },
    }],
    ["devicemodels", { apiVersion: deviceApi, kind: "DeviceModel", metadata: metadata("m") }],
    ["devices", {
      apiVersion: deviceApi,
      kind: "Device",
      metadata: metadata("d"),
      spec: { nodeName: node, deviceModelRef: { name: "m" }, properties: [] },
    }],
  ];
  for (const [kind, object] of objects) await cloud.kube.create(resources[kind], object);
  await until(
    "the pod runs",
    async () =>
      textAt(await cloud.kube.find({ resource: resources.pods, namespace, name: "p" }), "status", "phase") ===
        "Running",
  );
  // With the ConfigMap by which pods know the API; and its edge asked for the pod's token.
  const count = objects.length + 1;
  await until("its edge holds all", () => held(fleet.get(node) as Edge, namespace).length === count + 1);
  await until(
    "all is recorded",
    async () => (await cloud.kube.list(resources.objectsyncs, { namespace })).items.length === count,
  );
}

/** Of a namespace: what an edge's store has. */
const held = (of: Edge, namespace: string) =>
  [...of.store.entries()].map(([path]) => path).filter((path) => path.startsWith(`${namespace}/`));

const end = (name: string) => cloud.kube.delete({ resource: resources.namespaces, name });

async function untilGone(namespace: string): Promise<void> {
  const ref = { resource: resources.namespaces, name: namespace };
  await until("the namespace is gone", async () => await cloud.kube.find(ref) === undefined, 20_000);
}

/** The records go first, as a namespace controller may have it: nobody could make them again. */
async function removeRecords(namespace: string): Promise<void> {
  for (const { metadata: { name } } of (await cloud.kube.list(resources.objectsyncs, { namespace })).items) {
    await cloud.kube.delete({ resource: resources.objectsyncs, namespace, name }).catch(() => {});
  }
}

const isQuiet = () => {
  const { lane_unacknowledged, lane_waiting } = cloud.core.hub.metrics();
  return lane_unacknowledged === 0 && lane_waiting === 0;
};

describe("a deleted namespace ends, and its edge has nothing of it", () => {
  test("while the edge is there", async () => {
    await fill("there", "ends-0");
    await end("there");
    await untilGone("there");
    await until("the edge has lost all", () => held(edge(0), "there").length === 0);
    await until("no lane waits", isQuiet);
  });

  test("where its records went before its pods", async () => {
    await fill("recordless", "ends-1");
    await end("recordless");
    await removeRecords("recordless");
    await untilGone("recordless");
    await until("the edge has lost all", () => held(edge(1), "recordless").length === 0);
    await until("no lane waits", isQuiet);
  });

  test.each([["kept", 2, false], ["forgotten", 3, true]] as const)(
    "once its edge is back from being away, its store %s",
    async (how, index, forget) => {
      const namespace = `away-${how}`;
      await fill(namespace, `ends-${index}`);
      await edge(index).stop({ forget });
      await end(namespace);
      await until("the pod is to go", async () => {
        const pod = await cloud.kube.find({ resource: resources.pods, namespace, name: "p" });
        return pod?.metadata.deletionTimestamp !== undefined;
      });
      await removeRecords(namespace);
      edge(index).start();
      await untilGone(namespace);
      await until("no lane waits", isQuiet);
      // What has no record is not known to be there: it may stay, as with Go, but for the pod, which the edge itself ended.
      expect(held(edge(index), namespace).filter((path) => path.includes("/pod/"))).toEqual([]);
    },
  );
});
