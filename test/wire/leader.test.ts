// Of several that try for one Lease one leads; another when that one gives it back, or is not heard of.
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { ManualClock } from "../../base/time/manual-clock.ts";
import { Leader } from "../../cloud/kube/leader.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

function candidate(name: string, clock: ManualClock) {
  let elections = 0;
  const leader = new Leader({
    client: cloud.kube,
    clock,
    logger: silentLogger,
    namespace: "default",
    name,
    timings: { lease: 15_000, retry: 2000 },
    elected: () => elections++,
  });
  return { leader, elections: () => elections };
}

test("the first leads and is told so once; the second follows when the first gives the Lease back", async () => {
  const clock = new ManualClock(Date.now());
  const [first, second] = [candidate("given-back", clock), candidate("given-back", clock)];
  first.leader.start();
  await until("the first leads", () => first.leader.isLeader);
  second.leader.start();
  for (let i = 0; i < 5; i++) {
    clock.advance(2000);
    await until("the Lease is renewed", () => first.leader.isLeader);
  }
  expect([second.leader.isLeader, first.elections(), second.elections()]).toEqual([false, 1, 0]);
  await first.leader.stop();
  expect(first.leader.isLeader).toBe(false);
  await until("the second leads", () => {
    clock.advance(2000);
    return second.leader.isLeader;
  });
  expect(second.elections()).toBe(1);
  await second.leader.stop();
});

test("one that is not heard of any more is followed when its Lease is over, by clocks that need not agree", async () => {
  const [own, other] = [new ManualClock(Date.now()), new ManualClock(Date.now() - 3_600_000)];
  const [first, second] = [candidate("silent", own), candidate("silent", other)];
  first.leader.start();
  await until("the first leads", () => first.leader.isLeader);
  second.leader.start();
  // The first one's clock stands still: it renews nothing.
  await until("the second leads", () => {
    other.advance(2000);
    return second.leader.isLeader;
  });
  own.advance(15_000);
  expect(first.leader.isLeader).toBe(false);
  await Promise.all([first.leader.stop(), second.leader.stop()]);
});
