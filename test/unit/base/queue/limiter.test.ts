import { expect, test } from "vitest";
import { Limiter } from "../../../../base/queue/limiter.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";

test("so many at once, then one each so often, never more than that; a clock that is set changes nothing", () => {
  const clock = new ManualClock();
  const limiter = new Limiter(clock, 3, 100);
  const taken = () => [1, 2, 3, 4, 5].filter(() => limiter.allows()).length;
  expect(taken()).toBe(3);
  expect(limiter.wait).toBe(100);
  clock.advance(250);
  expect(taken()).toBe(2);
  expect(limiter.wait).toBe(50);
  clock.advance(1_000_000);
  expect(taken()).toBe(3);
  clock.step(-3_600_000);
  expect(limiter.wait).toBe(100);
  clock.step(7_200_000);
  expect(limiter.wait).toBe(100);
  clock.advance(100);
  expect(limiter.allows()).toBe(true);
});
