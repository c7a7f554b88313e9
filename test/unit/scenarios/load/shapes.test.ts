import { describe, expect, test } from "vitest";
import type { Phase } from "../../../../scenarios/load/profile.ts";
import { arrivalCount, arrivals, loadAt } from "../../../../scenarios/load/shapes.ts";

const phase = (more: Partial<Phase>): Phase => ({
  name: "p",
  shape: "constant",
  model: "open",
  for: 10_000,
  from: 10,
  to: 10,
  steps: 5,
  lost: 0,
  away: 0,
  restart: undefined,
  faults: [],
  think: 0,
  jitter: 0,
  isJudged: true,
  ...more,
});

describe("the load of a phase", () => {
  test.each(
    [
      ["constant", phase({}), [10, 10, 10]],
      ["ramp", phase({ shape: "ramp", to: 30 }), [10, 20, 30]],
      ["step", phase({ shape: "step", to: 30, steps: 3 }), [10, 20, 30]],
      ["spike", phase({ shape: "spike", to: 100 }), [10, 100, 10]],
      ["storm", phase({ shape: "storm" }), [10, 10, 10]],
    ] as const,
  )("of the shape %s at its begin, middle and end", (_name, shaped, wanted) => {
    expect([0, 5000, 10_000].map((ms) => loadAt(shaped, ms))).toEqual(wanted);
  });

  test("that is open is as many operations as its rate makes up, evenly spread, and none outside", () => {
    const due = [...arrivals(phase({ from: 50, to: 50 }))];
    expect(due).toHaveLength(500);
    expect(due.every((ms, i) => Math.abs(ms - (i + 1) * 20) < 0.01)).toBe(true);
    const ramp = phase({ shape: "ramp", from: 0, to: 100 });
    const rising = [...arrivals(ramp)];
    expect(rising).toHaveLength(arrivalCount(ramp));
    expect(rising.length).toBe(500);
    // Half of the time is a quarter of them.
    expect(rising.filter((ms) => ms <= 5000).length).toBeCloseTo(125, -1);
    expect(rising.every((ms, i) => i === 0 || ms >= (rising[i - 1] as number))).toBe(true);
    expect([...arrivals(phase({ from: 0, to: 0 }))]).toEqual([]);
    expect([...arrivals(phase({ from: 0.2, to: 0.2 }))]).toHaveLength(2);
  });
});
