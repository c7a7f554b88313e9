// An edge that knows nothing of what its sync records say it has: what it is sent when it registers, and when somebody asks for it.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { resources } from "../../cloud/kube/resource.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { skep, workFolder } from "../support/command.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { addNode, edgeLabels, processed } from "../support/nodes.ts";
import { isRecorded } from "../support/sync-records.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud({ config: { keepaliveInterval: 60_000 } })));
afterAll(() => cloud.stop());
const folder = workFolder();
afterAll(() => folder.remove());

let number = 0;

/** A connected edge that has acknowledged a pod, a device and its model. */
async function settledEdge() {
  const node = `resync-${++number}`;
  const spec = { nodeName: node };
  const metadata = (name: string) => ({ name: `${name}-${number}`, namespace: "default" });
  await addNode(cloud.kube, node);
  const objects = await Promise.all([
    cloud.kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: metadata("pod"),
      spec: { ...spec, containers: [{ name: "c", image: "i" }] },
    }),
    cloud.kube.create(resources.devicemodels, {
      apiVersion: deviceApi,
      kind: "DeviceModel",
      metadata: metadata("model"),
    }),
    cloud.kube.create(resources.devices, {
      apiVersion: deviceApi,
      kind: "Device",
      metadata: metadata("device"),
      spec: { ...spec, deviceModelRef: { name: `model-${number}` } },
    }),
  ]);
  const edge = await rawEdge(cloud, node);
  edge.acknowledgeAll();
  await until(
    "all three are recorded",
    async () => (await Promise.all(objects.map((o) => isRecorded(cloud.kube, node, o)))).every(Boolean),
  );
  return { node, edge, objects };
}

const pathOf = ({ kind = "", metadata: { name } }: KubeObject) => `default/${kind.toLowerCase()}/${name}`;
const has = (edge: RawEdge, object: KubeObject) =>
  edge.received.some(({ route, content }) =>
    route.resource === pathOf(object) && textAt(content, "metadata", "uid") === object.metadata.uid
  );
const register = (edge: RawEdge, node: string) =>
  edge.send({
    operation: "insert",
    resource: `null/node/${node}`,
    content: { metadata: { name: node, labels: edgeLabels }, status: {} },
  });

describe("an edge that comes back", () => {
  test("and registers, as a process that has just started, is sent everything, whatever its records say", async () => {
    const { edge, node, objects } = await settledEdge();
    edge.close();
    const again = await rawEdge(cloud, node);
    again.acknowledgeAll();
    register(again, node);
    for (const object of objects) await until(`it is sent ${pathOf(object)}`, () => has(again, object));
    await until(
      "membership says its device",
      () => again.received.some(({ route }) => route.resource === "membership"),
    );
    await until(
      "all are recorded again",
      async () => (await Promise.all(objects.map((object) => isRecorded(cloud.kube, node, object)))).every(Boolean),
    );
    again.close();
  });

  test("and registers while its records can't be reset has no answer, and comes again: it would register no second time", async () => {
    const { edge, node, objects } = await settledEdge();
    edge.close();
    const again = await rawEdge(cloud, node);
    again.acknowledgeAll();
    cloud.api.faults.add({ answer: 500, resources: ["objectsyncs"] });
    onTestFinished(() => cloud.api.faults.heal());
    const first = register(again, node);
    const other = again.send({ operation: "query", resource: `kube-node-lease/lease/${node}` });
    const answers = (to: Message) => again.received.filter(({ header }) => header.parent_msg_id === to.header.msg_id);
    await until("what it asks after that is answered", () => answers(other).length > 0, 30_000);
    expect(answers(first)).toEqual([]);
    expect(objects.filter((object) => has(again, object))).toEqual([]);
    cloud.api.faults.heal();
    const second = register(again, node);
    await until("it is answered", () => answers(second).length > 0);
    for (const object of objects) await until(`it is sent ${pathOf(object)}`, () => has(again, object));
  });

  test("without registering, as after a broken connection, is not sent what it has acknowledged", async () => {
    const { edge, node, objects } = await settledEdge();
    edge.close();
    const again = await rawEdge(cloud, node);
    again.acknowledgeAll();
    await processed(again);
    // The membership comes after devices have been looked at.
    await again.expect("its membership", ({ route }) => route.resource === "membership");
    expect(objects.filter((object) => has(again, object)).map(pathOf)).toEqual([]);
    again.close();
  });
});

describe("skep cloudcore resync", () => {
  test("has everything sent again to a connected node, and to no other", async () => {
    const one = await settledEdge();
    const other = await settledEdge();
    const before = { one: one.edge.received.length, other: other.edge.received.length };
    const kubeconfig = `${folder.path}/kubeconfig`;
    await writeKubeconfig(kubeconfig, cloud.api.access);
    const { code, err, out } = await skep(folder.path, "cloudcore", "resync", one.node, "--kubeconfig", kubeconfig);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(new RegExp(`^${one.node}: \\d+ objects will be sent again, at once or when it connects\\n$`));
    const later = { ...one.edge, received: [] as RawEdge["received"] };
    for (const object of one.objects) {
      await until(`it is sent ${pathOf(object)}`, () => {
        later.received.splice(0, Infinity, ...one.edge.received.slice(before.one));
        return has(later, object);
      });
    }
    expect(other.edge.received.slice(before.other).filter(({ route }) => /^default\//.test(route.resource ?? "")))
      .toEqual([]);
  });

  test("names a Node that isn't there, and ends with 2", async () => {
    const kubeconfig = `${folder.path}/kubeconfig`;
    await writeKubeconfig(kubeconfig, cloud.api.access);
    const { code, err } = await skep(folder.path, "cloudcore", "resync", "nobody", "--kubeconfig", kubeconfig);
    expect([code, err]).toEqual([2, "skep: there is no Node nobody in this cluster; `kubectl get nodes` lists them\n"]);
  });
});
