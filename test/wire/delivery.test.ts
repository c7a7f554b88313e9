// What goes down to an edge and stays in step: records, versions, repeats, records of nodes and kinds that come and go.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../../cloud/config/config.ts";
import { KubeApiError, type KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { newMessage } from "../../protocol/message/message.ts";
import { ackOf, type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { rawSocket } from "../support/raw-frames.ts";
import { until } from "../support/until.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { anyPort, type Cloud, startApi, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

const labels = { "node-role.kubernetes.io/edge": "" };
let number = 0;

/** A node that is there, connected, alive, and that has acknowledged its own Node. */
async function client(name = `d-${++number}`): Promise<RawEdge> {
  if (await cloud.kube.find({ resource: resources.nodes, name }) === undefined) {
    await cloud.kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name, labels } });
  }
  const edge = await rawEdge(cloud, name);
  const beat = setInterval(() => {
    if (edge.ended() === undefined) edge.send({ operation: "keepalive", resource: "node" });
    else clearInterval(beat);
  }, 300);
  return edge;
}

const podOn = (node: string, name: string) =>
  cloud.kube.create(resources.pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { nodeName: node, containers: [{ name: "c", image: "i" }] },
  });
const about = (resource: string, operation?: string) => ({ route }: RawEdge["received"][number]) =>
  route.resource === resource && (operation === undefined || route.operation === operation);
const recordRef = (node: string, object: KubeObject) => ({
  resource: resources.objectsyncs as Resource,
  namespace: "default",
  name: `${node}.${object.metadata.uid}`,
});
const versionOf = async (node: string, object: KubeObject) =>
  textAt(await cloud.kube.find(recordRef(node, object)), "status", "objectResourceVersion");
const isRecorded = (node: string, object: KubeObject) => async () =>
  await versionOf(node, object) === object.metadata.resourceVersion;

/** A record of some former cloudcore: of what, and the version acknowledged. Default: no status. */
function addRecord(
  kube: KubeClient,
  name: string,
  [objectAPIVersion, objectKind, objectName]: string[],
  version?: string,
) {
  const { apiVersion, kind } = resources.objectsyncs;
  return kube.create(resources.objectsyncs, {
    apiVersion,
    kind,
    metadata: { name, namespace: "default" },
    spec: { objectAPIVersion, objectKind, objectName },
    ...(version === undefined ? {} : { status: { objectResourceVersion: version } }),
  });
}

/** Some calls of cloudcore's own client fail, as an overloaded API's do. */
function failing(method: "create" | "patch" | "delete", plural: string, code: number, times = 1): { stop(): void } {
  const own = cloud.core.client as unknown as Record<string, unknown>;
  const real = Object.getPrototypeOf(own)[method] as (...args: unknown[]) => Promise<unknown>;
  let left = times;
  own[method] = (...args: unknown[]) => {
    const [first] = args as [Resource & { resource?: Resource }];
    if ((first.resource ?? first).plural !== plural || left-- <= 0) return Reflect.apply(real, own, args);
    return Promise.reject(new KubeApiError({ status: "Failure", message: "no", reason: "Timeout", code }));
  };
  return { stop: () => delete own[method] };
}

describe("records", () => {
  test("what an edge has acknowledged is not sent again when it comes back", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const pod = await podOn(edge.node, "once");
    await until("the version is recorded", isRecorded(edge.node, pod));
    edge.close();
    await until("it has gone", () => cloud.core.hub.sessions.of(edge.node) === undefined);
    const back = await client(edge.node);
    back.acknowledgeAll();
    const next = await podOn(edge.node, "afterwards");
    await until("what is new has come", isRecorded(edge.node, next));
    expect(back.received.filter(about("default/pod/once"))).toEqual([]);
    back.close();
  });

  test("a record that somebody else has made just now does for the message too", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const failure = failing("create", "objectsyncs", 409);
    const pod = await podOn(edge.node, "raced");
    await edge.expect("the pod", about("default/pod/raced"));
    failure.stop();
    await until("its version is recorded all the same", isRecorded(edge.node, pod));
    edge.close();
  });

  test("a record that is gone when the acknowledgement comes is made anew with its version", async () => {
    const edge = await client();
    const pod = await podOn(edge.node, "unrecorded");
    const insert = await edge.expect("the pod", about("default/pod/unrecorded"));
    await cloud.kube.delete(recordRef(edge.node, pod));
    edge.send(ackOf(insert));
    await until("the record is there", isRecorded(edge.node, pod));
    edge.close();
  });

  test("a record without a status counts as nothing acknowledged (Go never sends the object then)", async () => {
    const node = `d-${++number}`;
    const pod = await podOn(node, "statusless");
    await addRecord(cloud.kube, `${node}.${pod.metadata.uid}`, ["v1", "Pod", "statusless"]);
    const edge = await client(node);
    edge.acknowledgeAll();
    await edge.expect("the pod", about("default/pod/statusless"));
    await until("its version is recorded", isRecorded(node, pod));
    edge.close();
  });

  test("a message that needs an acknowledgement and has no version is not sent, unless it deletes", async () => {
    const edge = await client();
    const say = (operation: string, name: string) =>
      cloud.core.bus.send(
        "cloudhub",
        newMessage(Date.now(), {
          source: "edgecontroller",
          group: "resource",
          operation,
          resource: `node/${edge.node}/default/configmap/${name}`,
          content: { metadata: { name, namespace: "default", uid: crypto.randomUUID() } },
        }),
      );
    await say("update", "versionless");
    await say("delete", "gone");
    await edge.expect("the deletion", about("default/configmap/gone", "delete"));
    expect(edge.received.filter(about("default/configmap/versionless"))).toEqual([]);
    expect(cloud.core.hub.totals.drops.get("no version")).toBeGreaterThan(0);
    edge.close();
  });

  test("a node whose name has dots is served and collected like any other", async () => {
    const edge = await client("dot.ted.node-1");
    edge.acknowledgeAll();
    const pod = await podOn(edge.node, "dotted");
    await until("the version is recorded", isRecorded(edge.node, pod));
    await cloud.kube.delete({ resource: resources.pods, namespace: "default", name: "dotted" }, {
      gracePeriodSeconds: 0,
    });
    await edge.expect("the deletion", about("default/pod/dotted", "delete"));
    await until("the record is gone", async () => await cloud.kube.find(recordRef(edge.node, pod)) === undefined);
    const other = await podOn(edge.node, "dotted-2");
    await until("another is recorded", isRecorded(edge.node, other));
    await cloud.kube.delete({ resource: resources.nodes, name: edge.node });
    await until(
      "its records are gone with it",
      async () => await cloud.kube.find(recordRef(edge.node, other)) === undefined,
    );
  });
});

describe("a name that is used again", () => {
  const former = (name: string, version: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", uid: "0f0f0f0f-0000-4000-8000-000000000001", resourceVersion: version },
  });
  const say = (edge: RawEdge, operation: string, content: KubeObject) =>
    cloud.core.bus.send(
      "cloudhub",
      newMessage(Date.now(), {
        source: "edgecontroller",
        group: "resource",
        operation,
        resource: `node/${edge.node}/default/configmap/${content.metadata.name}`,
        content,
        version: content.metadata.resourceVersion ?? "",
      }),
    );
  /** What came of it, in order: operation and whose. */
  const got = (edge: RawEdge, name: string) =>
    edge.received.filter(about(`default/configmap/${name}`)).map(({ content, route }) =>
      `${route.operation} ${textAt(content, "metadata", "uid").startsWith("0f0f") ? "former" : "present"}`
    );

  test.each([
    ["after the present one was sent does not take that away", "late", ["update", "delete"], [
      "insert former",
      "update present",
    ]],
    ["before it is sent before", "early", ["delete", "update"], ["insert former", "delete former", "update present"]],
  ])("a deletion of the former object that comes %s", async (_when, name, order, expected) => {
    const edge = await client();
    edge.acknowledgeAll();
    await edge.expect("its Node", about(`null/node/${edge.node}`));
    const present = await cloud.kube.create(resources.configmaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
    });
    await say(edge, "insert", former(name, "1"));
    await edge.expect("the former", about(`default/configmap/${name}`, "insert"));
    // Somebody who looks at the caches may be faster than somebody who follows events.
    for (const operation of order) await say(edge, operation, operation === "update" ? present : former(name, "2"));
    await until("the present one is recorded", isRecorded(edge.node, present));
    await until("only its record is left", async () => {
      const records = (await cloud.kube.list(resources.objectsyncs)).items;
      return records.filter(({ metadata, spec }) =>
        textAt(spec, "objectName") === name && metadata.name.startsWith(edge.node)
      ).length === 1;
    });
    expect(got(edge, name)).toEqual(expected);
    edge.close();
  });
});

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
    const failure = failing("create", "objectsyncs", 500, 2);
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
    const pod = await podOn(edge.node, "again");
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
      https: anyPort,
      clock: cloud.clock,
      random: new Random(2),
      logger: silentLogger,
    });
    try {
      const edge = await client();
      edge.acknowledgeAll();
      const pod = await podOn(edge.node, "held");
      await until("the version is recorded", isRecorded(edge.node, pod));
      await until("the other has seen it too", () => (other.hub.totals.drops.get("not connected") ?? 0) > 0);
      expect(other.hub.totals.sent).toBe(0);
      const written = (await cloud.kube.get(recordRef(edge.node, pod))).metadata.resourceVersion;
      await new Promise((resolve) => setTimeout(resolve, 1200));
      expect((await cloud.kube.get(recordRef(edge.node, pod))).metadata.resourceVersion).toBe(written);
      expect(edge.received.filter(about("default/pod/held"))).toHaveLength(1);
      edge.close();
    } finally {
      await other.stop();
    }
  });
});

describe("records of nodes that are gone", () => {
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
    const node = `d-${++number}`;
    await cloud.kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name: node, labels } });
    const edge = await client(node);
    edge.acknowledgeAll();
    const pod = await podOn(node, "sticky");
    await until("it is recorded", isRecorded(node, pod));
    const failure = failing("delete", "objectsyncs", 500, 2);
    await cloud.kube.delete({ resource: resources.nodes, name: node });
    await until(
      "the record is gone at the third try",
      async () => await cloud.kube.find(recordRef(node, pod)) === undefined,
    );
    failure.stop();
  });
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

describe("the socket", () => {
  async function frames(node: string) {
    const { authority } = cloud.core.hub.certificates;
    const subject = { commonName: nodeCommonName(node), organization: nodeOrganization };
    const pair = await issueClient(authority, subject, Date.now());
    const port = cloud.core.hub.ports.websocket;
    return await rawSocket({ port, node, ca: authority.certPem, cert: pair.certPem, key: pair.keyPem });
  }

  test("carries no ping, and ends without a close frame where no keepalive comes; a hub that stops says so in one", async () => {
    const quiet = await frames("no-ping");
    await until("it is disconnected for want of a keepalive", () => quiet.hasEnded());
    expect(quiet.opcodes.filter((opcode) => opcode >= 8)).toEqual([]);
    const own = await startCloud();
    const edge = await rawEdge(own, "stopped");
    await own.core.stop();
    expect(await until("it is told why", () => edge.ended())).toBe("closed with code 1001 (cloudcore is stopping)");
    await own.stop();
  });

  test("of a node that does not read is closed once 8 MiB wait for it; others are served meanwhile", async () => {
    const deaf = await client();
    const well = await client();
    well.acknowledgeAll();
    deaf.socket.pause();
    const big = "x".repeat(900_000);
    const say = (i: number) =>
      cloud.core.bus.send(
        "cloudhub",
        newMessage(Date.now(), {
          source: "edgecontroller",
          group: "resource",
          operation: "response",
          resource: `node/${deaf.node}/default/podlist/l${i}`,
          content: { big },
        }),
      );
    for (let i = 0; i < 24; i++) await say(i);
    await until("its session has ended", () => cloud.core.hub.sessions.of(deaf.node) === undefined);
    const pod = await podOn(well.node, "unhindered");
    await until("the other got its pod", isRecorded(well.node, pod));
    well.close();
  });
});
