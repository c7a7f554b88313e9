import { describe, expect, test } from "vitest";
import { parseProfiles } from "../../../../scenarios/load/parse.ts";
import { durationOf, edgesOf } from "../../../../scenarios/load/profile.ts";
import { overridden } from "../../../../scenarios/load/overrides.ts";
import { shippedProfiles } from "../../../../scenarios/load/find.ts";
import { planLines, planOf, refusePlan } from "../../../../scenarios/load/plan.ts";
import { prepare } from "../../../../scenarios/load/setup.ts";

const text = (load: string, more = "") => `skep: 1\nname: a profile\n${more}load:\n${load}`;
const read = (load: string, more = "") => {
  const [profile] = parseProfiles(text(load, more), "p.yaml");
  if (profile === undefined) throw new Error("no profile");
  return profile;
};

describe("a load profile", () => {
  test("has defaults, a phase of warm-up that is not judged, and its own names", () => {
    const profile = read("  warmUp: 5s\n  phases: [{ for: 1m, rate: 20 }]\n  mix: { pods: {} }\n");
    expect(edgesOf(profile)).toBe(100);
    expect(profile.phases.map(({ from, isJudged, name }) => [name, from, isJudged])).toEqual([
      ["warm-up", 20, false],
      ["constant", 20, true],
    ]);
    expect(profile.mix).toEqual([{ kind: "pods", share: 1, alive: 5000, size: 0, edges: Infinity, count: 1 }]);
    expect(durationOf(profile)).toBe(65_000);
  });

  test.each([
    ["  phases: [{ for: 1m, rate: 1 }]\n", "p.yaml:4:12: the phase has a load, but there is no mix"],
    ["  phases: [{ for: 1m, shape: ramp, rate: 1 }]\n  mix: { pods: {} }\n", "a ramp needs toRate"],
    ["  phases: [{ for: 1m, rate: 1, users: 2 }]\n  mix: { pods: {} }\n", "a phase has a rate or users, not both"],
    ["  phases: [{ for: 1m, rate: 1 }]\n  mix: { reports: {} }\n", "p.yaml:5:10: reports need devices"],
    ["  phases: [{ for: 1m, rate: 1 }]\n  mix: { restarts: {} }\n", "restarts need standing"],
    ["  phases: [{ for: 1x }]\n", "for must be a duration such as 500ms, 2s or 1m30s"],
    ["  phases: [{ for: 1s, shape: square }]\n", "shape must be one of constant, ramp, step, spike, soak, storm"],
    ["  phases: [{ for: 1s }]\n  thresholds: [fast]\n", '"fast" is no threshold such as'],
    ["  phases: [{ for: 1s }]\n  thresholds: [pods.gone p(9) < 1s]\n", "there is no metric pods.gone; there are join"],
    ["  phases: [{ for: 1s }]\n  thresholds: [ready < 1s]\n", "ready is many durations: say which"],
    ["  phases: [{ for: 1s }]\n  thresholds: [cloudcore.rss < 50%]\n", "cloudcore.rss is no share of the edges"],
    ["  phases: [{ for: 1s }]\n  edges: 0\n", "edges"],
    ["  phases: [{ for: 1s, faults: [{ for: 1s }] }]\n", "p.yaml:4:32: one of cut, halfOpen, latency"],
    [
      "  phases: [{ for: 1s, faults: [{ cohort: x, cut: reset }] }]\n",
      "p.yaml:4:42: there is no cohort x in the fleet",
    ],
    ["  phases: [{ for: 1s, faults: [{ drop: 1, where: 'a ==' }] }]\n", "p.yaml:4:50: filter `a ==`"],
  ])("that is wrong is refused with its place: %j", (load, message) => {
    expect(() => read(load)).toThrow(message);
  });

  test("is made larger and smaller in proportion, its cohorts too", () => {
    const profile = read(
      "  phases: [{ for: 1m, rate: 50 }, { for: 30s, shape: ramp, rate: 50, toRate: 200 }]\n  mix: { configmaps: { edges: 30 } }\n",
      "fleet: [{ cohort: a, count: 20 }, { cohort: b, count: 80 }]\n",
    );
    const small = overridden(profile, { scale: 0.1 });
    expect(small.fleet.map(({ count }) => count)).toEqual([2, 8]);
    expect(small.phases.map(({ from, to }) => [from, to])).toEqual([[5, 5], [5, 20]]);
    expect(small.mix[0]?.edges).toBe(3);
    const other = overridden(profile, { edges: 7, rate: 400, duration: 9000 });
    expect(edgesOf(other)).toBe(7);
    expect(other.phases.map(({ for: ms, to }) => [ms, to])).toEqual([[6000, 100], [3000, 400]]);
  });

  test("of those that are shipped: each can be read, has thresholds and a plan, also at a tenth of its size", async () => {
    const shipped = await shippedProfiles();
    expect(shipped.map(({ name }) => name)).toEqual([
      "join",
      "create-devices",
      "report-status",
      "deploy",
      "update-twin",
      "hub-alone",
      "ten-thousand",
      "reconnect-storm",
      "configmap-to-everybody",
      "soak",
      "api-restart",
    ]);
    for (const { profile } of shipped) {
      expect(profile.thresholds.length).toBeGreaterThan(0);
      expect(profile.description).not.toBe("");
      const tenth = overridden(profile, { scale: 0.1 });
      const plan = planOf(tenth, await prepare(tenth, "x"), one, 1, true);
      expect(planLines(plan, tenth).length).toBeGreaterThanOrEqual(4);
    }
  });
});

const one = { processes: 1, hubs: 1, sourceAddresses: 0 };

describe("the plan", () => {
  test("counts messages by what they are", async () => {
    const profile = read(
      "  edges: 1000\n  phases: [{ for: 1m, rate: 30 }]\n  mix: { queries: { share: 2 }, pods: {} }\n",
    );
    const plan = planOf(profile, await prepare(profile, "x"), { ...one, processes: 2 }, 1, true);
    expect(plan.up.keepalives).toBeCloseTo(66.7, 1);
    expect(plan.up.leases).toBe(100);
    expect(plan.up.queries).toBeCloseTo(40);
    expect(planLines(plan, profile)[0]).toMatch(
      /^1000 connections, from 2 processes; \d+ objects made before it begins$/,
    );
  });

  test("names several hubs and source addresses", async () => {
    const profile = read("  edges: 1000\n  phases: [{ for: 1m, rate: 30 }]\n  mix: { queries: {} }\n");
    const spread = { processes: 4, hubs: 2, sourceAddresses: 3 };
    const plan = planOf(profile, await prepare(profile, "x"), spread, 1, true);
    expect(planLines(plan, profile)[0]).toMatch(
      /^1000 connections, from 4 processes, to 2 hubs, from 3 addresses; /,
    );
  });

  const plan = (edges: number, spread = one) => ({
    edges,
    ...spread,
    objects: 0,
    up: {},
    down: {},
    apiCalls: 0,
    memory: edges * 400_000,
    duration: 1,
  });
  const machine = { descriptors: 20_000, ports: 28_232, processors: 2 };
  test.each([
    [19_500, machine, 1e12, "ulimit -n 20500 before, or --processes 2"],
    [30_000, { ...machine, descriptors: 1e6 }, 1e12, "--edges 28232"],
    [10_000, machine, 2e9, "about 4.0 GB of memory are needed here, and 2.0 GB are free: say --edges 5000"],
  ])("of %i edges is refused where the machine has too little", (edges, machine, memory, message) => {
    expect(() => refusePlan(plan(edges), machine, memory)).toThrow(message);
  });

  test("that fits is not refused, and on a machine that doesn't tell neither", () => {
    refusePlan(plan(1000), machine, 1e12);
    const large = { ...machine, descriptors: 1e6 };
    refusePlan(plan(50_000, { ...one, sourceAddresses: 2 }), large, 1e12);
    refusePlan(plan(50_000, { ...one, hubs: 2 }), large, 1e12);
    refusePlan(plan(50_000), { descriptors: undefined, ports: undefined, processors: 2 }, 1e12);
  });
});
