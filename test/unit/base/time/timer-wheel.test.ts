import { expect, test } from "vitest";
import { every, sleep } from "../../../../base/time/clock.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { TimerWheel } from "../../../../base/time/timer-wheel.ts";

test("timers fire in the order they are due, never early, and none is left", async () => {
  const wheel = new TimerWheel();
  const fired: string[] = [];
  const began = performance.now();
  const early: string[] = [];
  const set = (name: string, ms: number) =>
    wheel.after(ms, () => {
      fired.push(name);
      if (performance.now() - began < ms - 1) early.push(name);
    });
  set("c", 60);
  set("a", 10);
  set("b", 30);
  await sleep(wheel, 90);
  expect(fired).toEqual(["a", "b", "c"]);
  expect(early).toEqual([]);
  expect(wheel.pending).toBe(0);
});

test("a cancelled timer does not fire; cancelling twice does nothing", async () => {
  const wheel = new TimerWheel();
  let fired = false;
  const timer = wheel.after(5, () => fired = true);
  timer.cancel();
  timer.cancel();
  await sleep(wheel, 20);
  expect(fired).toBe(false);
  expect(wheel.pending).toBe(0);
});

test("a timer further away than one turn of the wheel still fires only when it is due", async () => {
  const wheel = new TimerWheel();
  const far = wheel.after(60_000, () => {
    throw new Error("much too early");
  });
  let near = 0;
  const ticking = every(wheel, 5, () => near++);
  await sleep(wheel, 60);
  ticking.cancel();
  far.cancel();
  expect(near).toBeGreaterThan(2);
  expect(wheel.pending).toBe(0);
});

test("a callback may cancel a timer of the same moment", async () => {
  const wheel = new TimerWheel();
  let second = false;
  wheel.after(5, () => other.cancel());
  const other = wheel.after(5, () => second = true);
  await sleep(wheel, 30);
  expect(second).toBe(false);
});

test("sleep ends early with the signal's reason", async () => {
  const clock = new ManualClock();
  const abort = new AbortController();
  const slept = sleep(clock, 1000, abort.signal);
  abort.abort(new Error("no more"));
  await expect(slept).rejects.toThrow("no more");
  expect(clock.pending).toBe(0);
});

test("a manual clock fires on the way what becomes due, also what is set meanwhile", () => {
  const clock = new ManualClock(0);
  const at: number[] = [];
  clock.after(10, () => {
    at.push(clock.now());
    clock.after(5, () => at.push(clock.now()));
  });
  clock.advance(20);
  expect(at).toEqual([10, 15]);
  expect(clock.now()).toBe(20);
});
