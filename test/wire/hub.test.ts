// The hub as an edge sees it, on real sockets: who is accepted, what is read, what is sent and sent again.
import { connect, type ConnectionOptions } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { ModuleStartError } from "../../cloud/beehive/modules.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig } from "../../cloud/config/config.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { ackOf, rawEdge } from "../support/raw-edge.ts";
import { interceptCalls } from "../support/failing-api.ts";
import { addNode, edgeLabels, podOn } from "../support/nodes.ts";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud({ config: { nodeLimit: 4 } })));
afterAll(() => cloud.stop());

let names = 0;
const newName = () => `raw-${names++}`;

describe("an edge", () => {
  test("whose node_id is not its certificate's is refused with the reason", async () => {
    await expect(rawEdge(cloud, newName(), {}, "somebody-else")).rejects.toThrow(
      /HTTP 403.*certificate is for system:node:somebody-else/,
    );
  });

  test("without the header ConnectionUse, or with a name that can be no node's, is refused", async () => {
    await expect(rawEdge(cloud, newName(), { ConnectionUse: "str" })).rejects.toThrow("HTTP 400");
    await expect(rawEdge(cloud, "Not_A_Name")).rejects.toThrow(/HTTP 400.*node_id/);
  });

  test("above the node limit is refused; a known one that comes back is not", async () => {
    const limited = await startCloud({ config: { nodeLimit: 1 } });
    try {
      const first = await rawEdge(limited, "one");
      await expect(rawEdge(limited, "two")).rejects.toThrow(/HTTP 503.*limit of 1/);
      const again = await rawEdge(limited, "one");
      await until("the first connection is closed", () => first.ended());
      expect(again.ended()).toBeUndefined();
    } finally {
      await limited.stop();
    }
  });

  test("that connects anew replaces itself; the end of the old connection does not touch the new one", async () => {
    const name = newName();
    const first = await rawEdge(cloud, name);
    const second = await rawEdge(cloud, name);
    await until("the first is closed", () => first.ended());
    second.send({ operation: "ping" });
    await second.expect("an answer", (m) => m.content === "ack");
    second.close();
  });

  test("that sends no keepalive is disconnected, whatever else it sends", async () => {
    const edge = await rawEdge(cloud, newName());
    const busy = setInterval(() => edge.send({ operation: "query", resource: "kube-node-lease/lease/x" }), 200);
    try {
      await until("the connection ends", () => edge.ended(), 8000);
    } finally {
      clearInterval(busy);
    }
  });
});

describe("what an edge sends", () => {
  test.each(['{"header":', "[]", '"x"', "123", '{"header":1}', '{"header":{"timestamp":"1"}}', "[".repeat(5000)])(
    "%j ends its connection and nobody else's",
    async (text) => {
      const other = await rawEdge(cloud, newName());
      const edge = await rawEdge(cloud, newName());
      edge.sendText(text);
      await until("its connection ends", () => edge.ended());
      other.send({ operation: "ping" });
      await other.expect("an answer", (m) => m.content === "ack");
      other.close();
    },
  );

  test.each([
    "null",
    "{}",
    '{"content":1} and more',
    '{"ROUTE":{"Operation":"unknown"}}',
    '{"route":{"resource":"a//b"}}',
    "\ud800",
  ])(
    "%j is dropped and the connection stays",
    async (text) => {
      const edge = await rawEdge(cloud, newName());
      if (text === "\ud800") edge.sendText('{"content":"\ud800"}');
      else edge.sendText(text);
      edge.send({ operation: "ping" });
      await edge.expect("an answer", (m) => m.content === "ack");
      expect(edge.ended()).toBeUndefined();
      edge.close();
    },
  );

  test("a request that claims to come from a module of the cloud is dropped", async () => {
    const name = newName();
    const edge = await rawEdge(cloud, name);
    edge.send({ operation: "query", resource: `kube-node-lease/lease/${name}`, source: "edgecontroller" });
    const honest = edge.send({ operation: "query", resource: `kube-node-lease/lease/${name}` });
    await edge.expect("the honest one's answer", (m) => m.header.parent_msg_id === honest.header.msg_id);
    expect(edge.received).toHaveLength(1);
    edge.close();
  });
});

describe("a path that climbs", () => {
  test.each([".", "..", "../pod/x", "a%2f"])("out of its place by %j touches nothing", async (name) => {
    const namespace = "kept";
    if (await cloud.kube.find({ resource: resources.namespaces, name: namespace }) === undefined) {
      await cloud.kube.create(resources.namespaces, {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: namespace },
      });
      await cloud.kube.create(resources.pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "kept", namespace },
        spec: { containers: [{ name: "c", image: "x" }] },
      });
    }
    const edge = await rawEdge(cloud, newName());
    edge.send({ operation: "delete", resource: `${namespace}/pod/${name}`, content: { gracePeriodSeconds: 0 } });
    const query = edge.send({ operation: "query", resource: "default/configmap/none" });
    // One edge's requests are answered in order: the deletion has been dealt with.
    await edge.expect("the next answer", (m) => m.header.parent_msg_id === query.header.msg_id);
    expect(await cloud.kube.find({ resource: resources.pods, namespace, name: "kept" })).toBeDefined();
    edge.close();
  });
});

describe("an edge that goes too far", () => {
  test("with a field longer than any may be is disconnected", async () => {
    const edge = await rawEdge(cloud, newName());
    edge.send({ operation: "query", resource: `default/configmap/${"x".repeat(3000)}` });
    await until("the connection ends", () => edge.ended());
  });

  test("by saying that it has connected is not looked at again", async () => {
    const name = newName();
    await addNode(cloud.kube, name);
    const edge = await rawEdge(cloud, name);
    edge.acknowledgeAll();
    await cloud.kube.create(resources.pods, podOn(name, `told-${name}`));
    await edge.expect("its pod", (m) => m.route.resource === `default/pod/told-${name}`);
    const position = cloud.hops.position;
    edge.send({ operation: "connected", source: "edged", resource: `node/${name}` });
    const query = edge.send({ operation: "query", resource: "default/configmap/none" });
    await edge.expect("the next answer", (m) => m.header.parent_msg_id === query.header.msg_id);
    const sent = [...cloud.hops.since(position)].filter(({ hop, node }) => hop === "hub.write" && node === name);
    expect(sent.map(({ parent }) => parent)).toEqual([query.header.msg_id]);
    edge.close();
  });

  test("with requests waits for its own answers; others' are not held up", async () => {
    const [greedy, modest] = [await rawEdge(cloud, newName()), await rawEdge(cloud, newName())];
    // An API that takes a while: 4,000 requests one after another are then far more than this test's deadline.
    using _slow = interceptCalls(
      cloud.core.client,
      "nodes",
      () => new Promise((resolve) => setTimeout(resolve, 20)),
      ["get"],
    );
    try {
      for (let i = 0; i < 4000; i++) greedy.send({ operation: "query", resource: "null/node/none" });
      await until("the flood has arrived", () => greedy.received.length > 0);
      const query = modest.send({ operation: "query", resource: "null/node/none" });
      await modest.expect("the answer", (m) => m.header.parent_msg_id === query.header.msg_id, 5000);
      expect(greedy.received.length).toBeLessThan(1000);
    } finally {
      greedy.close();
      modest.close();
    }
  });

  test("an older edge that reports a deleted pod is sent its deletion, by its name", async () => {
    const edge = await rawEdge(cloud, newName());
    edge.send({
      operation: "update",
      resource: "default/podstatus",
      content: [{ UID: "u", Name: "gone", Status: { phase: "Running" } }],
    });
    const deletion = await edge.expect("the deletion", (m) => m.route.operation === "delete");
    expect(deletion.route.resource).toBe("default/pod/gone");
    edge.close();
  });
});

describe("a socket that is refused", () => {
  test("is closed by the hub, also when the peer keeps its half open", async () => {
    const { authority } = cloud.core.hub.certificates;
    const pair = await issueClient(
      authority,
      { commonName: "system:node:x", organization: "system:nodes" },
      Date.now(),
    );
    const socket = connect({
      port: cloud.core.hub.ports.websocket,
      host: "127.0.0.1",
      ca: authority.certPem,
      cert: pair.certPem,
      key: pair.keyPem,
      allowHalfOpen: true,
    } as ConnectionOptions);
    let text = "";
    let isClosed = false;
    socket.on("data", (data) => text += data).on("error", () => {}).on("close", () => isClosed = true);
    socket.write(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nnode_id: Bad_Name\r\n\r\n",
    );
    // Our half stays open until the hub says, on our writing, that there is nobody any more.
    const writing = setInterval(() => socket.write("x"), 50);
    try {
      await until("the hub has closed it", () => isClosed, 5000);
    } finally {
      clearInterval(writing);
      socket.destroy();
    }
    expect(text).toContain("HTTP/1.1 400");
  });
});

test("a hub that can't have its port leaves no other one open", async () => {
  const { websocket } = cloud.core.hub.ports;
  const [https = 0] = await freePorts(1);
  const started = CloudCore.start({
    kubeconfig: tokenKubeConfig(cloud.api.access),
    config: defaultConfig,
    websocket: { host: "127.0.0.1", port: websocket, exact: true },
    https: { host: "127.0.0.1", port: https, exact: true },
    clock: cloud.clock,
    random: new Random(1),
    logger: silentLogger,
  });
  await expect(started).rejects.toThrow(ModuleStartError);
  await expect(freePorts(1, https)).resolves.toEqual([https]);
});

test("a Node says by which address others reach its cloudcore", async () => {
  const advertiseAddress = ["127.0.0.1", "localhost", "192.0.2.10"];
  const other = await startCloud({ config: { advertiseAddress } });
  await addNode(other.kube, "told");
  const edge = await rawEdge(other, "told");
  await until("it is annotated", async () => {
    const { annotations } = (await other.kube.get({ resource: resources.nodes, name: "told" })).metadata;
    return annotations?.cloudcore === "192.0.2.10";
  });
  edge.close();
  await other.stop();
});

describe("what the hub sends", () => {
  test("a pod is sent once, sent again until it is acknowledged, and recorded only then", async () => {
    const name = newName();
    await addNode(cloud.kube, name);
    const edge = await rawEdge(cloud, name);
    const keepalive = setInterval(() => edge.send({ operation: "keepalive", resource: "node" }), 300);
    try {
      const pod = await cloud.kube.create(resources.pods, podOn(name, `resent-${name}`));
      const path = `default/pod/resent-${name}`;
      const isPod = (m: { route: { resource?: string } }) => m.route.resource === path;
      await until("it came three times", () => edge.received.filter(isPod).length >= 3, 5000);
      const [first, second] = edge.received.filter(isPod);
      expect(second?.header.msg_id).toBe(first?.header.msg_id);
      expect(first?.route).toMatchObject({ source: "edgecontroller", group: "resource", operation: "insert" });
      expect(first?.header.resourceversion).toBe(pod.metadata.resourceVersion);
      const record = { resource: resources.objectsyncs, namespace: "default", name: `${name}.${pod.metadata.uid}` };
      // The record is there before the pod was sent, without a version.
      expect((await cloud.kube.get(record)).status).toBeUndefined();
      edge.send(ackOf(first as never));
      await until("the record has the version", async () => {
        const status = (await cloud.kube.get(record)).status as { objectResourceVersion?: string } | undefined;
        return status?.objectResourceVersion === pod.metadata.resourceVersion;
      });
      await cloud.kube.delete({ resource: resources.pods, namespace: "default", name: pod.metadata.name }, {
        gracePeriodSeconds: 0,
      });
      const deletion = await edge.expect("the deletion", (m) => isPod(m) && m.route.operation === "delete");
      edge.send(ackOf(deletion));
      await until("the record is gone", async () => await cloud.kube.find(record) === undefined);
    } finally {
      clearInterval(keepalive);
      edge.close();
    }
  });

  test("one pod that is not acknowledged holds up no other, but keeps its own order", async () => {
    const name = newName();
    await addNode(cloud.kube, name);
    const edge = await rawEdge(cloud, name);
    await cloud.kube.create(resources.pods, podOn(name, `stuck-${name}`));
    await edge.expect("the first", (m) => m.route.resource === `default/pod/stuck-${name}`);
    await cloud.kube.create(resources.pods, podOn(name, `free-${name}`));
    const free = await edge.expect("the second", (m) => m.route.resource === `default/pod/free-${name}`);
    edge.send(ackOf(free));
    const label = { metadata: { labels: { a: "b" } } };
    await cloud.kube.patch({ resource: resources.pods, namespace: "default", name: `stuck-${name}` }, "merge", label);
    await until("the new version waits", () => cloud.core.hub.sessions.of(name)?.gauges().waiting === 1);
    const seen = new Set(
      edge.received.filter((m) => m.route.resource === `default/pod/stuck-${name}`).map((m) => m.header.msg_id),
    );
    expect(seen.size).toBe(1);
    edge.close();
  });

  test("a missing configmap is an error in KubeEdge's shape, which needs no acknowledgement", async () => {
    const edge = await rawEdge(cloud, newName());
    const query = edge.send({ operation: "query", resource: "default/configmap/missing" });
    const answer = await edge.expect("the answer", (m) => m.header.parent_msg_id === query.header.msg_id);
    expect(answer.content).toEqual({
      ErrStatus: {
        metadata: {},
        status: "Failure",
        message: 'configmap "missing" not found',
        reason: "NotFound",
        details: { name: "missing", kind: "configmap" },
        code: 404,
      },
    });
    expect(cloud.core.hub.sessions.of(edge.node)?.gauges().inFlight).toBe(0);
    edge.close();
  });

  test("the deletion of its Node ends the session", async () => {
    const name = newName();
    await addNode(cloud.kube, name);
    const edge = await rawEdge(cloud, name);
    await until("the session is there", () => cloud.core.hub.sessions.of(name));
    await cloud.kube.delete({ resource: resources.nodes, name });
    await until("the connection ends", () => edge.ended());
  });
});

test("a node of the v1.1 era, recognised by its labels, is sent every message once and has no records; others are served as usual", async () => {
  const eras = [{ nodeSelector: { era: "old" }, era: "v1.1" as const }];
  const mixed = await startCloud({ config: { eras } });
  try {
    const edge = async (name: string, era: Record<string, string>) => {
      await addNode(mixed.kube, name, { labels: { ...edgeLabels, ...era } });
      return await rawEdge(mixed, name);
    };
    const [old, today] = [await edge("era-old", { era: "old" }), await edge("era-new", {})];
    for (const { node } of [old, today]) await mixed.kube.create(resources.pods, podOn(node, `on-${node}`));
    const pods = (of: typeof old) => of.received.filter(({ route }) => route.resource === `default/pod/on-${of.node}`);
    await until("today's is sent it again, for want of an acknowledgement", () => pods(today).length >= 2);
    expect(pods(old)).toHaveLength(1);
    const records = (await mixed.kube.list(resources.objectsyncs)).items.map(({ metadata }) =>
      metadata.name.split(".")[0]
    );
    expect(records).toEqual(["era-new"]);
    old.close();
    today.close();
  } finally {
    await mixed.stop();
  }
});
