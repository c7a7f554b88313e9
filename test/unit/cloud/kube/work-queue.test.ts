import { expect, test } from "vitest";
import { silentLogger } from "../../../../base/log/logger.ts";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { WorkQueue } from "../../../../cloud/kube/work-queue.ts";

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

function queue(look: (key: string) => Promise<void>) {
  const clock = new ManualClock();
  return { clock, queue: new WorkQueue("test", { clock, random: new Random(1), logger: silentLogger }, look) };
}

test("a key named several times is looked at once, keys one after another", async () => {
  const seen: string[] = [];
  const { queue: q } = queue((key) => Promise.resolve(void seen.push(key)));
  for (const key of ["a", "a", "b", "a"]) q.add(key);
  await settle();
  expect(seen).toEqual(["a", "b"]);
});

test("a key that changes while it is looked at is looked at again", async () => {
  const seen: string[] = [];
  const { queue: q } = queue((key) => {
    seen.push(key);
    if (seen.length === 1) q.add("a");
    return Promise.resolve();
  });
  q.add("a");
  await settle();
  expect(seen).toEqual(["a", "a"]);
});

test("a failure is tried again after a while, longer each time, and does not hold up others", async () => {
  let fails = 2;
  const seen: string[] = [];
  const { clock, queue: q } = queue((key) => {
    seen.push(key);
    return key === "bad" && fails-- > 0 ? Promise.reject(new Error("no")) : Promise.resolve();
  });
  q.add("bad");
  q.add("good");
  await settle();
  expect(seen).toEqual(["bad", "good"]);
  clock.advance(130);
  await settle();
  clock.advance(260);
  await settle();
  expect(seen).toEqual(["bad", "good", "bad", "bad"]);
  expect(clock.pending).toBe(0);
});

test("stopped, it looks at nothing more and leaves no timer", async () => {
  const seen: string[] = [];
  const { clock, queue: q } = queue((key) => {
    seen.push(key);
    return Promise.reject(new Error("no"));
  });
  q.add("a");
  await settle();
  q.stop();
  q.add("b");
  await settle();
  expect(seen).toEqual(["a"]);
  expect(clock.pending).toBe(0);
});
