// The sync loop: what must be sent or deleted again by the records of nodes, and which records go.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../../cloud/config/config.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { ackOf, type RawEdge } from "../support/raw-edge.ts";
import { failCalls, refusal } from "../support/failing-api.ts";
import { addNode, addPod, connectedNode } from "../support/nodes.ts";
import { addRecord, isRecorded as isRecordedAt, recordedVersion, recordRef } from "../support/sync-records.ts";
import { until } from "../support/until.ts";
import { anyPort, type Cloud, startApi, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

let number = 0;

/** A node that is connected and alive. */
const client = (name = `s-${++number}`) => connectedNode(cloud, name);

const newPod = (node: string, name: string) => addPod(cloud.kube, node, name);
const about = (resource: string, operation?: string) => ({ route }: RawEdge["received"][number]) =>
  route.resource === resource && (operation === undefined || route.operation === operation);
const versionOf = (node: string, object: KubeObject) => recordedVersion(cloud.kube, node, object);
const isRecorded = (node: string, object: KubeObject) => () => isRecordedAt(cloud.kube, node, object);

/** Calls of cloudcore's own client for records fail, as an overloaded API's do. */
const failing = (method: "create" | "delete", code: number, times = 1) =>
  failCalls(cloud.core.client, "objectsyncs", refusal(code), { only: [method], times });

describe("the sync loop", () => {
  test("sends devices and models in DeviceController's name", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const device = await cloud.kube.create(resources.devices, {
      apiVersion: resources.devices.apiVersion,
      kind: "Device",
      metadata: { name: "looped", namespace: "default" },
      spec: { nodeName: edge.node, protocol: { protocolName: "p" } },
    });
    await until("it is recorded", isRecorded(edge.node, device));
    // What the edge holds is older than what there is: only the loop looks at that.
    await cloud.kube.patch(recordRef(edge.node, device), "merge", { status: { objectResourceVersion: "1" } }, "status");
    const update = await edge.expect("the loop's update", about("default/device/looped", "update"));
    expect(update.route.source).toBe("devicecontroller");
    edge.close();
  });

  test("has a model removed that no device of the node uses any more, though its record says it was taken", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const { apiVersion } = resources.devicemodels;
    const model = await cloud.kube.create(resources.devicemodels, {
      apiVersion,
      kind: "DeviceModel",
      metadata: { name: "unused", namespace: "default" },
      spec: { protocol: "p" },
    });
    // A cloudcore that died between the model's deletion and the end of its record leaves this behind.
    await addRecord(
      cloud.kube,
      `${edge.node}.${model.metadata.uid}`,
      [apiVersion, "DeviceModel", "unused"],
      model.metadata.resourceVersion,
    );
    await edge.expect("the deletion", about("default/devicemodel/unused", "delete"));
    await until("the record is gone", async () => await cloud.kube.find(recordRef(edge.node, model)) === undefined);
    await cloud.kube.create(resources.devices, {
      apiVersion,
      kind: "Device",
      metadata: { name: "uses", namespace: "default" },
      spec: { nodeName: edge.node, deviceModelRef: { name: "unused" }, protocol: { protocolName: "p" } },
    });
    await edge.expect("the model, for its first device", about("default/devicemodel/unused", "insert"));
    edge.close();
  });

  test("has a deletion sent again until it is acknowledged; then the record goes", async () => {
    const edge = await client();
    const gone = { metadata: { name: "vanished", namespace: "default", uid: crypto.randomUUID() } } as KubeObject;
    await addRecord(cloud.kube, `${edge.node}.${gone.metadata.uid}`, ["v1", "ConfigMap", "vanished"], "5");
    const deletions = () => edge.received.filter(about("default/configmap/vanished", "delete"));
    await until("it comes three times", () => deletions().length >= 3);
    const [first] = deletions();
    expect(first?.content).toEqual(gone);
    expect(first?.header.resourceversion).toBeUndefined();
    edge.send(ackOf(first as RawEdge["received"][number]));
    await until("the record is gone", async () => await cloud.kube.find(recordRef(edge.node, gone)) === undefined);
    edge.close();
  });

  test("sends what has the name of a former object before it removes that one's record: in between it might end", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "renewed", namespace: "default" } };
    const present = await cloud.kube.create(resources.configmaps, configMap);
    const former = recordRef(edge.node, { metadata: { name: "renewed", uid: crypto.randomUUID() } });
    const failure = failing("create", 500, 2);
    await addRecord(cloud.kube, former.name, ["v1", "ConfigMap", "renewed"], "5");
    const seen: string[] = [];
    await until("the present one is recorded", async () => {
      const [old, version] = [await cloud.kube.find(former), await versionOf(edge.node, present)];
      seen.push(
        `${old === undefined ? "no" : "a"} record of the former, ${version === "" ? "no" : "a"} record of the present`,
      );
      return version === present.metadata.resourceVersion;
    });
    failure.stop();
    expect(seen).not.toContain("no record of the former, no record of the present");
    await until("the former's record is gone then", async () => await cloud.kube.find(former) === undefined);
    edge.close();
  });

  test("sends others what they lack while a record can't be removed", async () => {
    const stuck = await client();
    stuck.acknowledgeAll();
    const waiting = await client();
    waiting.acknowledgeAll();
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "anew", namespace: "default" } };
    const present = await cloud.kube.create(resources.configmaps, configMap);
    const pod = await newPod(waiting.node, "lacking");
    await until("the pod is recorded", isRecorded(waiting.node, pod));
    const failure = failing("delete", 500, 1000);
    const former = recordRef(stuck.node, { metadata: { name: "anew", uid: crypto.randomUUID() } });
    await addRecord(cloud.kube, former.name, ["v1", "ConfigMap", "anew"], "5");
    await until("the present one is recorded", isRecorded(stuck.node, present));
    await until("the former's record is to be removed", () => failure.calls > 0);
    const behind = { status: { objectResourceVersion: "1" } };
    await cloud.kube.patch(recordRef(waiting.node, pod), "merge", behind, "status");
    await waiting.expect("the pod again", about("default/pod/lacking", "update"), 5000);
    expect(await cloud.kube.find(former)).toBeDefined();
    failure.stop();
    await until("the former's record is gone", async () => await cloud.kube.find(former) === undefined, 20_000);
    stuck.close();
    waiting.close();
  });

  test("finds a model or device that was deleted at the edge and came back, whenever cloudcore died between", async () => {
    const edge = await client();
    const { apiVersion } = resources.devicemodels;
    const make = (name: string) =>
      cloud.kube.create(resources.devices, {
        apiVersion,
        kind: "Device",
        metadata: { name, namespace: "default" },
        spec: { nodeName: edge.node, deviceModelRef: { name: "comes-back" }, protocol: { protocolName: "p" } },
      });
    const model = await cloud.kube.create(resources.devicemodels, {
      apiVersion,
      kind: "DeviceModel",
      metadata: { name: "comes-back", namespace: "default" },
      spec: { protocol: "p" },
    });
    const isOfModel = (operation: string) => about("default/devicemodel/comes-back", operation);
    await make("last");
    const answered = new Set<string>();
    // Everything is acknowledged but the model's deletion.
    const answer = setInterval(() => {
      for (const message of edge.received) {
        const { msg_id: id, parent_msg_id: parent } = message.header;
        if (answered.has(id) || parent !== undefined || isOfModel("delete")(message)) continue;
        answered.add(id);
        edge.send(ackOf(message));
      }
    }, 10);
    await until("the model is recorded", isRecorded(edge.node, model));
    await cloud.kube.delete({ resource: resources.devices, namespace: "default", name: "last" });
    await edge.expect("the model's deletion", isOfModel("delete"));
    // Were cloudcore to die now, the next one must not believe that the edge has the model.
    expect(await versionOf(edge.node, model)).toBe("0");
    clearInterval(answer);
    edge.acknowledgeAll();
    edge.send(ackOf(edge.received.find(isOfModel("delete")) as RawEdge["received"][number]));
    await until("the record is gone", async () => await cloud.kube.find(recordRef(edge.node, model)) === undefined);
    edge.close();
  });

  test("has a pod of a former uid deleted at the edge by that uid; the present one stays", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const pod = await newPod(edge.node, "again");
    await until("it is recorded", isRecorded(edge.node, pod));
    const former = crypto.randomUUID();
    await addRecord(cloud.kube, `${edge.node}.${former}`, ["v1", "Pod", "again"], "5");
    const deletion = await edge.expect("the deletion", about("default/pod/again", "delete"));
    expect(textAt(deletion.content, "metadata", "uid")).toBe(former);
    await until("its record is gone", async () => {
      return await cloud.kube.find({
        resource: resources.objectsyncs,
        namespace: "default",
        name: `${edge.node}.${former}`,
      }) === undefined;
    });
    expect(await versionOf(edge.node, pod)).toBe(pod.metadata.resourceVersion);
    edge.close();
  });

  test("follows every kind that edges hold, also those no controller follows; unknown kinds are left alone", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const attachment = await cloud.kube.create(resources.volumeattachments, {
      apiVersion: resources.volumeattachments.apiVersion,
      kind: "VolumeAttachment",
      metadata: { name: "va" },
      spec: { attacher: "d", nodeName: edge.node, source: { persistentVolumeName: "pv" } },
    });
    const query = edge.send({ operation: "query", resource: "default/volumeattachment/va", content: null });
    const answer = await edge.expect("the answer", ({ header }) => header.parent_msg_id === query.header.msg_id);
    edge.send(ackOf(answer));
    const name = `${edge.node}.${attachment.metadata.uid}`;
    const record = { resource: resources.clusterobjectsyncs, name };
    await until("there is a record", async () => {
      return textAt(await cloud.kube.find(record), "status", "objectResourceVersion") ===
        attachment.metadata.resourceVersion;
    });
    await cloud.kube.patch({ resource: resources.volumeattachments, name: "va" }, "merge", {
      metadata: { labels: { a: "b" } },
    });
    const update = await edge.expect("the change", about("null/volumeattachment/va", "update"));
    expect(textAt(update.content, "metadata", "labels", "a")).toBe("b");
    await cloud.kube.create(resources.clusterobjectsyncs, {
      apiVersion: resources.clusterobjectsyncs.apiVersion,
      kind: "ClusterObjectSync",
      metadata: { name: `${edge.node}.${crypto.randomUUID()}` },
      spec: { objectAPIVersion: "zoo.example/v1", objectKind: "Zebra", objectName: "z" },
    });
    await cloud.kube.delete({ resource: resources.volumeattachments, name: "va" });
    await edge.expect("the deletion", about("null/volumeattachment/va", "delete"));
    await until("the record is gone", async () => await cloud.kube.find(record) === undefined);
    expect(edge.received.filter(({ route }) => route.resource?.includes("zebra"))).toEqual([]);
    edge.close();
  });

  test("of a cloudcore that does not hold the node sends it nothing and writes none of its records", async () => {
    const other = await CloudCore.start({
      kubeconfig: tokenKubeConfig(cloud.api.access),
      config: scaled(defaultConfig, 10),
      websocket: anyPort,
      https: anyPort,
      clock: cloud.clock,
      random: new Random(2),
      logger: silentLogger,
    });
    try {
      const edge = await client();
      edge.acknowledgeAll();
      const pod = await newPod(edge.node, "held");
      await until("the version is recorded", isRecorded(edge.node, pod));
      await until("the other has seen it too", () => (other.hub.totals.drops.get("not connected") ?? 0) > 0);
      const written = (await cloud.kube.get(recordRef(edge.node, pod))).metadata.resourceVersion;
      // Its loop has run since: of a node that it does hold, it has found what is behind.
      const marker = await connectedNode({ ...cloud, core: other }, `s-${++number}`);
      marker.acknowledgeAll();
      const behind = await newPod(marker.node, "behind");
      await until("the marker is recorded", isRecorded(marker.node, behind));
      await cloud.kube.patch(
        recordRef(marker.node, behind),
        "merge",
        { status: { objectResourceVersion: "1" } },
        "status",
      );
      await marker.expect("the marker again", about("default/pod/behind", "update"));
      marker.close();
      expect((await cloud.kube.get(recordRef(edge.node, pod))).metadata.resourceVersion).toBe(written);
      expect(edge.received.filter(about("default/pod/held"))).toHaveLength(1);
      edge.close();
    } finally {
      await other.stop();
    }
  });
});

describe("records of deleted nodes", () => {
  const stray = (kube: KubeClient, name: string) => addRecord(kube, name, ["v1", "Pod", "p"]);

  test("are removed at the start", async () => {
    const { api, clock } = await startApi();
    const config = tokenKubeConfig(api.access);
    const { KubeClient } = await import("../../cloud/kube/client.ts");
    const kube = new KubeClient(config);
    const name = `long-gone.${crypto.randomUUID()}`;
    await stray(kube, name);
    const core = await CloudCore.start({
      kubeconfig: tokenKubeConfig(api.access),
      config: defaultConfig,
      https: anyPort,
      clock,
      random: new Random(1),
      logger: silentLogger,
    });
    await until("the record is gone", async () => {
      return await kube.find({ resource: resources.objectsyncs, namespace: "default", name }) === undefined;
    });
    await core.stop();
    await kube.close();
    await api.stop();
  });

  test("are tried again where they can't be removed for the moment", async () => {
    const node = `s-${++number}`;
    const edge = await client(node);
    edge.acknowledgeAll();
    const pod = await newPod(node, "sticky");
    await until("it is recorded", isRecorded(node, pod));
    const failure = failing("delete", 500, 2);
    await cloud.kube.delete({ resource: resources.nodes, name: node });
    await until(
      "the record is gone at the third try",
      async () => await cloud.kube.find(recordRef(node, pod)) === undefined,
    );
    failure.stop();
  });
});

test("of a node that is there again before its records are removed they stay", async () => {
  const nodes = [`s-${++number}`, `s-${++number}`] as const;
  const [back, gone] = nodes;
  const former = (node: string) => recordRef(node, { metadata: { name: "p", uid: crypto.randomUUID() } });
  const refs = nodes.map(former);
  for (const [i, node] of nodes.entries()) {
    await addNode(cloud.kube, node);
    await addRecord(cloud.kube, refs[i]?.name ?? "", ["v1", "ConfigMap", "p"], "5");
  }
  const failure = failing("delete", 500, 1000);
  for (const name of nodes) await cloud.kube.delete({ resource: resources.nodes, name });
  await until("both are to be removed", () => failure.calls >= 2);
  const edge = await client(back);
  failure.stop();
  const [kept, removed] = refs as [ReturnType<typeof former>, ReturnType<typeof former>];
  await until(`the record of ${gone} is gone`, async () => await cloud.kube.find(removed) === undefined);
  expect(await cloud.kube.find(kept)).toBeDefined();
  edge.close();
});

describe("the CRDs", () => {
  test("of the records are created where they are missing, and left as they are where they are there", async () => {
    const { api, clock } = await startApi({ seed: [] });
    const { KubeClient } = await import("../../cloud/kube/client.ts");
    const kube = new KubeClient(tokenKubeConfig(api.access));
    const start = () =>
      CloudCore.start({
        kubeconfig: tokenKubeConfig(api.access),
        config: defaultConfig,
        https: anyPort,
        clock,
        random: new Random(1),
        logger: silentLogger,
      });
    await (await start()).stop();
    const crd = async (plural: string) =>
      await kube.get({ resource: resources.customresourcedefinitions, name: `${plural}.reliablesyncs.kubeedge.io` });
    const [namespaced, cluster] = [await crd("objectsyncs"), await crd("clusterobjectsyncs")];
    expect([textAt(namespaced, "spec", "scope"), textAt(cluster, "spec", "scope")]).toEqual(["Namespaced", "Cluster"]);
    await (await start()).stop();
    expect((await crd("objectsyncs")).metadata.resourceVersion).toBe(namespaced.metadata.resourceVersion);
    await kube.close();
    await api.stop();
  });
});
