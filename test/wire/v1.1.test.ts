// Nodes of KubeEdge v1.1 beside those of today: who comes in, what they are told, what they may ask.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { limits } from "../../protocol/limits.ts";
import { kubeedgeCrds, kubeedgeCrdsOfBothEras } from "../../protocol/apis/crds.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { legacySubject } from "../../protocol/pki/legacy.ts";
import { legacyAuthority, legacyName, type PemPair } from "../support/legacy-certificates.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { addNode, connectedNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { makeNodeOfV11, rawEdgeOfV11, setReady, startCloudOfBothEras } from "../support/v11.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { testsOfV11 } from "../support/v11-tests.ts";

const { about, ask, asked, create, heard, merge, oldNode, pod, ref, remove, settle, cloudOf } = testsOfV11();
let cloud: Cloud;
beforeAll(() => void (cloud = cloudOf()));

describe("the certificate that all edges of v1.1 share", () => {
  test("lets in nodes of that era, and no other", async () => {
    const edge = await oldNode();
    expect(edge.ended()).toBeUndefined();
    await addNode(cloud.kube, "of-today");
    await expect(rawEdge(cloud, "of-today", {}, legacySubject)).rejects.toThrow("403");
    await expect(rawEdge(cloud, "without-node", {}, legacySubject)).rejects.toThrow("403");
    await expect(rawEdge(cloud, edge.node, {}, "of-today")).rejects.toThrow("403");
    const own = await rawEdge(cloud, edge.node);
    expect(own.ended()).toBeUndefined();
    own.close();
  });

  test("of a CA of its own, with RSA keys as v1.1 makes them, likewise; what that CA says of a node of today counts for nothing", async () => {
    const dir = await mkdtemp(join(tmpdir(), "skep-legacy-"));
    onTestFinished(() => rm(dir, { recursive: true }));
    const [authority, stranger] = [await legacyAuthority(), await legacyAuthority()];
    await writeFile(join(dir, "ca.crt"), authority.cert);
    const other = await startCloudOfBothEras({ legacyCaFile: join(dir, "ca.crt") });
    onTestFinished(() => other.stop());
    await makeNodeOfV11(other, "legacy");
    const dial = (node: string, pair: Partial<PemPair>) =>
      dialWebSocket({
        url: `wss://127.0.0.1:${other.core.hub.ports.websocket}/p/${node}/events`,
        secureContext: createSecureContext({ ca: other.core.hub.certificates.authority.certPem, ...pair }),
        headers: { node_id: node, project_id: "p", ConnectionUse: "msg" },
        handshakeTimeout: 5000,
        maxMessage: 1024 * 1024,
        maxFragments: limits.fragments,
        maxRefusal: limits.refusalBody,
      });
    const shared = await authority.sign(legacyName);
    await until(
      "the Node is known",
      async () => (await dial("legacy", shared).catch(() => undefined))?.isOpen,
    );
    const forged = await authority.sign("CN=system:node:of-today, O=system:nodes");
    await expect(dial("of-today", forged)).rejects.toThrow(/403.*of v1\.1's CA/);
    await expect(dial("of-today", shared)).rejects.toThrow("403");
    const others = [await stranger.sign(legacyName), await authority.sign(legacyName, -1), {}];
    for (const other of others) await expect(dial("legacy", other)).rejects.toThrow(/403.*not to be trusted/);
  });

  test("a legacy CA that is none is named at the start", async () => {
    await expect(startCloudOfBothEras({ legacyCaFile: "/nowhere/ca.crt" })).rejects.toThrow(
      "skep.legacyCAFile: there is no file /nowhere/ca.crt",
    );
  });
});

describe("services and endpoints", () => {
  test("go to every node of v1.1 and to none of today; a podlist follows each change of endpoints", async () => {
    const edge = await oldNode();
    const today = await connectedNode(cloud, "today-1");
    today.acknowledgeAll();
    await create(resources.pods, "behind", pod(edge.node), { app: "web" });
    await create(resources.services, "web", { spec: { selector: { app: "web" }, ports: [{ port: 80 }] } });
    const service = await edge.expect("the service", about("default/service/web"));
    expect(service.route).toMatchObject({ source: "edgecontroller", group: "resource", operation: "insert" });
    expect(service.header.resourceversion).toBeUndefined();
    expect(service.content).toMatchObject({ metadata: { name: "web" } });
    expect(Object.keys(service.content as object)).not.toContain("kind");
    await create(resources.endpoints, "web", {
      subsets: [{ addresses: [{ ip: "192.0.2.1" }], ports: [{ port: 80 }] }],
    });
    const list = await edge.expect("the list", about("default/podlist/web"));
    expect((list.content as KubeObject[]).map(({ metadata }) => metadata.name)).toEqual(["behind"]);
    expect(list.route.operation).toBe("update");
    const order = edge.received.map(({ route }) => route.resource);
    expect(order.indexOf("default/endpoints/web")).toBeLessThan(order.indexOf("default/podlist/web"));
    await merge(resources.services, "web", { metadata: { labels: { a: "b" } } });
    await edge.expect("its update", about("default/service/web", "update"));
    await merge(resources.endpoints, "web", { metadata: { annotations: { a: "b" } } });
    await settle(edge);
    expect(heard(edge, "default/endpoints/web"), "annotations alone say nothing").toEqual(["insert"]);
    await merge(resources.endpoints, "web", { subsets: [] });
    await edge.expect("its update", about("default/endpoints/web", "update"));
    await remove(resources.endpoints, "web");
    await remove(resources.services, "web");
    await edge.expect("the end", about("default/service/web", "delete"));
    await edge.expect("the end", about("default/endpoints/web", "delete"));
    expect(heard(edge, "default/podlist/web"), "none for a deletion").toHaveLength(2);
    expect(today.received.filter(({ route }) => /service|endpoints|podlist/.test(route.resource ?? ""))).toEqual([]);
    today.close();
  });

  test("a node that becomes Ready is sent all of them, in order; one without selector has no podlist", async () => {
    const edge = await oldNode();
    await create(resources.services, "plain", { spec: { ports: [{ port: 1 }] } });
    await create(resources.endpoints, "plain", { subsets: [] });
    await create(resources.services, "chosen", { spec: { selector: { app: "none" }, ports: [{ port: 1 }] } });
    await create(resources.endpoints, "chosen", { subsets: [] });
    await edge.expect("the last", about("default/podlist/chosen"));
    edge.received.length = 0;
    await setReady(cloud, edge.node, "True");
    await edge.expect("the lists", about("namespace/endpointslist/endpoints"));
    const resourcesHeard = edge.received.map(({ route }) => route.resource);
    expect(resourcesHeard).toEqual([
      "namespace/servicelist/service",
      "default/podlist/chosen",
      "namespace/endpointslist/endpoints",
    ]);
    const names = (m: Message | undefined) => (m?.content as KubeObject[]).map(({ metadata }) => metadata.name).sort();
    expect(names(edge.received[0])).toEqual(["chosen", "kubernetes", "plain"]);
    expect(names(edge.received[2])).toEqual(["chosen", "plain"]);
    for (const name of ["plain", "chosen"]) {
      await remove(resources.services, name);
      await remove(resources.endpoints, name);
    }
  });

  test("are asked for one by one; what is not there is not answered", async () => {
    const edge = await oldNode();
    await create(resources.services, "asked", { spec: { ports: [{ port: 80 }] } });
    await create(resources.endpoints, "asked", { subsets: [] });
    for (const type of ["service", "endpoints"]) {
      expect((await ask(edge, `default/${type}/asked`)).content).toMatchObject({ metadata: { name: "asked" } });
      const { header } = edge.send({ operation: "query", resource: `default/${type}/missing` });
      await asked(edge);
      expect(edge.received.find((m) => m.header.parent_msg_id === header.msg_id)).toBeUndefined();
    }
  });
});

describe("pods, configmaps and secrets", () => {
  test("are sent once, without version; an edge that never acknowledges is sent nothing twice", async () => {
    const edge = await oldNode();
    const { hub } = cloud.core;
    const resent = hub.totals.resent;
    await create(resources.configmaps, "once", { data: { a: "1" } });
    await create(resources.pods, "once", pod(edge.node, { envFrom: [{ configMapRef: { name: "once" } }] }));
    const first = await edge.expect("the pod", about("default/pod/once"));
    expect([first.route.operation, first.header.resourceversion]).toEqual(["insert", undefined]);
    await merge(resources.configmaps, "once", { data: { a: "2" } });
    await edge.expect("the configmap", about("default/configmap/once", "update"));
    // What a node of today gets again meanwhile, it does not.
    const today = await rawEdge(cloud, `today-${edge.node}`);
    await addNode(cloud.kube, today.node);
    await until("a message is sent again", () => hub.totals.resent > resent);
    today.close();
    expect(heard(edge, "default/pod/once")).toEqual(["insert"]);
    expect(edge.received.filter(about("default/configmap/once", "update"))).toHaveLength(1);
    expect(
      (await cloud.kube.list(resources.objectsyncs)).items.filter(({ metadata }) =>
        metadata.name.startsWith(edge.node)
      ),
    )
      .toEqual([]);
  });

  test("what happened while the edge was away reaches it when it comes back: as updates, which it takes", async () => {
    const edge = await oldNode();
    await create(resources.configmaps, "missed", { data: { a: "1" } });
    await create(resources.pods, "before", pod(edge.node, { envFrom: [{ configMapRef: { name: "missed" } }] }));
    await edge.expect("the pod", about("default/pod/before"));
    edge.close();
    await until("it is gone", () => cloud.core.hub.sessions.of(edge.node) === undefined);
    await merge(resources.configmaps, "missed", { data: { a: "2" } });
    await create(resources.pods, "meanwhile", pod(edge.node));
    const back = await oldNode(edge.node);
    for (const path of ["default/pod/before", "default/pod/meanwhile", "default/configmap/missed"]) {
      expect((await back.expect(path, about(path))).route.operation, path).toBe("update");
    }
    expect(back.received.find(about("default/configmap/missed"))?.content).toMatchObject({ data: { a: "2" } });
  });

  test("deletions of a configmap and a secret are sent, which Go forgets", async () => {
    const edge = await oldNode();
    await create(resources.configmaps, "going", { data: {} });
    await create(resources.secrets, "going", { data: {} });
    const envFrom = [{ configMapRef: { name: "going" } }, { secretRef: { name: "going" } }];
    await create(resources.pods, "user", pod(edge.node, { envFrom }));
    await settle(edge);
    await remove(resources.configmaps, "going");
    await edge.expect("its end", about("default/configmap/going", "delete"));
    await remove(resources.secrets, "going");
    await edge.expect("its end", about("default/secret/going", "delete"));
  });

  test("about its Node it is sent nothing; without it, it is disconnected", async () => {
    const edge = await oldNode();
    await setReady(cloud, edge.node, "True");
    await settle(edge);
    expect(edge.received.filter(({ route }) => (route.resource ?? "").includes("/node/"))).toEqual([]);
    await cloud.kube.delete({ resource: resources.nodes, name: edge.node });
    await until("it is disconnected", () => edge.ended());
    await until(
      "and does not come back",
      () =>
        rawEdge(cloud, edge.node, {}, legacySubject).then(
          (again) => void again.close(),
          (error: Error) => error.message.includes("403"),
        ),
    );
  });

  test("a node that is called one of the other era is spoken to anew", async () => {
    const edge = await oldNode();
    await cloud.kube.patch({ resource: resources.nodes, name: edge.node }, "merge", {
      metadata: { labels: { era: null } },
    });
    await until("it is disconnected", () => edge.ended());
  });
});

describe("a node that is sent much", () => {
  test("gets all of it at its own pace, and its cloud goes on meanwhile", async () => {
    const other = await startCloudOfBothEras();
    onTestFinished(() => other.stop());
    const at = (name: string) => ({ apiVersion: "v1", metadata: { name, namespace: "default" } });
    const text = "x".repeat(400_000);
    await makeNodeOfV11(other, "eager");
    const names = Array.from({ length: 30 }, (_, i) => `big-${i}`);
    for (const name of names) {
      await other.kube.create(resources.configmaps, { ...at(name), kind: "ConfigMap", data: { text } });
    }
    const envFrom = names.map((name) => ({ configMapRef: { name } }));
    await other.kube.create(resources.pods, { ...at("reader"), kind: "Pod", ...pod("eager", { envFrom }) });
    const edge = await rawEdgeOfV11(other, "eager");
    edge.socket.pause();
    await until(
      "some of it waits",
      () => (other.core.hub.sessions.of("eager")?.gauges().waiting ?? 0) > 5,
    );
    edge.socket.resume();
    for (const name of names) await edge.expect(name, about(`default/configmap/${name}`));
    expect(edge.ended()).toBeUndefined();
  });

  test("records of its life as a node of today go, and nothing is sent for them again and again", async () => {
    const name = "converted";
    await addNode(cloud.kube, name);
    const today = await rawEdge(cloud, name);
    today.acknowledgeAll();
    await create(resources.pods, "converted", pod(name));
    await today.expect("the pod", about("default/pod/converted"));
    const records = async () =>
      (await cloud.kube.list(resources.objectsyncs)).items.filter(({ metadata }) =>
        metadata.name.startsWith(`${name}.`)
      );
    await until("there is a record", async () => (await records()).length > 0);
    await cloud.kube.patch({ resource: resources.nodes, name }, "merge", { metadata: { labels: { era: "old" } } });
    await until("it is disconnected", () => today.ended());
    await oldNode(name);
    await until("the record is gone", async () => (await records()).length === 0);
  });
});

describe("what it asks", () => {
  test("a pod's status is stored and never answered, alone and in a list; a missing pod is to be deleted", async () => {
    const edge = await oldNode();
    const uids = await Promise.all(
      ["alone", "listed"].map(async (name) => (await create(resources.pods, name, pod(edge.node))).metadata.uid),
    );
    const status = (Name: string, UID: unknown, phase: string) => ({ UID, Name, Status: { phase } });
    const phaseOf = async (name: string) => textAt(await cloud.kube.get(ref(resources.pods, name)), "status", "phase");
    edge.send({
      operation: "update",
      resource: "default/podstatus/alone",
      content: status("alone", uids[0], "Running"),
    });
    await asked(edge);
    expect([await phaseOf("alone"), await phaseOf("listed")]).toEqual(["Running", "Pending"]);
    const list = [status("nobody", "x", "Running"), status("listed", uids[1], "Failed")];
    edge.send({ operation: "update", resource: "default/podstatus", content: list });
    await edge.expect("the stub", about("default/pod/nobody", "delete"));
    await asked(edge);
    expect(await phaseOf("listed")).toBe("Failed");
    expect(edge.received.filter(({ route }) => (route.resource ?? "").includes("podstatus"))).toEqual([]);
  });

  test("the status of a former pod, or of one in another namespace, is not that of the pod of its name; neither is to be deleted", async () => {
    const edge = await oldNode();
    const former = await create(resources.pods, "again", pod(edge.node));
    await cloud.kube.delete(ref(resources.pods, "again"), { gracePeriodSeconds: 0 });
    await create(resources.pods, "again", pod(edge.node));
    await until(
      "it has come again",
      () => heard(edge, "default/pod/again").at(-1) !== "delete" && heard(edge, "default/pod/again").length > 0,
    );
    await settle(edge);
    edge.received.length = 0;
    const content = { UID: former.metadata.uid, Name: "again", Status: { phase: "Succeeded" } };
    edge.send({ operation: "update", resource: "default/podstatus/again", content });
    edge.send({ operation: "update", resource: "default/podstatus", content: [content] });
    await asked(edge);
    expect((await cloud.kube.get(ref(resources.pods, "again"))).status).toMatchObject({ phase: "Pending" });
    expect(heard(edge, "default/pod/again")).toEqual([]);
  });

  const found: readonly (readonly [string, Resource, object])[] = [
    ["default/configmap/found", resources.configmaps, { data: { a: "1" } }],
    ["default/secret/found", resources.secrets, { data: {} }],
    [
      "null/persistentvolume/found",
      resources.persistentvolumes,
      { spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, hostPath: { path: "/data" } } },
    ],
    [
      "default/persistentvolumeclaim/found",
      resources.persistentvolumeclaims,
      { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
    ],
    [
      "default/volumeattachment/found",
      resources.volumeattachments,
      { spec: { attacher: "example.com/driver", source: { persistentVolumeName: "found" }, nodeName: "gw-0" } },
    ],
  ];
  test.each(found)("%s is answered with the object alone, without version and kind", async (path, resource, rest) => {
    const edge = await oldNode();
    const { apiVersion, kind, namespaced } = resource;
    const metadata = { name: "found", ...(namespaced ? { namespace: "default" } : {}) };
    await cloud.kube.create(resource, { apiVersion, kind, metadata, ...rest });
    const { content, header, route } = await ask(edge, path);
    expect(content).toMatchObject({ metadata: { name: "found" } });
    expect(Object.keys(content as object)).not.toContain("kind");
    expect([header.resourceversion, route.operation, route.resource]).toEqual([undefined, "response", path]);
  });

  test("its Node, and its status: answered on the type node; what can't be read costs itself alone", async () => {
    const edge = await oldNode();
    for (const content of ["{", [], 7, null, { Status: "no" }, { Status: { conditions: [null] } }]) {
      edge.send({ operation: "update", resource: `default/nodestatus/${edge.node}`, content });
      edge.send({ operation: "update", resource: "default/podstatus", content });
      edge.send({ operation: "update", resource: `default/node/${edge.node}`, content });
    }
    const status = {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "2020-01-01T00:00:00Z" }],
    };
    const content = { UID: "38796d14-1df3-11e8-8e5a-286ed488f209", Status: status, ExtendResources: null };
    const answer = await ask(edge, `default/nodestatus/${edge.node}`, "update", content);
    expect([answer.content, answer.route.resource, answer.header.resourceversion]).toEqual([
      "OK",
      `default/node/${edge.node}`,
      undefined,
    ]);
    const node = (await ask(edge, `default/node/${edge.node}`)).content as KubeObject;
    expect(node).toMatchObject({ metadata: { name: edge.node }, status: { phase: "Running" } });
    expect(textAt(node, "status", "conditions", 0, "lastHeartbeatTime")).not.toContain("2020");
    expect(edge.ended()).toBeUndefined();
  });

  test("annotations of its Node it may change, labels not", async () => {
    const edge = await oldNode();
    const update = async (metadata: object) =>
      expect((await ask(edge, `default/node/${edge.node}`, "update", { metadata })).content).toBe("OK");
    await update({ labels: { mine: "no" }, annotations: { mine: "yes" } });
    await update({ annotations: null });
    await update({ annotations: { mine: null, other: 7, $patch: "delete" } });
    const { metadata } = await cloud.kube.get({ resource: resources.nodes, name: edge.node });
    expect([metadata.annotations?.mine, metadata.annotations?.other, metadata.labels?.mine]).toEqual([
      "yes",
      undefined,
      undefined,
    ]);
  });

  test.each([
    ["insert", "null/node/x"],
    ["patch", "null/nodepatch/x"],
    ["query", "kube-node-lease/lease/x"],
    ["insert", "default/nodestatus/x"],
    ["delete", "default/pod/x"],
    ["query", "default/serviceaccounttoken/default"],
  ])("%s %s is today's, and not answered", async (operation, resource) => {
    const edge = await oldNode();
    const { header } = edge.send({ operation, resource, content: { metadata: { name: "x" } } });
    await asked(edge);
    expect(edge.received.find((m) => m.header.parent_msg_id === header.msg_id)).toBeUndefined();
  });

  test.each(["configmap", "secret", "persistentvolume", "persistentvolumeclaim", "volumeattachment", "node"])(
    "a missing %s is not answered: the edge would store the error",
    async (type) => {
      const edge = await oldNode();
      const { header } = edge.send({ operation: "query", resource: `default/${type}/missing` });
      await asked(edge);
      expect(edge.received.find((m) => m.header.parent_msg_id === header.msg_id)).toBeUndefined();
    },
  );
});

describe("with hub authorisation on", () => {
  test("a node of v1.1 may ask what its pods use and which services there are, and report for itself alone", async () => {
    const strict = await startCloudOfBothEras({ authorization: "on" });
    onTestFinished(() => strict.stop());
    const { kube } = strict;
    for (const name of ["mine", "theirs"]) {
      await makeNodeOfV11(strict, name);
      const at = { apiVersion: "v1", metadata: { name, namespace: "default" } };
      await kube.create(resources.configmaps, { ...at, kind: "ConfigMap", data: {} });
      await kube.create(resources.pods, {
        ...at,
        kind: "Pod",
        ...pod(name, { envFrom: [{ configMapRef: { name } }] }),
      });
    }
    const edge = await rawEdgeOfV11(strict, "mine");
    await edge.expect("its pod", about("default/pod/mine"));
    const answered = async (resource: string, operation = "query", content: unknown = null) => {
      const { header } = edge.send({ operation, resource, content });
      await ask(edge, "default/node/mine");
      return edge.received.some((m) => m.header.parent_msg_id === header.msg_id);
    };
    const status = (Name: string) => ({ Name, Status: { phase: "Running" } });
    expect(await answered("default/service/kubernetes")).toBe(true);
    expect(await answered("default/configmap/mine")).toBe(true);
    expect(await answered("default/configmap/theirs")).toBe(false);
    expect(await answered("default/nodestatus/mine", "update", { Status: { phase: "Running" } })).toBe(true);
    expect(await answered("default/nodestatus/theirs", "update", { Status: { phase: "Running" } })).toBe(false);
    await answered("default/podstatus/mine", "update", status("mine"));
    await answered("default/podstatus/theirs", "update", status("theirs"));
    const phase = async (name: string) =>
      textAt(await kube.get({ resource: resources.pods, namespace: "default", name }), "status", "phase");
    expect([await phase("mine"), await phase("theirs")]).toEqual(["Running", "Pending"]);
  });
});

describe("a cluster whose definitions are there already", () => {
  const start = async (seed: readonly KubeObject[], logger: Logger = silentLogger) => {
    const eras = [{ nodeSelector: { era: "old" }, era: "v1.1" as const }];
    const other = await startCloud({ config: { eras }, logger, api: { controllers: false, seed } });
    onTestFinished(() => other.stop());
    return other;
  };

  test("of today alone: nodes of v1.1 are served all else, and a warning says why they get no devices", async () => {
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), with: () => logger };
    const other = await start(kubeedgeCrds, logger);
    expect(warnings.filter((w) => w.includes("nodes of v1.1 get no devices"))).toHaveLength(1);
    await makeNodeOfV11(other, "deviceless");
    const edge = await rawEdgeOfV11(other, "deviceless");
    edge.send({ source: "twin", operation: "get", resource: "membership/detail", content: "{}" });
    await edge.expect("its lists", about("namespace/endpointslist/endpoints"));
  });

  test("of v1alpha1 alone: the start ends with what is missing and what to do", async () => {
    const old = kubeedgeCrdsOfBothEras.map((crd) => ({
      ...crd,
      spec: {
        ...crd.spec as object,
        versions: (crd.spec as { versions: { name: string }[] }).versions.filter(({ name }, _i, all) =>
          all.length === 1 || name === "v1alpha1"
        ),
      },
    }));
    await expect(start(old)).rejects.toThrow(
      /not Device in devices\.kubeedge\.io\/v1beta1, DeviceModel in .*: bring its definitions up to date.*skep cloudcore --crds/,
    );
  });
});
