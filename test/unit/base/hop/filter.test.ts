import { describe, expect, test } from "vitest";
import { compileHopFilter, HopFilterError } from "../../../../base/hop/filter.ts";
import { hopOf } from "../../../../protocol/message/hops.ts";
import type { HopRecord } from "../../../../base/hop/hop.ts";
import { bytesOf, HopRing } from "../../../../base/hop/ring.ts";

const message = {
  header: { msg_id: "m1", resourceversion: "12" },
  route: { source: "edgecontroller", group: "resource", operation: "update", resource: "default/pod/web" },
};
const record = hopOf(message, { time: 5, hop: "hub.write", direction: "down", node: "gw-0", attempt: 2 });

describe("a filter over hops", () => {
  test.each([
    [`direction == "down" && hop == "hub.write"`, true],
    [`node == "gw-1"`, false],
    [`resource.endsWith("/pod/web") && attempt > 1`, true],
    [`resource.contains("configmap") || version == "12"`, true],
    [`attempt == 2.0`, true],
    [`outcome == ""`, true],
    [`kind == "pod" && ns == "default" && name == "web"`, true],
    [`kind == "configmap"`, false],
  ])("%s is %s", (expression, expected) => {
    expect(compileHopFilter(expression)(record)).toBe(expected);
  });

  test.each([
    ["nod == 'x'", /fields are time, hop/],
    ["node ==", /filter `node ==`/],
    ["node", /string, not true or false/],
  ])("%s is refused with the fields there are", (expression, reason) => {
    expect(() => compileHopFilter(expression)).toThrow(HopFilterError);
    expect(() => compileHopFilter(expression)).toThrow(reason);
  });
});

describe("the ring", () => {
  const numbered = (n: number): HopRecord => ({ ...record, time: n });

  test("gives what came since a position, and says what it has lost", () => {
    const ring = new HopRing(3 * bytesOf(record));
    for (let n = 0; n < 5; n++) ring.push(numbered(n));
    expect([...ring.since(0)].map((r) => r.time)).toEqual([2, 3, 4]);
    expect([...ring.since(4)].map((r) => r.time)).toEqual([4]);
    expect(ring.lost).toBe(2);
    expect(ring.position).toBe(5);
  });

  test("tells listeners of each record until they stop", () => {
    const ring = new HopRing(3 * bytesOf(record));
    const heard: number[] = [];
    const stop = ring.listen((r) => heard.push(r.time));
    ring.push(numbered(1));
    stop();
    ring.push(numbered(2));
    expect(heard).toEqual([1]);
  });

  test("counts the messages inside, and keeps the newest however large it is", () => {
    const ring = new HopRing(3 * bytesOf(record));
    for (const n of [1, 2]) ring.push(numbered(n));
    ring.push({ ...record, time: 3, text: "x".repeat(10_000) });
    expect([...ring.since(0)].map((r) => r.time)).toEqual([3]);
    expect(ring.bytes).toBeGreaterThan(10_000);
    ring.push(numbered(4));
    expect([...ring.since(0)].map((r) => r.time)).toEqual([4]);
  });

  test("keeps giving the right records after many have fallen out", () => {
    const ring = new HopRing(10 * bytesOf(record));
    for (let n = 0; n < 5000; n++) ring.push(numbered(n));
    expect([...ring.since(4000)].map((r) => r.time)).toEqual([
      4990,
      4991,
      4992,
      4993,
      4994,
      4995,
      4996,
      4997,
      4998,
      4999,
    ]);
    expect(ring.lost).toBe(4990);
  });

  test("finds where its last records that fit begin", () => {
    const ring = new HopRing(100 * bytesOf(record));
    for (let n = 0; n < 10; n++) ring.push(numbered(n));
    const isEven = ({ time }: HopRecord) => time % 2 === 0;
    expect(ring.positionOfLast(2, isEven)).toBe(6);
    expect(ring.positionOfLast(0, isEven)).toBe(10);
    expect(ring.positionOfLast(99, isEven)).toBe(0);
  });

  test("on demand takes records only while somebody listens", () => {
    const ring = new HopRing(10_000, { isOnDemand: true });
    expect(ring.on).toBeUndefined();
    const stop = ring.listen(() => {});
    ring.on?.(numbered(1));
    stop();
    expect(ring.on).toBeUndefined();
    expect(ring.position).toBe(1);
  });
});
