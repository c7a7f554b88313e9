import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { StagedPod } from "../../../../edge-sim/edged/staged-pod.ts";
import { Stages, type StageSpec } from "../../../../edge-sim/edged/stages.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";
import { readStages } from "../../../../scenarios/cohorts/stages.ts";

const pod = (
  labels: Record<string, string> = {},
  status: Record<string, unknown> = { phase: "Pending" },
): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "default", labels },
  spec: { nodeName: "gw-0", containers: [{ name: "c", image: "i:1" }, { name: "d", image: "i:2" }] },
  status,
});

function live(stages: Stages, of: KubeObject, seed = 1) {
  const clock = new ManualClock();
  const told: { at: number; status: Record<string, unknown> }[] = [];
  const failures: unknown[] = [];
  const lines: string[] = [];
  const began = clock.now();
  const staged = new StagedPod(of, {
    stages,
    clock,
    random: new Random(seed),
    millisecond: 1,
    changed: (status) => told.push({ at: clock.now() - began, status }),
    logged: (said) => void lines.push(...said),
    failed: (error) => failures.push(error),
  });
  return { clock, failures, lines, staged, told };
}

const to = (name: string, phase: string, words: Partial<StageSpec> = {}): StageSpec => ({
  name,
  next: { patch: { status: { phase } } },
  ...words,
});
const when = (key: string, operator: "In" | "NotIn" | "Exists" | "DoesNotExist", ...values: string[]) => ({
  selector: { matchExpressions: [{ key, operator, values }] },
});

describe("a pod in stages", () => {
  test("goes from one to the next after its delay, and stays where none fits", () => {
    const stages = new Stages([
      to("start", "Running", { ...when(".status.phase", "In", "Pending"), delay: { durationMilliseconds: 100 } }),
      to("end", "Succeeded", { ...when(".status.phase", "In", "Running"), delay: { durationMilliseconds: 1000 } }),
    ]);
    const { clock, told } = live(stages, pod());
    clock.advance(5000);
    expect(told.map(({ at, status }) => [at, status.phase])).toEqual([[100, "Running"], [1100, "Succeeded"]]);
    expect(clock.pending).toBe(0);
  });

  test("says what its stage makes it say: texts, and what CEL makes of the pod", () => {
    const stages = new Stages([{
      ...to("start", "Running", when(".status.phase", "In", "Pending")),
      next: {
        patch: { status: { phase: "Running" } },
        logs: ["hello", { $cel: "'I am ' + object.metadata.name" }, { $cel: "object.spec.containers.map(c, c.name)" }],
      },
    }]);
    const { clock, lines } = live(stages, pod());
    clock.advance(1);
    expect(lines).toEqual(["hello", "I am p", "c", "d"]);
  });

  test("a stage that changes nothing is not taken up again; one whose turn it no longer is, is not either", () => {
    const same = live(new Stages([to("same", "Pending")]), pod());
    same.clock.advance(1000);
    expect(same.told).toEqual([]);
    expect(same.clock.pending).toBe(0);
    const stages = new Stages([
      to("slow", "Running", {
        ...when('.metadata.annotations["go.on"]', "Exists"),
        delay: { durationMilliseconds: 100 },
      }),
    ]);
    const { clock, staged, told } = live(stages, { ...pod(), metadata: { name: "p", annotations: { "go.on": "1" } } });
    clock.advance(50);
    staged.replace(pod());
    clock.advance(1000);
    expect(told).toEqual([]);
  });

  test.each<[string, Record<string, unknown>, ReturnType<typeof when>, boolean]>([
    ["In", { phase: "Running" }, when(".status.phase", "In", "Pending", "Running"), true],
    ["In, of what is not there", {}, when(".status.phase", "In", ""), false],
    ["NotIn", { phase: "Running" }, when(".status.phase", "NotIn", "Pending"), true],
    ["NotIn, of what is not there", {}, when(".status.phase", "NotIn", "Pending"), true],
    ["Exists", { reason: "x" }, when(".status.reason", "Exists"), true],
    ["DoesNotExist", { reason: "x" }, when(".status.reason", "DoesNotExist"), false],
    ["a place in a list", { l: [{ a: true }] }, when(".status.l[0].a", "In", "true"), true],
  ])("%s", (_, status, selector, fits) => {
    expect(new Stages([to("s", "x", selector)]).fitting(pod({}, status))).toHaveLength(fits ? 1 : 0);
  });

  test("labels and annotations say which pods stages are for at all", () => {
    const stages = new Stages([to("s", "Running", { selector: { matchLabels: { a: "1" }, matchAnnotations: {} } })]);
    expect([stages.areFor(pod({ a: "1", b: "2" })), stages.areFor(pod({ a: "2" })), stages.areFor(pod())]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("of several that fit chance takes one by their weights, the same for the same seed", () => {
    const stages = new Stages([to("a", "A", { weight: 3 }), to("b", "B"), to("never", "C", { weight: 0 })]);
    const first = (seed: number) => {
      const { clock, told } = live(stages, pod(), seed);
      clock.advance(1);
      return String(told[0]?.status.phase);
    };
    const taken = Array.from({ length: 400 }, (_, seed) => first(seed));
    const share = taken.filter((phase) => phase === "A").length / taken.length;
    expect(share).toBeGreaterThan(0.68);
    expect(share).toBeLessThan(0.82);
    expect(taken).not.toContain("C");
    expect(first(7)).toBe(first(7));
  });

  test("waits between the two ends of its delay", () => {
    const stages = new Stages([
      to("s", "Running", { delay: { durationMilliseconds: 100, jitterDurationMilliseconds: 200 } }),
    ]);
    const waits = Array.from({ length: 50 }, (_, seed) => {
      const { clock, told } = live(stages, pod(), seed);
      clock.advance(1000);
      return told[0]?.at ?? 0;
    });
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(201);
    expect(new Set(waits).size).toBeGreaterThan(20);
  });

  test("values are worked out from the pod and the time; conditions merge by type, null takes away", () => {
    const status = {
      message: { $cel: "'on ' + object.spec.nodeName" },
      at: { $cel: "now" },
      n: { $cel: "object.spec.containers.size()" },
      reason: null,
      conditions: [{ type: "Ready", status: "True" }, { type: "New", status: "True" }],
    };
    const { clock, told } = live(
      new Stages([{ name: "s", next: { patch: { status } } }]),
      pod({}, {
        phase: "Pending",
        reason: "x",
        conditions: [{ type: "Ready", status: "False", reason: "y" }, { type: "PodScheduled", status: "True" }],
      }),
    );
    clock.advance(1);
    expect(told[0]?.status).toEqual({
      phase: "Pending",
      message: "on gw-0",
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      n: 2,
      conditions: [
        { type: "Ready", status: "True" },
        { type: "PodScheduled", status: "True" },
        { type: "New", status: "True" },
      ],
    });
  });

  test("an expression that fails is reported, and affects that stage alone", () => {
    const { clock, failures, told } = live(
      new Stages([
        { name: "s", next: { patch: { status: { phase: { $cel: "object.spec.nope.x" } } } } },
      ]),
      pod(),
    );
    clock.advance(10);
    expect(told).toEqual([]);
    expect(String(failures[0])).toContain("stage s: object.spec.nope.x");
  });

  test("wrong paths and expressions are refused at once", () => {
    expect(() => new Stages([to("s", "x", when("status.phase", "Exists"))])).toThrow(
      "stage s: the key status.phase is no path",
    );
    expect(() => new Stages([to("s", "x", when(".a | select(.b)", "Exists"))])).toThrow("is no path");
    expect(() => new Stages([{ name: "s", next: { patch: { status: { a: { $cel: "1 +" } } } } }])).toThrow(
      "stage s: 1 +",
    );
  });
});

describe("the stages that come with skep", () => {
  const names = readdirSync(fileURLToPath(new URL("../../../../scenarios/library/stages", import.meta.url)))
    .map((name) => name.replace(".yaml", ""));
  const phases = async (name: string, forMs = 60_000) => {
    const { clock, failures, told } = live(await readStages([name], "."), pod({ "skep/stage": name }));
    clock.advance(forMs);
    expect(failures).toEqual([]);
    return told.map(({ status }) => {
      const [first, second] = status.containerStatuses as Record<string, never>[];
      expect(second).toMatchObject({ name: "d", image: "i:2" });
      const ready = (status.conditions as { type: string; status: string }[]).find(({ type }) => type === "Ready")
        ?.status;
      return `${status.phase} ${ready} ${Object.keys(first?.state ?? {}).join()} ${first?.restartCount}`;
    });
  };
  test("are the ones that the guide names", () => {
    expect(names.sort()).toEqual([
      "completing",
      "crashing",
      "evicted",
      "flapping",
      "running",
      "slow-start",
      "unpullable",
    ]);
  });
  test.each<[string, string[]]>([
    ["running", ["Running True running 0"]],
    ["slow-start", ["Running True running 0"]],
    ["completing", ["Running True running 0", "Succeeded False terminated 0"]],
    ["evicted", ["Running True running 0", "Failed False terminated 0"]],
    ["unpullable", ["Pending False waiting 0"]],
    ["crashing", [
      "Running True running 0",
      "Running False waiting 0",
      "Running True running 1",
      "Running False waiting 1",
      "Running True running 2",
    ]],
    ["flapping", ["Running True running 0", "Running False running 0", "Running True running 0"]],
  ])("%s", async (name, expected) => {
    expect((await phases(name)).slice(0, expected.length)).toEqual(expected);
  });
});
