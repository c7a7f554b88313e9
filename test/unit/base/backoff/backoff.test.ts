import { expect, test } from "vitest";
import { Backoff } from "../../../../base/backoff/backoff.ts";
import { Random } from "../../../../base/random/random.ts";

test("delays grow by the factor up to the cap, and start over after a reset", () => {
  const backoff = new Backoff({ initial: 100, factor: 2, cap: 350, jitter: 0 }, new Random(1));
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([100, 200, 350, 350]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});
