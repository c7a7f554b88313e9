// What an edge does by the clock of its connection: how many messages it sends, how long it waits before it dials again.
import { expect, test } from "vitest";
import type { Edge, EdgeOptions } from "../../edge-sim/edge.ts";
import type { EdgeTimings } from "../../edge-sim/timings/timings.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { connectedEdge } from "../support/fake-cloud.ts";
import { until } from "../support/until.ts";

/** An edge, what it says, and its present connection. */
const edgeAt = (timings: Partial<EdgeTimings>, more: Partial<EdgeOptions> = {}) => connectedEdge({ timings, more });

const message = (n: number) =>
  newMessage(0, { source: "edged", group: "meta", operation: "update", resource: "default/event/e", content: n });
const numbers = (said: readonly Message[]) =>
  said.filter(({ route }) => route.resource === "default/event/e").map(({ content }) => content as number);

function sendAll(edge: Edge, count: number): boolean[] {
  return Array.from({ length: count }, (_, n) => edge.hub.send(message(n)));
}

test("sixty messages go at once, the others wait for their turn, in order; heartbeats don't", async () => {
  const { edge, said } = await edgeAt({ messageRefill: 3_600_000, heartbeat: 30 });
  sendAll(edge, 100);
  const beats = () => said.filter(({ route }) => route.operation === "keepalive").length;
  await until("three heartbeats", () => beats() >= 3);
  const others = said.filter(({ route }) => route.operation !== "keepalive");
  expect(others).toHaveLength(60);
  expect(numbers(said)).toEqual(Array.from({ length: numbers(said).length }, (_, n) => n));
  expect(numbers(said).length).toBeGreaterThan(50);
});

test("acknowledgements and answers don't wait for the limit, and requests go before reports", async () => {
  const { edge, said } = await edgeAt({ messageRefill: 20 });
  sendAll(edge, 60);
  const report = (n: number) =>
    newMessage(0, {
      source: "twin",
      group: "resource",
      operation: "update",
      resource: `device/d/twin/edge_updated`,
      content: n,
    });
  const reports = [0, 1, 2].map(report);
  for (const each of reports) edge.hub.send(each);
  // A newer report takes the place of the one that it makes needless.
  edge.hub.send(report(9), [reports[0] as Message]);
  expect(edge.hub.holds(reports[0] as Message)).toBe(false);
  edge.hub.send(message(60));
  edge.hub.send(newMessage(0, { source: "edged", group: "meta", operation: "response", resource: "x", parent: "p" }));
  const isReport = ({ route }: Message) => route.resource === "device/d/twin/edge_updated";
  await until("all reports", () => said.filter(isReport).length === 3);
  expect(said.filter(isReport).map(({ content }) => content)).toEqual([9, 1, 2]);
  const at = (isIt: (message: Message) => boolean) => said.findIndex(isIt);
  expect(at(({ header }) => header.parent_msg_id === "p")).toBeLessThan(at(({ content }) => content === 60));
  expect(at(({ content }) => content === 60)).toBeLessThan(at(isReport));
});

test("each turn lets one more by", async () => {
  const { edge, said } = await edgeAt({ messageRefill: 2 });
  sendAll(edge, 100);
  await until("all of them", () => numbers(said).length === 100);
  expect(numbers(said)).toEqual(Array.from({ length: 100 }, (_, n) => n));
});

test("more than a thousand that wait are refused; what waits when the connection breaks is lost, as in edgecore's queue", async () => {
  const { drop, edge, said } = await edgeAt({ messageRefill: 3_600_000, reconnectWait: 20, dialRetry: 20 });
  const sent = sendAll(edge, 1200);
  expect(sent.filter((went) => !went).length).toBeGreaterThan(100);
  expect(sent.slice(0, 1000).every((went) => went)).toBe(true);
  drop();
  await until("it is back", () => edge.hub.connections === 2);
  await until("it says so", () => said.filter(({ route }) => route.operation === "keepalive").length >= 2);
  expect(numbers(said).length).toBeLessThanOrEqual(60);
});

test("what waits for its turn is not asked any more when its time is out; farewells go all the same", async () => {
  const { edge, said } = await edgeAt({ messageRefill: 3_600_000, answer: 30 });
  sendAll(edge, 80);
  const asked = newMessage(0, {
    source: "edged",
    group: "meta",
    operation: "query",
    resource: "default/configmap/late",
  });
  await expect(edge.hub.request(asked)).rejects.toThrow("no answer to query default/configmap/late");
  await edge.stop({ farewell: true });
  await until("two farewells", () => said.filter(({ header }) => header.msg_id === "").length === 2);
  expect(said.some(({ route }) => route.resource === "default/configmap/late")).toBe(false);
  expect(numbers(said)).toHaveLength(80);
});

test("an edge that is started while it stops is there afterwards; who stops it twice waits for the first", async () => {
  const { edge } = await edgeAt({}, { mqtt: { internal: { host: "127.0.0.1", port: 0 } } });
  await edge.opened;
  const stopping = edge.stop();
  edge.start();
  await stopping;
  await until("it is back, with its broker", () => edge.hub.isConnected && edge.bus?.url !== "");
  const [first, second] = [edge.stop(), edge.stop()];
  await second;
  expect(edge.hub.isConnected).toBe(false);
  await first;
  expect(edge.isRunning).toBe(false);
});

test("pauses before it dials again grow as configured, up to their bound", async () => {
  const waits: number[] = [];
  const reconnect = { initial: 20, factor: 3, cap: 200, jitter: 0 };
  const { drop, edge } = await edgeAt({ dialRetry: 1 }, { reconnect });
  edge.link.put({ cut: "both" });
  const began = performance.now();
  let last = edge.hub.rounds;
  drop();
  for (let i = 0; i < 4; i++) {
    await until("another round in vain", () => edge.hub.rounds > last);
    last = edge.hub.rounds;
    waits.push(performance.now() - began);
  }
  // Never early: 20, 60, 180 and 200 ms lie between the rounds.
  expect(waits[3]).toBeGreaterThanOrEqual(20 + 60 + 180);
  edge.link.heal();
  edge.hub.hurry();
  await until("it is back", () => edge.hub.isConnected);
});
