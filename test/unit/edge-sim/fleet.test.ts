// How a fleet is spread, and how what its processes tell is added up.
import { expect, test } from "vitest";
import { edgesPerProcess, machineOf, processesFor } from "../../../edge-sim/fleet/machine.ts";
import { type FleetReport, merged } from "../../../edge-sim/fleet/workers.ts";

test.each([
  [10, { descriptors: 20_000, ports: 28_232, processors: 8 }, 1],
  [501, { descriptors: 20_000, ports: 28_232, processors: 8 }, 2],
  [100_000, { descriptors: 20_000, ports: 28_232, processors: 2 }, 6],
  [40_000, { descriptors: undefined, ports: undefined, processors: 2 }, 2],
  [3000, { descriptors: 1024, ports: undefined, processors: 2 }, 125],
])("%i edges on %j are spread over %i processes", (edges, machine, processes) => {
  expect(processesFor(edges, machine)).toBe(processes);
  expect(Math.ceil(edges / processes)).toBeLessThanOrEqual(edgesPerProcess(machine));
});

test("what this machine allows is read from its own files, where it tells", async () => {
  const { descriptors, ports, processors } = await machineOf();
  expect(processors).toBeGreaterThan(0);
  if (process.platform === "linux") expect([descriptors, ports].every((limit) => (limit ?? 0) > 0)).toBe(true);
});

test("totals are summed, the lag is the worst one, and a refusal is given only where all are refused", () => {
  const report = (lag: number, refusal?: string): FleetReport => ({
    edges: 2,
    connected: 1,
    ready: 1,
    podsRunning: 3,
    devices: 4,
    connections: 5,
    up: 6,
    down: 7,
    lag,
    ...(refusal === undefined ? {} : { refusal }),
  });
  expect(merged([report(3, "no"), report(9)])).toEqual({ ...merged([report(9), report(9)]), lag: 9 });
  expect(merged([report(3), report(9)])).toEqual({
    edges: 4,
    connected: 2,
    ready: 2,
    podsRunning: 6,
    devices: 8,
    connections: 10,
    up: 12,
    down: 14,
    lag: 9,
  });
  expect(merged([report(1, "no"), report(2, "never")]).refusal).toBe("no");
});
