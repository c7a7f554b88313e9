// What an edge asks while the API is slow: its connection lives on, the bound of its requests holds, and nothing of a former connection comes late.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import { addDevice, addNode, addPod, connectedNode } from "../support/nodes.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

let cloud: Cloud;
const said: string[] = [];
const logger: Logger = {
  ...silentLogger,
  warn: (message, fields) => void said.push(`${message}: ${JSON.stringify(fields)}`),
  error: (message, fields) => void said.push(`${message}: ${JSON.stringify(fields)}`),
  with: () => logger,
};
beforeAll(async () => {
  cloud = await startCloud({ config: { authorization: "on", keepaliveInterval: 1000 }, logger });
});
afterEach(() => cloud.api.faults.heal());
afterAll(() => cloud.stop());

/** Longer than any test: it ends when it is healed. */
const LATENCY_MS = 600_000;

/** Asks what can't be said without the API: whether a pod that no cache shows is the edge's own. */
function askSlowly(edge: RawEdge, name: string, content: object = {}): void {
  edge.send({ operation: "patch", resource: `default/podpatch/${name}`, content });
}

const hopsOf = (node: string) => [...cloud.hops.since(0)].filter((hop) => hop.node === node);

/** An edge that says nothing has come and been ended, twice: two intervals are over. */
async function silentEdgesEnd(): Promise<void> {
  for (const name of ["silent-0", "silent-1"]) {
    const silent = await rawEdge(cloud, name);
    await until("a silent edge is ended", () => silent.ended());
  }
}

/** What it has sent before has been handed on. */
async function answered(edge: RawEdge): Promise<void> {
  const query = edge.send({ operation: "query", resource: `kube-node-lease/lease/${edge.node}`, content: null });
  await edge.expect("the answer about its lease", ({ header }) => header.parent_msg_id === query.header.msg_id);
}

test("keepalives and acknowledgements of an edge count while its requests wait for the API", async () => {
  const edge = await connectedNode(cloud, "waits");
  edge.acknowledgeAll();
  cloud.api.faults.add({ latency: LATENCY_MS, resources: ["pods"] });
  askSlowly(edge, "nowhere");
  await cloud.kube.patch({ resource: resources.nodes, name: "waits" }, "merge", {
    metadata: { labels: { changed: "yes" } },
  });
  const acked = () => hopsOf("waits").filter(({ hop, resource }) => hop === "hub.ack" && /node\/waits/.test(resource));
  await until("the changed Node is acknowledged", () => acked().length > 1);
  await silentEdgesEnd();
  expect(edge.ended()).toBeUndefined();
  edge.close();
});

test("an edge that is not read for its own requests is not ended for want of keepalives", async () => {
  const edge = await connectedNode(cloud, "paused");
  cloud.api.faults.add({ latency: LATENCY_MS, resources: ["pods"] });
  for (let i = 0; i < limits.upstreamMessages + 20; i++) askSlowly(edge, `nowhere-${i}`);
  // It may come with the last of them in one piece.
  edge.send({ operation: "keepalive", resource: "node" });
  await silentEdgesEnd();
  expect(edge.ended()).toBeUndefined();
  cloud.api.faults.heal();
  // Read again, it must show that it is there.
  await answered(edge);
  edge.still();
  await until("it is ended when it says nothing", () => edge.ended());
});

test("requests for modules that aren't there leave the bound of an edge as it is", async () => {
  const edge = await connectedNode(cloud, "uploads");
  for (let i = 0; i < 300; i++) {
    edge.send({ operation: "upload", group: "user", source: "eventbus", resource: `topic/${i}`, content: "x" });
  }
  await answered(edge);
  cloud.api.faults.add({ latency: LATENCY_MS, resources: ["pods"] });
  const names = Array.from({ length: limits.upstreamMessages * 2 }, (_, i) => `nowhere-${i}`);
  // Few of them come with one read of the socket.
  const large = { padding: "x".repeat(8192) };
  for (const name of names) askSlowly(edge, name, large);
  const read = () => hopsOf("uploads").filter((hop) => hop.hop === "hub.read" && /podpatch/.test(hop.resource));
  await until("as many are read as may be", () => read().length >= limits.upstreamMessages);
  // Another edge's round trips: what the first has sent has long come.
  const other = await connectedNode(cloud, "other");
  await answered(other);
  expect(read().length).toBeLessThan(limits.upstreamMessages * 1.5);
  cloud.api.faults.heal();
  await until("all are read", () => read().length === names.length);
  edge.close();
  other.close();
});

test("a report that waits in a former connection does not come after those of the next", async () => {
  await addNode(cloud.kube, "moves");
  await addDevice(cloud.kube, "moves", "d");
  const report = (edge: RawEdge, value: string) =>
    edge.send({
      operation: "update",
      source: "twin",
      group: "resource",
      resource: "device/default/d/twin/edge_updated",
      content: { timestamp: 1, twin: { t: { actual: { value, metadata: { timestamp: 1 } } } } },
    });
  const stored = async () => {
    const status = await cloud.kube.find({ resource: resources.devicestatuses, namespace: "default", name: "d" });
    return textAt(listAt(status, "status", "twins")[0], "reported", "value");
  };
  const first = await rawEdge(cloud, "moves");
  cloud.api.faults.add({ latency: LATENCY_MS, resources: ["pods"] });
  askSlowly(first, "nowhere");
  const old = report(first, "25");
  await until("both have come", () => hopsOf("moves").filter(({ hop }) => hop === "hub.read").length === 2);
  first.close();
  const second = await connectedNode(cloud, "moves");
  report(second, "26");
  await until("the report of the new connection is stored", async () => await stored() === "26");
  cloud.api.faults.heal();
  // A pod that can be looked for again: what waited for that has gone on.
  await addPod(cloud.kube, "moves", "later");
  await second.expect("the pod", ({ route }) => route.resource === "default/pod/later");
  const dropped = await until(
    "it is told",
    () => hopsOf("moves").find(({ hop, id }) => hop === "hub.drop" && id === old.header.msg_id),
  );
  expect(dropped).toMatchObject({ direction: "up", outcome: "its connection ended before it was handed on" });
  await answered(second);
  expect(await stored()).toBe("26");
  second.close();
});

test("an error that an edge reports is told as it is, whatever it holds", async () => {
  const edge = await connectedNode(cloud, "errors");
  for (const content of ["no room", { toString: 1 }, null]) edge.send({ operation: "error", parent: "m", content });
  await answered(edge);
  const reasons = said.filter((line) => line.includes('"node":"errors"')).map((line) => /"reason":.*/.exec(line)?.[0]);
  expect(reasons).toEqual(['"reason":"no room"}', String.raw`"reason":"{\"toString\":1}"}`, '"reason":"null"}']);
  edge.close();
});
