// What a node that connects costs: its own pods and devices are looked at, not those of the fleet.
import { expect, onTestFinished, test, vi } from "vitest";
import { Informer } from "../../cloud/kube/informer.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { edgeLabels } from "../support/nodes.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { startCloud } from "../support/start.ts";

const NODES = 500;
const PODS = 10;

const nodeName = (i: number) => `node-${i}`;

/** Objects of every node, put straight into the store: the API's rules are not what is tried. */
function objectsOf(i: number): [table: string, object: KubeObject][] {
  const nodeName_ = nodeName(i);
  const metadata = (name: string) => ({ name, namespace: "default", uid: `uid-of-${name}` });
  return [
    ["nodes", {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: nodeName_, uid: `uid-of-${nodeName_}`, labels: edgeLabels },
    }],
    ...Array.from({ length: PODS }, (_, p): [string, KubeObject] => ["pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: metadata(`pod-${i}-${p}`),
      spec: { nodeName: nodeName_, containers: [{ name: "c", image: "i" }] },
    }]),
    ["devices.devices.kubeedge.io", {
      apiVersion: deviceApi,
      kind: "Device",
      metadata: metadata(`device-${i}`),
      spec: { nodeName: nodeName_, deviceModelRef: { name: "m" }, properties: [] },
    }],
  ];
}

test("a node that connects has its own pods and devices looked at, not those of 499 others", async () => {
  const started = vi.spyOn(Informer.prototype, "start");
  onTestFinished(() => started.mockRestore());
  const cloud = await startCloud({ config: { keepaliveInterval: 60_000 }, api: { controllers: false } });
  onTestFinished(() => cloud.stop());
  const { store } = cloud.api.resources;
  for (let i = 0; i < NODES; i++) for (const [table, object] of objectsOf(i)) store.put(table, object);
  const pods = (started.mock.contexts as Informer[]).find(({ resource }) => resource === resources.pods);
  await until("all pods are cached", () => pods?.get("default", `pod-${NODES - 1}-${PODS - 1}`));
  const statuses = () => store.list("devicestatuses.devices.kubeedge.io").length;
  await until("all devices have been reconciled once", () => statuses() === NODES, 30_000);
  let seen = 0;
  const counted = (found: KubeObject[], { resource }: Informer) => {
    if (resource === resources.pods || resource === resources.devices) seen += found.length;
    return found;
  };
  const { get, indexed, list } = Informer.prototype;
  const spies = [
    vi.spyOn(Informer.prototype, "list").mockImplementation(function (this: Informer) {
      return counted(list.call(this), this);
    }),
    vi.spyOn(Informer.prototype, "indexed").mockImplementation(function (this: Informer, ...args) {
      return counted(indexed.apply(this, args), this);
    }),
    vi.spyOn(Informer.prototype, "get").mockImplementation(function (this: Informer, ...args) {
      const found = get.apply(this, args);
      counted(found === undefined ? [] : [found], this);
      return found;
    }),
  ];
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore();
  });
  const edge = await rawEdge(cloud, nodeName(7));
  edge.acknowledgeAll();
  const received = (what: string) => edge.received.filter(({ route }) => route.resource?.includes(what)).length;
  await until("its pods have arrived", () => received("/pod/pod-7-") === PODS);
  await until("its device has arrived", () => received("/device/device-7") >= 1);
  // Several modules look at each of them: for what it refers to, for its record, to send it.
  expect(seen).toBeLessThan(10 * (PODS + 1));
  expect(seen).toBeGreaterThanOrEqual(PODS + 1);
  edge.close();
});
