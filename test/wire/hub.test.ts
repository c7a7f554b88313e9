// The hub as an edge sees it, on real sockets: who gets in, what is read, what is sent and sent again.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { ackOf, rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/world.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud({ config: { nodeLimit: 4 } })));
afterAll(() => cloud.stop());

let names = 0;
const newName = () => `raw-${names++}`;

/** A Node in the API, so that objects bound to it are sent. */
async function addNode(name: string): Promise<void> {
  await cloud.kube.create(resources.nodes, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "node-role.kubernetes.io/edge": "" } },
  });
}

function podOn(node: string, name: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { nodeName: node, containers: [{ name: "c", image: "busybox" }] },
  };
}

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

describe("what the hub sends", () => {
  test("a pod is sent once, sent again until it is acknowledged, and recorded only then", async () => {
    const name = newName();
    await addNode(name);
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
    await addNode(name);
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
    await addNode(name);
    const edge = await rawEdge(cloud, name);
    await until("the session is there", () => cloud.core.hub.sessions.of(name));
    await cloud.kube.delete({ resource: resources.nodes, name });
    await until("the connection ends", () => edge.ended());
  });
});
