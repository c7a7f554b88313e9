import { describe, expect, test } from "vitest";
import { Random } from "../../../base/random/random.ts";
import { every } from "../../../base/time/clock.ts";
import { ManualClock } from "../../../base/time/manual-clock.ts";
import { edgecoreTimings, scaledTimings, spread } from "../../../edge-sim/timings/timings.ts";

/** The intervals between the runs of a lease's timer within an hour, milliseconds. */
function intervals(jitter: number): number[] {
  const clock = new ManualClock(0);
  const runs = [0];
  const timings = { ...edgecoreTimings, jitter };
  every(clock, spread(timings.lease, timings, new Random(1)), () => runs.push(clock.now()));
  clock.advance(3_600_000);
  return runs.slice(1).map((at, i) => at - (runs[i] as number));
}

describe("the timers of an edge", () => {
  test("are even without jitter, as edgecore's", () => {
    expect(new Set(intervals(0))).toEqual(new Set([10_000]));
  });

  test("are spread evenly by it, each interval anew", () => {
    const found = intervals(0.2);
    expect(Math.min(...found)).toBeGreaterThanOrEqual(8000);
    expect(Math.max(...found)).toBeLessThanOrEqual(12_000);
    expect(new Set(found).size).toBeGreaterThan(300);
    expect(found.reduce((sum, interval) => sum + interval, 0) / found.length).toBeCloseTo(10_000, -3);
  });

  test("are divided by a time scale; the jitter is a fraction and stays", () => {
    const { jitter, lease } = scaledTimings({ ...edgecoreTimings, jitter: 0.2 }, 10);
    expect({ jitter, lease }).toEqual({ jitter: 0.2, lease: 1000 });
  });
});
