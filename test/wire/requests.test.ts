// What comes up from an edge, seen on its socket and in the API: who may come how, what is served, and in which order.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { defaultConfig } from "../../cloud/config/config.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { createSecureContext } from "node:tls";
import { limits } from "../../protocol/limits.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { legacySubject, nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { failCalls, interceptCalls, refusal } from "../support/failing-api.ts";
import { addNode, processed } from "../support/nodes.ts";
import { startStillCloud } from "../support/still-cloud.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

let number = 0;

describe("the upgrade", () => {
  test.each([["/", "p"], ["/any/where/at?all=1", ""], ["/e632aba927ea4ac2b575ec1603d56f10/x/events", "other"]])(
    "path %s and project_id %j are served like any other",
    async (path, project) => {
      const { authority } = cloud.core.hub.certificates;
      const subject = { commonName: nodeCommonName("paths"), organization: nodeOrganization };
      const pair = await issueClient(authority, subject, Date.now());
      const socket = await dialWebSocket({
        url: `wss://127.0.0.1:${cloud.core.hub.ports.websocket}${path}`,
        secureContext: createSecureContext({ ca: authority.certPem, cert: pair.certPem, key: pair.keyPem }),
        headers: { node_id: "paths", ConnectionUse: "msg", ...(project === "" ? {} : { project_id: project }) },
        handshakeTimeout: 5000,
        maxMessage: 1024 * 1024,
        maxFragments: limits.fragments,
        maxRefusal: limits.refusalBody,
      });
      await until("it has a session", () => cloud.core.hub.sessions.of("paths"));
      socket.close();
      await until("it has none any more", () => cloud.core.hub.sessions.of("paths") === undefined);
    },
  );

  test("with the certificate that all edges of v1.1 share is refused, and taken where the header says who an edge is", async () => {
    const open = await startCloud({ config: { identity: "header" } });
    try {
      for (const [at, status] of [[cloud, 403], [open, undefined]] as const) {
        const { authority } = at.core.hub.certificates;
        const pair = await issueClient(authority, legacySubject, Date.now());
        const dialled = dialWebSocket({
          url: `wss://127.0.0.1:${at.core.hub.ports.websocket}/p/old/events`,
          secureContext: createSecureContext({ ca: authority.certPem, cert: pair.certPem, key: pair.keyPem }),
          headers: { node_id: "old", ConnectionUse: "msg" },
          handshakeTimeout: 5000,
          maxMessage: 1024 * 1024,
          maxFragments: limits.fragments,
          maxRefusal: limits.refusalBody,
        });
        if (status === undefined) (await dialled).close();
        else await expect(dialled).rejects.toMatchObject({ status });
      }
    } finally {
      await open.stop();
    }
  });

  test("the Node gets its cloudcore's address only where it has another, and again where the API fails", async () => {
    await addNode(cloud.kube, "told", { annotations: { cloudcore: "127.0.0.1" } });
    const { metadata: { resourceVersion } } = await cloud.kube.get({ resource: resources.nodes, name: "told" });
    const edge = await rawEdge(cloud, "told");
    await processed(edge);
    expect((await cloud.kube.get({ resource: resources.nodes, name: "told" })).metadata.resourceVersion).toBe(
      resourceVersion,
    );
    await addNode(cloud.kube, "untold");
    using failure = failCalls(cloud.core.client, "nodes", refusal(500), { only: ["patch"], times: 1 });
    const other = await rawEdge(cloud, "untold");
    await until("it is told at the second try", async () => {
      const node = await cloud.kube.get({ resource: resources.nodes, name: "untold" });
      return textAt(node, "metadata", "annotations", "cloudcore") === "127.0.0.1";
    });
    expect(failure.calls).toBe(2);
    edge.close();
    other.close();
  });
});

describe("a keepalive", () => {
  test("is recognised by its operation alone", async () => {
    const keepaliveInterval = 3_000;
    const { cloud: still, clock } = await startStillCloud({ keepaliveInterval });
    const edge = await rawEdge(still, "alive");
    for (let i = 0; i < 5; i++) {
      edge.send({ operation: "keepalive", source: "x", group: "y", resource: "a/b/c/d", content: { any: 1 } });
      await processed(edge);
      clock.advance(keepaliveInterval - 1);
    }
    await processed(edge);
    expect(edge.ended()).toBeUndefined();
    edge.close();
  });
});

describe("a request", () => {
  test.each([["edged", "meta"], ["anybody", "anything"], ["", ""], ["metamanager", "user"]])(
    "of source %j and group %j is served",
    async (source, group) => {
      const edge = await rawEdge(cloud, "served");
      const query = edge.send({
        operation: "query",
        resource: "kube-node-lease/lease/served",
        source,
        group,
        content: null,
      });
      await edge.expect("an answer", ({ header }) => header.parent_msg_id === query.header.msg_id);
      edge.close();
    },
  );

  test.each([
    ["prepull", "edged", "x/y/z"],
    ["upgrade", "edged", "x/y/z"],
    ["UpdateNodeActionStatus", "edged", "x/y/z"],
    ["null", "metaserver", "null"],
    ["explode", "edged", "default/pod/x"],
    ["query", "edged", "default/zebra/x"],
    ["query", "edged", "default"],
    ["query", "edged", ""],
    ["query", "edged", "//"],
    ["query", "edged", "/configmap/x"],
    ["list", "edged", "default/podlist"],
    ["query", "edged", "default/pod/x"],
  ])("%s of %s about %j gets no answer and ends nothing", async (operation, source, resource) => {
    const edge = await rawEdge(cloud, "unserved");
    const sent = edge.send({ operation, source, resource, content: null });
    await processed(edge);
    expect(edge.received.filter(({ header }) => header.parent_msg_id === sent.header.msg_id)).toEqual([]);
    expect(edge.ended()).toBeUndefined();
    edge.close();
  });

  test("is answered after those that came before it on the same connection; leases keep their own order and wait for no other", async () => {
    const edge = await rawEdge(cloud, "orderly");
    const sent: Record<string, string[]> = { leases: [], others: [] };
    for (let i = 0; i < 30; i++) {
      const resource = ["kube-node-lease/lease/orderly", "default/configmap/none", "null/node/none"][i % 3] as string;
      const { header } = edge.send({ operation: "query", resource, content: null });
      sent[i % 3 === 0 ? "leases" : "others"]?.push(header.msg_id);
    }
    const answered = (ids: readonly string[]) =>
      edge.received.map(({ header }) => header.parent_msg_id ?? "").filter((id) => ids.includes(id));
    const { leases = [], others = [] } = sent;
    await until("all are answered", () => answered([...leases, ...others]).length === 30);
    expect(answered(leases)).toEqual(leases);
    expect(answered(others)).toEqual(others);
    edge.close();
  });
});

describe("an acknowledgement", () => {
  test("of one node for a message of another does not count", async () => {
    await addNode(cloud.kube, "acks-a");
    await addNode(cloud.kube, "acks-b");
    const [a, b] = [await rawEdge(cloud, "acks-a"), await rawEdge(cloud, "acks-b")];
    const update = await a.expect("its Node", ({ route }) => route.resource === "null/node/acks-a");
    b.send({
      operation: "response",
      source: "edgecontroller",
      group: "resource",
      parent: update.header.msg_id,
      content: "OK",
    });
    await processed(b);
    const sends = () => a.received.filter(({ header }) => header.msg_id === update.header.msg_id);
    await until("it is sent again", () => sends().length >= 2);
    a.send({
      operation: "response",
      source: "edgecontroller",
      group: "resource",
      parent: update.header.msg_id,
      content: "OK",
    });
    a.close();
    b.close();
  });
});

describe("an object that an edge writes", () => {
  test("goes where its path and its own name lead, whatever else its metadata says", async () => {
    const edge = await rawEdge(cloud, "steers");
    const { call } = KubeClient.prototype;
    const paths: string[] = [];
    const spied = vi.spyOn(KubeClient.prototype, "call").mockImplementation(
      function (this: KubeClient, method, path, ...rest) {
        if (method === "PUT" && !path.endsWith("/leases/skep-cloudcore")) paths.push(path);
        return Reflect.apply(call, this, [method, path, ...rest]);
      },
    );
    const resource = { apiVersion: "v1", plural: "services/http:svc:80/proxy/admin", namespaced: true };
    edge.send({ operation: "update", resource: "kube-system/lease/n", content: { metadata: { resource }, spec: {} } });
    edge.send({
      operation: "update",
      resource: "default/event/e",
      content: { metadata: { name: "e", namespace: "default", resource } },
    });
    await processed(edge);
    spied.mockRestore();
    expect(paths).toEqual([
      "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n",
      "/api/v1/namespaces/default/events/e",
    ]);
    edge.close();
  });
});

describe("a request that names nothing", () => {
  test.each([
    ["delete", "default/pod", { gracePeriodSeconds: 0 }],
    ["query", "null/node", null],
    ["query", "kube-node-lease/lease", null],
    ["patch", "null/nodepatch", JSON.stringify({ status: { phase: "Terminated" } })],
    ["patch", "default/podpatch", JSON.stringify({ status: { phase: "Failed" } })],
    ["update", "null/node", { metadata: { labels: { taken: "over" } } }],
  ])("%s of %s touches nothing and tells nothing", async (operation, resource, content) => {
    const name = `named-${number++}`;
    await addNode(cloud.kube, name);
    const metadata = { name, namespace: "default" };
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { nodeName: name, containers: [{ name: "c", image: "i" }] },
    };
    await cloud.kube.create(resources.pods, pod);
    const edge = await rawEdge(cloud, name);
    const lists = () => Promise.all([resources.pods, resources.nodes].map((kind) => cloud.kube.list(kind)));
    await until(
      "its Node is annotated",
      async () =>
        textAt(await cloud.kube.get({ resource: resources.nodes, name }), "metadata", "annotations", "cloudcore"),
    );
    const before = (await lists()).map(({ items }) => items.map((item) => item.metadata.resourceVersion));
    const sent = edge.send({ operation, resource, content });
    await processed(edge);
    const answer = edge.received.find(({ header }) => header.parent_msg_id === sent.header.msg_id);
    expect(JSON.stringify(answer?.content ?? "")).not.toContain('"items"');
    expect(answer?.content).not.toBe("OK");
    expect((await lists()).map(({ items }) => items.map((item) => item.metadata.resourceVersion))).toEqual(before);
    edge.close();
  });
});

describe("a status of an older edge", () => {
  const asking = (edge: RawEdge) => async (operation: string, resource: string, content: unknown) => {
    const sent = edge.send({ operation, resource, content });
    return await edge.expect("the answer", ({ header }) => header.parent_msg_id === sent.header.msg_id);
  };

  test("of a pod is kept to the second, containers in order, conditions that did not change as old as they are", async () => {
    await addNode(cloud.kube, "old-s");
    const initContainers = ["second", "first"].map((name) => ({ name, image: "i" }));
    await cloud.kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "kept", namespace: "default" },
      spec: { nodeName: "old-s", initContainers, containers: [{ name: "a", image: "i" }, { name: "b", image: "i" }] },
    });
    const edge = await rawEdge(cloud, "old-s");
    const ask = asking(edge);
    const status = (ready: string, at: string) => ({
      phase: "Running",
      startTime: "2026-01-01T00:00:00.123456Z",
      conditions: [{ type: "Ready", status: ready, lastTransitionTime: at }, {
        type: "Other",
        status: "True",
        lastTransitionTime: at,
      }],
      containerStatuses: ["b", "a"].map((name) => ({
        name,
        state: { running: { startedAt: "2026-01-01T00:00:01.5Z" } },
      })),
      initContainerStatuses: ["first", "second"].map((name) => ({ name })),
    });
    const ref = { resource: resources.pods, namespace: "default", name: "kept" };
    await ask("update", "default/podstatus/kept", { Name: "kept", Status: status("True", "2020-01-01T00:00:00Z") });
    const first = (await cloud.kube.get(ref)).status as ReturnType<typeof status>;
    expect(first).toMatchObject({
      startTime: "2026-01-01T00:00:00Z",
      containerStatuses: [{ name: "a", state: { running: { startedAt: "2026-01-01T00:00:01Z" } } }, { name: "b" }],
      initContainerStatuses: [{ name: "second" }, { name: "first" }],
    });
    await ask("update", "default/podstatus/kept", { Name: "kept", Status: status("True", "2021-01-01T00:00:00Z") });
    const second = (await cloud.kube.get(ref)).status as ReturnType<typeof status>;
    const times = (of: ReturnType<typeof status>) => of.conditions.map(({ lastTransitionTime }) => lastTransitionTime);
    expect(times(second)).toEqual([times(first)[0], "2021-01-01T00:00:00Z"]);
    edge.close();
  });

  test("of a pod that is being deleted ends it once its containers have ended, with a reason or without", async () => {
    await addNode(cloud.kube, "old-e");
    await cloud.kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "ending", namespace: "default" },
      spec: { nodeName: "old-e", containers: [{ name: "c", image: "i" }] },
    });
    const ref = { resource: resources.pods, namespace: "default", name: "ending" };
    await cloud.kube.delete(ref, { gracePeriodSeconds: 3600 });
    const edge = await rawEdge(cloud, "old-e");
    const Status = { phase: "Succeeded", containerStatuses: [{ name: "c", state: { terminated: { exitCode: 0 } } }] };
    const { content } = await asking(edge)("update", "default/podstatus/ending", { Name: "ending", Status });
    expect(content).toBe("OK");
    await until("the pod is gone", async () => await cloud.kube.find(ref) === undefined);
    edge.close();
  });

  test("of many pods: one that can't be read costs itself alone", async () => {
    await addNode(cloud.kube, "old-m");
    await cloud.kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "readable", namespace: "default" },
      spec: { nodeName: "old-m", containers: [{ name: "c", image: "i" }] },
    });
    const edge = await rawEdge(cloud, "old-m");
    const reports = [null, { Name: ["odd"], Status: {} }, { Name: "readable", Status: { phase: "Running" } }, 7];
    expect((await asking(edge)("update", "default/podstatus", reports)).content).toBe("OK");
    const pod = await cloud.kube.get({ resource: resources.pods, namespace: "default", name: "readable" });
    expect(textAt(pod, "status", "phase")).toBe("Running");
    edge.close();
  });

  test("of a node: old heartbeats are set to now, and its devices stand in annotations", async () => {
    await addNode(cloud.kube, "old-n");
    const edge = await rawEdge(cloud, "old-n");
    const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime: "2020-01-01T00:00:00Z" }];
    const ExtendResources = {
      "nvidia.com/gpu": [{ name: "gpu-0" }],
      "other.com/fpga": [{ name: "f" }],
      "none.com/x": null,
    };
    await asking(edge)("update", "default/nodestatus/old-n", { UID: "x", Status: { conditions }, ExtendResources });
    const node = await cloud.kube.get({ resource: resources.nodes, name: "old-n" });
    const [ready] = (node.status as { conditions: { lastHeartbeatTime: string }[] }).conditions;
    expect(Date.parse(ready?.lastHeartbeatTime ?? "")).toBeGreaterThan(Date.parse("2026-01-01T00:00:00Z"));
    expect(node.metadata.annotations).toMatchObject({
      "nvidia.com/gpu": '[{"name":"gpu-0"}]',
      "huawei.com/gpu-status": '[{"id":"gpu-0","healthy":true}]',
      "other.com/fpga": '[{"name":"f"}]',
    });
    edge.close();
  });

  test("whose name inside is not its path's is not carried out, even for the node's own pod", async () => {
    await addNode(cloud.kube, "old-a");
    const spec = (nodeName: string) => ({ nodeName, containers: [{ name: "c", image: "i" }] });
    for (const [name, node] of [["named", "old-a"], ["meant", "old-b"]] as const) {
      const metadata = { name, namespace: "default" };
      await cloud.kube.create(resources.pods, { apiVersion: "v1", kind: "Pod", metadata, spec: spec(node) });
    }
    const edge = await rawEdge(cloud, "old-a");
    for (const Name of ["meant", ["meant"]]) {
      edge.send({
        operation: "update",
        resource: "default/podstatus/named",
        content: { Name, Status: { phase: "Failed" } },
      });
    }
    await processed(edge);
    for (const name of ["named", "meant"]) {
      const pod = await cloud.kube.get({ resource: resources.pods, namespace: "default", name });
      expect(textAt(pod, "status", "phase")).not.toBe("Failed");
    }
    edge.close();
  });
});

describe("a controller that is switched off", () => {
  test("does not hold up an edge that asks for it, however often", async () => {
    const half = await startCloud({ config: { controllers: new Set(["edgeController", "syncController"]) } });
    try {
      const edge = await rawEdge(half, "patient");
      for (let i = 0; i < 200; i++) {
        edge.send({ operation: "get", source: "twin", group: "twin", resource: "membership/detail", content: {} });
      }
      await processed(edge);
      edge.close();
    } finally {
      await half.stop();
    }
  });
});

describe("workers", () => {
  test("as many requests of a kind are carried out at once as there are workers; other kinds do not wait for them", async () => {
    const { upstream } = defaultConfig;
    const few = await startCloud({
      config: { upstream: { ...upstream, volumeAttachment: { workers: 2, buffer: 100 } } },
    });
    try {
      const going = Promise.withResolvers<void>();
      const asked = interceptCalls(few.core.client, "volumeattachments", () => going.promise, ["get"]);
      const edges = await Promise.all(Array.from({ length: 6 }, (_, i) => rawEdge(few, `busy-${i}`)));
      for (const edge of edges) {
        edge.send({ operation: "query", resource: "default/volumeattachment/none", content: null });
      }
      await until("two are being carried out", () => asked.calls === 2);
      const other = await rawEdge(few, "other");
      await processed(other);
      expect(asked.calls).toBe(2);
      going.resolve();
      for (const edge of edges) {
        await edge.expect("its answer", ({ route }) => route.resource === "default/volumeattachment/none");
      }
      expect(asked.calls).toBe(6);
      for (const edge of [...edges, other]) edge.close();
    } finally {
      await few.stop();
    }
  });
});
