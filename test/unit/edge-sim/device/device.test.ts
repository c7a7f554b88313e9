import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { type Report, SimulatedDevice } from "../../../../edge-sim/device/device.ts";
import { valueSource } from "../../../../edge-sim/device/values.ts";

const model = {
  metadata: { name: "m" },
  spec: {
    properties: [
      { name: "target", type: "INT" as const, accessMode: "ReadWrite" as const },
      { name: "level", type: "FLOAT" as const, accessMode: "ReadOnly" as const, minimum: "10", maximum: "20" },
    ],
  },
};

function device() {
  const clock = new ManualClock();
  const reports: Report[] = [];
  const applied: string[] = [];
  const simulated = new SimulatedDevice({
    clock,
    random: new Random(1),
    millisecond: 1,
    report: (report) => reports.push(report),
    applied: (property, value) => applied.push(`${property}=${value}`),
  });
  return { clock, reports, applied, simulated };
}

const spec = (properties: Record<string, unknown>[]) => ({ metadata: { name: "d" }, spec: { properties } }) as never;

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
});
