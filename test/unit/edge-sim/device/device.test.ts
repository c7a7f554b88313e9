import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { type DeviceBehaviour, type Report, SimulatedDevice } from "../../../../edge-sim/device/device.ts";
import type { Misbehaviour } from "../../../../edge-sim/device/misbehaviour.ts";
import { valueSource, type ValueSpec } from "../../../../edge-sim/device/values.ts";
import { refuseTwin, refuseTwinType } from "../../../../protocol/twin/twin.ts";

const model = {
  metadata: { name: "m" },
  spec: {
    properties: [
      { name: "target", type: "INT" as const, accessMode: "ReadWrite" as const },
      { name: "level", type: "FLOAT" as const, accessMode: "ReadOnly" as const, minimum: "10", maximum: "20" },
    ],
  },
};

function device(
  behaviours: Record<string, DeviceBehaviour> = {},
  noticed: (state: string) => void = () => {},
) {
  const clock = new ManualClock();
  const reports: Report[] = [];
  const applied: string[] = [];
  const simulated = new SimulatedDevice({
    clock,
    random: new Random(1),
    millisecond: 1,
    report: (report) => void reports.push(report),
    applied: (property, value) => applied.push(`${property}=${value}`),
    behaviours,
    noticed,
  });
  return { clock, reports, applied, simulated };
}

const spec = (properties: Record<string, unknown>[]) =>
  ({ metadata: { name: "d" }, spec: { deviceModelRef: { name: "m" }, properties } }) as never;

describe("a device", () => {
  test("takes a desired value once, holds it, and reports it where it reports at all", () => {
    const { reports, applied, simulated } = device();
    const wanted = spec([{ name: "target", desired: { value: "5" }, reportToCloud: true }]);
    simulated.configure(wanted, model);
    simulated.configure(wanted, model);
    expect(applied).toEqual(["target=5"]);
    expect(reports).toEqual([{ property: "target", desired: "5", value: "5", type: "int" }]);
    expect(simulated.state()).toEqual({ target: { desired: "5", value: "5" } });
  });

  test("can't be asked for what is read only", () => {
    const { applied, simulated } = device();
    simulated.configure(spec([{ name: "level", desired: { value: "15" } }]), model);
    expect(applied).toEqual([]);
  });

  test("reports every cycle what it measures, within the model's bounds", () => {
    const { clock, reports, simulated } = device();
    simulated.configure(spec([{ name: "level", reportToCloud: true, reportCycle: 100 }]), model);
    clock.advance(1000);
    expect(reports).toHaveLength(10);
    for (const { value } of reports) {
      expect(Number(value)).toBeGreaterThanOrEqual(10);
      expect(Number(value)).toBeLessThanOrEqual(20);
    }
    simulated.measure("level", "11");
    clock.advance(100);
    expect(reports.at(-1)?.value).toBe("11");
    simulated.stop();
    expect(clock.pending).toBe(0);
  });

  test("forgets a property that is taken from it", () => {
    const { simulated } = device();
    simulated.configure(spec([{ name: "target", desired: { value: "5" } }, { name: "level" }]), model);
    simulated.configure(spec([{ name: "level" }]), model);
    expect(Object.keys(simulated.state())).toEqual(["level"]);
  });
});

describe("a device that misbehaves", () => {
  const wanted = (value: string) =>
    spec([{ name: "target", desired: { value }, reportToCloud: true, reportCycle: 100 }]);
  const misbehaving = (misbehaves: Misbehaviour, values: Record<string, ValueSpec> = { target: { constant: 1 } }) => {
    const states: string[] = [];
    const world = device({ m: { values, misbehaves } }, (state) => states.push(state));
    return { ...world, states };
  };

  test("refuses: a desired value is logged, and has no effect", () => {
    const { applied, clock, reports, simulated } = misbehaving({ refuses: 1 });
    simulated.configure(wanted("5"), model);
    clock.advance(100);
    expect(applied).toEqual([]);
    expect(reports).toEqual([{ property: "target", desired: "5", value: "1", type: "int" }]);
  });

  test("refuses some, by its seed", () => {
    const { applied, simulated } = misbehaving({ refuses: 0.5 });
    for (let i = 0; i < 100; i++) simulated.configure(wanted(String(i)), model);
    expect(applied.length).toBeGreaterThan(30);
    expect(applied.length).toBeLessThan(70);
  });

  test("lags: goes on as it was until then, and takes the newest of what came meanwhile", () => {
    const { applied, clock, reports, simulated } = misbehaving({ lags: 250 });
    simulated.configure(wanted("5"), model);
    clock.advance(200);
    expect(reports.map(({ value }) => value)).toEqual(["1", "1"]);
    simulated.configure(wanted("6"), model);
    clock.advance(249);
    expect(applied).toEqual([]);
    clock.advance(1);
    expect(applied).toEqual(["target=6"]);
    simulated.configure(wanted("7"), model);
    simulated.stop();
    expect(clock.pending).toBe(0);
  });

  test("drifts: each report is further off, what it was made to say is not", () => {
    const { clock, reports, simulated } = misbehaving({ drifts: 2 });
    simulated.configure(wanted("5"), model);
    clock.advance(300);
    expect(reports.map(({ value }) => value)).toEqual(["5", "7", "9", "11"]);
    simulated.set("target", "3");
    expect(reports.at(-1)?.value).toBe("3");
  });

  test("says rubbish, which may travel and is no number", () => {
    const { clock, reports, simulated } = misbehaving({ rubbish: 1 });
    simulated.configure(spec([{ name: "target", reportToCloud: true, reportCycle: 1 }]), model);
    clock.advance(200);
    expect(new Set(reports.map(({ value }) => value)).size).toBeGreaterThan(5);
    for (const { value } of reports) {
      expect(refuseTwin("target", value)).toBeUndefined();
      expect(refuseTwinType("int", value)).toBeDefined();
    }
  });

  test("is offline in turn: says and takes nothing then, and takes what was wanted when it is back", () => {
    const { applied, clock, reports, simulated, states } = misbehaving({ offline: { every: 1000, for: 500 } });
    simulated.configure(spec([{ name: "target", reportToCloud: true, reportCycle: 100 }]), model);
    for (let ms = 0; states.length === 0 && ms < 1000; ms++) clock.advance(1);
    expect(states).toEqual(["offline"]);
    const before = reports.length;
    simulated.configure(wanted("5"), model);
    simulated.repeat();
    clock.advance(499);
    expect(reports).toHaveLength(before);
    expect(applied).toEqual([]);
    clock.advance(1);
    expect(states).toEqual(["offline", "online"]);
    expect(applied).toEqual(["target=5"]);
    clock.advance(1000);
    expect(states).toEqual(["offline", "online", "offline"]);
    simulated.stop();
    expect(clock.pending).toBe(0);
  });

  test("has the same values beside it", () => {
    const said = (misbehaves: Misbehaviour) => {
      const { clock, reports, simulated } = misbehaving(misbehaves, {
        target: { randomWalk: { low: 0, high: 1000, step: 50 } },
      });
      simulated.configure(spec([{ name: "target", reportToCloud: true, reportCycle: 100 }]), model);
      clock.advance(1000);
      return reports.map(({ value }) => value);
    };
    expect(said({ lags: 10, refuses: 0.5 })).toEqual(said({}));
  });
});

describe("values", () => {
  const take = (type: never, seed = 7) => {
    const next = valueSource({ name: "p", type, minimum: "1", maximum: "9" }, new Random(seed));
    return [next(), next(), next()];
  };
  test.each(["INT", "FLOAT", "DOUBLE", "BOOLEAN", "STRING", "BYTES"])(
    "of type %s are the same for the same seed, and may travel",
    (type) => {
      expect(take(type as never)).toEqual(take(type as never));
      expect(take(type as never, 8)).not.toEqual([]);
      for (const value of take(type as never)) expect(value).toMatch(/^[a-zA-Z0-9_.,:/@#-]+$/);
    },
  );
  test("are the same on every runtime", () => {
    expect(take("INT" as never)).toEqual(["3", "6", "1"]);
  });

  const series = (spec: ValueSpec, count: number, type: "INT" | "FLOAT" | "STRING" = "FLOAT") => {
    const next = valueSource({ name: "p", type }, new Random(7), spec);
    return Array.from({ length: count }, next);
  };
  test.each<[string, ValueSpec, number, string[]]>([
    ["constant", { constant: true }, 3, ["true", "true", "true"]],
    ["step", { step: { values: [1, "b"], hold: 2 } }, 5, ["1", "1", "b", "b", "1"]],
    ["step, a report each", { step: { values: [1, 2, 3] } }, 4, ["1", "2", "3", "1"]],
    ["sine", { sine: { low: 0, high: 10, period: 4 } }, 5, ["5", "10", "5", "0", "5"]],
    ["ramp", { ramp: { from: 0, to: 1, reports: 5 } }, 6, ["0", "0.25", "0.5", "0.75", "1", "0"]],
    ["ramp, downwards and in one report", { ramp: { from: 3, to: 1, reports: 1 } }, 2, ["3", "3"]],
    ["counter", { counter: { from: 5, by: -2 } }, 4, ["5", "3", "1", "-1"]],
    ["counter, as it is", { counter: {} }, 3, ["0", "1", "2"]],
    // Pinned: the same on Node and on Deno.
    ["randomWalk", { randomWalk: { low: 0, high: 100, step: 10 } }, 4, ["50", "53.95", "63", "56.88"]],
    ["enumerated", { enumerated: ["off", "on", "auto"] }, 5, ["auto", "auto", "off", "on", "off"]],
  ])("of a %s are as they should be", (_, spec, count, expected) => {
    expect(series(spec, count)).toEqual(expected);
  });
  test("of a walk stay within their bounds, each near the one before", () => {
    const walk = series({ randomWalk: { low: 0, high: 10, step: 4 } }, 1000).map(Number);
    for (const [i, value] of walk.entries()) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(10);
      expect(Math.abs(value - (walk[i - 1] ?? 5))).toBeLessThanOrEqual(4.011);
    }
    expect(new Set(walk).size).toBeGreaterThan(100);
  });
  test("of an INT are whole", () => {
    for (const value of series({ sine: { low: 0, high: 7, period: 9 } }, 20, "INT")) expect(value).toMatch(/^\d$/);
  });
});
