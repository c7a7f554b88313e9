import { describe, expect, test } from "vitest";
import type { HopRecord } from "../../../../base/hop/hop.ts";
import { compileHopFilter } from "../../../../base/hop/filter.ts";
import { hopOf } from "../../../../protocol/message/hops.ts";
import { chainOf, historyOf } from "../../../../scenarios/tap/chain.ts";
import { filterOf } from "../../../../scenarios/tap/filter-words.ts";
import { holdingsOf } from "../../../../scenarios/tap/local.ts";
import { parseObject } from "../../../../scenarios/tap/objects.ts";
import { HopStats, statsTable } from "../../../../scenarios/tap/stats.ts";
import { timeLine } from "../../../../scenarios/tap/time-line.ts";
import type { HopName } from "../../../../protocol/message/hops.ts";

let clock = 1000;
function hop(name: HopName, more: Partial<HopRecord> = {}): HopRecord {
  const { id = "", parent = "", operation = "update", resource = "default/configmap/app", version = "", ...rest } =
    more;
  const message = {
    header: { msg_id: id, parent_msg_id: parent, resourceversion: version },
    route: { operation, resource },
  };
  return { ...hopOf(message, { time: clock++, hop: name, direction: "down", node: "gw-0" }), ...rest };
}

describe("a chain", () => {
  test("has the message, its acknowledgement and the API's event of that version, and nothing of another edge", () => {
    const records = [
      hop("kube.event", { version: "7", node: "" }),
      hop("kube.event", { version: "6", node: "" }),
      hop("controller.send", { id: "m", version: "7" }),
      hop("hub.write", { id: "m", version: "7" }),
      hop("hub.write", { id: "m", version: "7", node: "gw-1" }),
      hop("hub.read", { id: "a", parent: "m", operation: "response", direction: "up" }),
      hop("hub.ack", { id: "m", version: "7" }),
    ];
    expect(chainOf(records, "m", "gw-0").map((each) => `${each.hop} ${each.version}`.trim())).toEqual([
      "kube.event 7",
      "controller.send 7",
      "hub.write 7",
      "hub.read",
      "hub.ack 7",
    ]);
  });

  test("of a report begins at the device, with the property that it reports", () => {
    const device = (property: string) => `device/default/t/${property}`;
    const records = [
      hop("device.report", { resource: device("humidity"), direction: "up" }),
      hop("device.report", { resource: device("temperature"), direction: "up" }),
      hop("twin.update", { resource: "device/default/t", direction: "up" }),
      hop("edge.write", {
        id: "r",
        resource: "device/default/t/twin/edge_updated",
        direction: "up",
        text: '{"content":{"twin":{"temperature":{}}}}',
      }),
      hop("kube.write", { id: "r", resource: "device/default/t/twin/edge_updated", direction: "up" }),
      hop("hub.write", { id: "c", parent: "r", resource: "twin", operation: "response" }),
    ];
    const found = chainOf(records, "r").map((each) => `${each.hop} ${each.resource.split("/")[3] ?? ""}`.trim());
    expect(found).toEqual([
      "device.report temperature",
      "twin.update",
      "edge.write twin",
      "kube.write twin",
      "hub.write",
    ]);
  });

  test("of an answer has its request", () => {
    const records = [
      hop("hub.read", { id: "q", operation: "query", direction: "up" }),
      hop("hub.write", { id: "a", parent: "q", operation: "response" }),
    ];
    expect(chainOf(records, "a").map((each) => each.id)).toEqual(["q", "a"]);
  });
});

test("a history has all hops about an object, and of no other", () => {
  const records = [
    hop("hub.write"),
    hop("hub.write", { resource: "default/configmap/other" }),
    hop("hub.connect", { resource: "" }),
  ];
  expect(historyOf(records, parseObject("cm/app"))).toEqual([records[0]]);
});

test("a time line has the time between hops, and names the ends that can't be seen", () => {
  clock = 5000;
  const lines = timeLine([hop("hub.write", { attempt: 2 }), hop("hub.drop", { outcome: "the lane is full" })], "it");
  expect(lines[0]).toBe("it  1970-01-01T00:00:05.000Z");
  expect(lines[1]).toMatch(/\+0 ms +↓ hub.write .*attempt 2/);
  expect(lines[2]).toMatch(/\+1 ms +✗ hub.drop .*the lane is full/);
  expect(lines[3]).toMatch(/edge's hops can't be seen/);
  expect(timeLine([], "it")[0]).toMatch(/no hop of it/);
});

describe("an object's name", () => {
  test.each([
    ["cm/app", { kind: "configmap", namespace: "default", name: "app" }],
    ["Pods/kube-system/x", { kind: "pod", namespace: "kube-system", name: "x" }],
    ["node/gw-0", { kind: "node", namespace: "", name: "gw-0" }],
  ])("%s is understood", (text, expected) => {
    expect(parseObject(text)).toEqual(expected);
  });

  test.each(["", "app", "cm/", "service/default/x", "cm/a/b/c"])("%s is refused with what is needed", (text) => {
    expect(() => parseObject(text)).toThrow(/KIND\/NAMESPACE\/NAME is needed/);
  });
});

test("the short forms of a filter mean what they say", () => {
  const write = hop("hub.write");
  const fits = (words: Parameters<typeof filterOf>[0]) => compileHopFilter(filterOf(words))(write);
  expect(fits({})).toBe(true);
  expect(fits({ edge: "gw-0", kind: "cm", name: "app", ns: "default", down: true, op: "update", hop: "hub" })).toBe(
    true,
  );
  expect(fits({ up: true })).toBe(false);
  expect(fits({ drops: true })).toBe(false);
  expect(fits({ where: 'node == "x" || true', edge: "gw-1" })).toBe(false);
});

test("a count by kind and edge takes each message once, wherever else it was seen", () => {
  const stats = new HopStats();
  for (
    const each of [
      hop("hub.write", { size: 2048 }),
      hop("hub.write", { size: 2048, attempt: 2 }),
      hop("edge.read", { size: 2048 }),
      hop("hub.ack", { ack: 6 }),
      hop("hub.drop"),
    ]
  ) stats.add(each);
  expect(stats.rows()).toEqual([
    { edge: "gw-0", kind: "configmap", down: 2, up: 0, drops: 1, resends: 1, bytes: 4096, ackSum: 6, acks: 1 },
  ]);
  const table = statsTable(stats.rows(), 10);
  expect(table[1]).toMatch(/^gw-0 +configmap +2 +0 +1 +1 +4\.0 +6\.0$/);
  expect(table.at(-1)).toBe("2 down, 0 up, 1 not sent");
});

test("what an edge holds is told apart: the same, missing, stale, extra", () => {
  const object = (name: string, version: string) => ({
    kind: "configmap" as const,
    namespace: "d",
    name,
    version,
    uid: name,
  });
  const found = holdingsOf([object("a", "1"), object("b", "2"), object("c", "3")], [
    object("a", "1"),
    object("b", "1"),
    object("x", "9"),
  ]);
  expect(found.map(({ name, state }) => `${name} ${state}`)).toEqual(["a same", "b stale", "c missing", "x extra"]);
  expect(holdingsOf(undefined, [object("x", "9")])[0]?.state).toBe("not seen");
});
