import { expect, test } from "vitest";
import { atOnce } from "../../../../base/queue/at-once.ts";

test("every item is worked on once, in order, no more than so many at a time", async () => {
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  await atOnce(new Set([1, 2, 3, 4, 5, 6, 7]), 3, async (item) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
  });
  expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(3);
});

test("a failure is the caller's; nothing to do is done at once", async () => {
  await expect(atOnce([1, 2], 2, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await atOnce([], 5, () => Promise.reject(new Error("never called")));
});
