// Reasons that need no running cloudcore: what is said where an end can't be seen, and of states that are hard to make.
import { describe, expect, test } from "vitest";
import type { HopRecord } from "../../../../base/hop/hop.ts";
import { type HopName, hopOf } from "../../../../protocol/message/hops.ts";
import type { Delivery, NodeView, Where } from "../../../../scenarios/tap/source.ts";
import { ago, explain } from "../../../../scenarios/tap/why.ts";

const ref = { kind: "configmap", namespace: "default", name: "app" } as const;
const object = { ...ref, uid: "u", version: "7", nodeName: "", isBeingDeleted: false };
const connected: NodeView = {
  node: "gw-0",
  isKnown: true,
  isReady: true,
  isConnected: true,
  isV11: false,
  waiting: 0,
  unacked: 0,
  oldest: 0,
  needsResync: false,
  departure: undefined,
  records: 1,
};
const summary = {
  node: "gw-0",
  isRunning: true,
  isConnected: true,
  isReady: true,
  problem: "",
  objects: 1,
  pods: 0,
  devices: 0,
  connections: 1,
  up: 0,
  down: 0,
};
const cloud = {
  node: connected,
  isWanted: true,
  reason: "pod web on gw-0 uses it",
  acknowledged: "7",
  isUpToDate: true,
  lane: undefined,
};

function why(where: Partial<Where>, delivery: Omit<Delivery, "node"> = {}, history: readonly HopRecord[] = []) {
  const all: Where = { object, hasCloud: true, deliveries: [{ node: "gw-0", ...delivery }], ...where };
  return explain({ ref, node: "gw-0", where: all, history, now: 100_000 });
}
const hop = (name: HopName, more: Partial<HopRecord> = {}) => ({
  ...hopOf({ header: { msg_id: "m" }, route: { operation: "update", resource: "default/configmap/app" } }, {
    time: 1,
    hop: name,
    direction: "down",
    node: "gw-0",
  }),
  ...more,
});

describe("what is not on an edge", () => {
  test("because the edge has lost its store is sent again by a resync, which is named", () => {
    const found = why({}, { cloud, edge: { summary, faults: [] } });
    expect(found).toMatchObject({
      reason: "store lost",
      next: "have everything sent again: skep cloudcore resync gw-0",
    });
  });

  test("because its record can't be created names the record", () => {
    const lane = {
      id: "m",
      isInFlight: false,
      isRecorded: false,
      attempts: 0,
      age: 10_000,
      writtenFor: 0,
      version: "8",
      operation: "update",
    };
    const found = why({}, { cloud: { ...cloud, isUpToDate: false, lane } });
    expect(found.reason).toBe("no record");
    expect(found.answer).toMatch(/has not created in 10 s/);
  });

  test("because others wait for their acknowledgement says how many and how long", () => {
    const lane = {
      id: "m",
      isInFlight: false,
      isRecorded: true,
      attempts: 0,
      age: 1000,
      writtenFor: 0,
      version: "8",
      operation: "update",
    };
    const node = { ...connected, unacked: 32, waiting: 5, oldest: 40_000 };
    const found = why({}, {
      cloud: { ...cloud, node, isUpToDate: false, lane },
      edge: { summary, faults: ["half-open down"] },
    });
    expect(found.reason).toBe("waits");
    expect(found.evidence.join("; ")).toMatch(
      /32 messages .* the oldest since 40 s; 5 messages wait; a fault is on its link: half-open down/,
    );
  });

  test("because it was deleted, and is still there, says that the edge will be told", () => {
    const found = explain({
      ref,
      node: "gw-0",
      where: {
        hasCloud: true,
        deliveries: [{ node: "gw-0", cloud: { ...cloud, isWanted: false }, edge: { summary, faults: [], held: "7" } }],
      },
      history: [],
      now: 0,
    });
    expect(found.reason).toBe("still there");
  });

  test("because the edge has not asked for it yet says where to look", () => {
    expect(why({}, { cloud: { ...cloud, acknowledged: "", isUpToDate: false } })).toMatchObject({
      reason: "under way",
      next: expect.stringMatching(/the edge asks for it when it starts the pod/),
    });
  });

  test("because its Node is missing says so", () => {
    const found = why({}, { cloud: { ...cloud, node: { ...connected, isKnown: false, isConnected: false } } });
    expect(found.reason).toBe("no node");
  });
});

describe("where cloudcore can't be seen", () => {
  test("the edge's store answers, and what is not known is said", () => {
    expect(why({ hasCloud: false }, { edge: { summary, faults: [], held: "7" } })).toMatchObject({
      reason: "delivered",
    });
    const missing = why({ hasCloud: false }, { edge: { summary, faults: [] } });
    expect(missing.reason).toBe("not seen");
    expect(missing.answer).toMatch(/cloudcore can't be seen from here/);
    const away = why({ hasCloud: false }, {
      edge: { summary: { ...summary, isConnected: false, problem: "certificate has expired" }, faults: [] },
    });
    expect(away.reason).toBe("certificate expired");
  });

  test("and no edge either, nothing is claimed", () => {
    const where: Where = { hasCloud: false, deliveries: [] };
    expect(explain({ ref, node: "gw-0", where, history: [], now: 0 })).toMatchObject({
      reason: "not seen",
      answer: expect.stringMatching(/nothing is known here/),
    });
  });

  test("what passed a proxy answers", () => {
    const where: Where = { hasCloud: false, deliveries: [] };
    const ask = (...history: HopRecord[]) => explain({ ref, node: "gw-0", where, history, now: 0 });
    const connect = hop("proxy.connect", { resource: "" });
    expect(ask(connect).answer).toMatch(
      /cloudcore has sent nothing of configmap default\/app to gw-0 since this proxy/,
    );
    expect(ask(connect, hop("proxy.down")).reason).toBe("not acknowledged");
    expect(
      ask(connect, hop("proxy.down"), hop("proxy.up", { id: "a", parent: "m", direction: "up", resource: "" })).reason,
    ).toBe("delivered");
    // The answer to the edge's patch of a status may come after what is asked about.
    const answer = hop("proxy.down", { id: "b", parent: "p", operation: "response" });
    expect(
      ask(connect, hop("proxy.down"), hop("proxy.up", { id: "a", parent: "m", direction: "up", resource: "" }), answer)
        .reason,
    ).toBe("delivered");
    expect(ask(hop("proxy.disconnect", { resource: "", outcome: "the edge closed the connection" })).reason).toBe(
      "edge away",
    );
  });
});

test("a duration is said in the largest unit that fits", () => {
  expect([5, 1500, 15_000, 300_000, 10_800_000].map(ago)).toEqual(["5 ms", "1.5 s", "15 s", "5 min", "3 h"]);
});
