import { expect, test } from "vitest";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { SteppedClock } from "../../../../base/time/stepped-clock.ts";

test("its time of day is set forwards and back; intervals and timers go on as they were, and no other clock is set", () => {
  const machine = new ManualClock(1000);
  const [clock, other] = [new SteppedClock(machine), new SteppedClock(machine)];
  let fired = 0;
  clock.after(50, () => fired++);
  const began = clock.monotonic();
  clock.step(3_600_000);
  machine.advance(49);
  expect([clock.now(), other.now(), clock.monotonic() - began, fired]).toEqual([3_601_049, 1049, 49, 0]);
  clock.step(-7_200_000);
  machine.advance(1);
  expect([clock.now(), clock.monotonic() - began, fired]).toEqual([-3_598_950, 50, 1]);
});
