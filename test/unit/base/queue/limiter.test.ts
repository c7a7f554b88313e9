import { expect, test } from "vitest";
import { Limiter } from "../../../../base/queue/limiter.ts";
import type { Clock } from "../../../../base/time/clock.ts";

test("so many at once, then one each so often, never more than that; a clock that is set back changes nothing", () => {
  let now = 1_000_000;
  const limiter = new Limiter({ now: () => now } as Clock, 3, 100);
  const taken = () => [1, 2, 3, 4, 5].filter(() => limiter.allows()).length;
  expect(taken()).toBe(3);
  expect(limiter.wait).toBe(100);
  now += 250;
  expect(taken()).toBe(2);
  expect(limiter.wait).toBe(50);
  now += 1_000_000;
  expect(taken()).toBe(3);
  now -= 3_600_000;
  expect(limiter.wait).toBe(100);
  now += 100;
  expect(limiter.allows()).toBe(true);
});
