import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { compare, incomparable } from "../../../../scenarios/load/compare.ts";
import { loadHtml } from "../../../../scenarios/load/html.ts";
import { addedTo, hubMetrics } from "../../../../scenarios/load/hub-metrics.ts";
import { loadJunit } from "../../../../scenarios/load/junit.ts";
import { type Limit, resourceOf, searchLimit } from "../../../../scenarios/load/limit.ts";
import { resultLines, sampleLine, verdictLine } from "../../../../scenarios/load/lines.ts";
import { Recorder, type Sample } from "../../../../scenarios/load/recorder.ts";
import { flowResult, judge, type LoadResult, verdictOf } from "../../../../scenarios/load/result.ts";
import { parseThreshold } from "../../../../scenarios/load/thresholds.ts";
import { Versions } from "../../../../scenarios/load/versions.ts";
import { Waits } from "../../../../scenarios/load/waits.ts";

const fleet = [{ cohort: "edge", count: 10 }];
const sample = (ready: number, rss: number, at = 1): Sample => ({
  at,
  gauges: { "edges.ready": ready, "cloudcore.rss": rss },
  flows: { "pod.running": { count: 3, p50: 10, p99: 40 } },
  errors: 0,
});

describe("thresholds", () => {
  const recorder = new Recorder();
  for (let ms = 1; ms <= 100; ms++) recorder.add("pod.running", ms);
  recorder.count("lost", 2);
  const samples = [sample(9, 100e6), sample(10, 110e6), sample(10, 130e6)];
  test.each([
    ["pod.running p(99) < 99ms", "crossed", 99],
    ["pod.running p(50) <= 50ms", "held", 50],
    ["pod.running max < 0.1s", "crossed", 100],
    ["pod.running count == 100", "held", 100],
    ["pod.gone p(99) < 1s", "not judged", undefined],
    ["pod.gone count == 0", "held", 0],
    ["edges.ready == 100%", "held", 1],
    ["edges.ready min == 100%", "crossed", 0.9],
    ["edges.ready min >= 9", "held", 9],
    ["cloudcore.rss < 128MiB", "held", 130e6],
    ["cloudcore.rss growth < 20%", "crossed", 0.3],
    ["lost == 0", "crossed", 2],
    ["api.rss < 1GB", "not judged", undefined],
  ])("%s is %s", (text, verdict, found) => {
    const result = judge(parseThreshold(text), recorder, samples, { fleet });
    expect(result.verdict).toBe(verdict);
    if (found === undefined) expect(result.found).toBeUndefined();
    else expect(result.found).toBeCloseTo(found, 5);
  });
});

describe("the verdict", () => {
  const facts = { thresholds: [], isCrossed: false, late: 10, maxLag: 500, interruption: undefined, hasBroken: false };
  test.each(
    [
      ["passed", {}],
      ["crossed", { thresholds: [{ text: "lost == 0", verdict: "crossed", found: 1, unit: "" }] }],
      ["crossed", { isCrossed: true }],
      ["none", { late: 501, isCrossed: true }],
      ["none", { hasBroken: true }],
      ["interrupted", { interruption: "interrupted by SIGINT", late: 501 }],
    ] as const,
  )("is %s for %j", (verdict, more) => {
    expect(verdictOf({ ...facts, ...more }).verdict).toBe(verdict);
  });

  test("that is none tells that the generator is to blame, and what to do", () => {
    expect(verdictOf({ ...facts, late: 501 }).reason).toMatch(
      /^the generator was the bottleneck: .* 501 ms .* --processes/,
    );
  });
});

describe("what is recorded", () => {
  test("during warm-up is not judged, also where it ends later; joins before it are", () => {
    const recorder = new Recorder();
    recorder.add("ready", 5);
    recorder.begin("1 warm-up", false, 1000);
    recorder.add("pod.running", 7);
    recorder.begin("2 steady", true, 2000);
    recorder.add("pod.running", 9, 1, recorder.judges(1500));
    recorder.add("pod.running", 11, 1, recorder.judges(2500));
    expect(recorder.flows.get("ready")?.totalCount).toBe(1);
    expect(recorder.flows.get("pod.running")?.totalCount).toBe(1);
    expect(recorder.phases.get("2 steady")?.get("pod.running")?.maxValue).toBe(11);
  });

  test("keeps the ten slowest, and bounds its samples", () => {
    const recorder = new Recorder();
    for (let took = 1; took <= 30; took++) {
      recorder.slow({ flow: "pod.running", what: `p${took}`, took, at: 0, hops: [] });
    }
    expect(recorder.slowest.map(({ took }) => took)).toEqual([30, 29, 28, 27, 26, 25, 24, 23, 22, 21]);
    expect(recorder.slowFrom).toBe(21);
    for (let i = 0; i < 8000; i++) recorder.sample(i, {});
    expect(recorder.samples.length).toBeLessThanOrEqual(7200);
    expect(recorder.samples.at(-1)?.at).toBe(7999);
  });
});

describe("waiting for what operations bring about", () => {
  test("ends when it is seen, given up, or too late", async () => {
    const clock = new ManualClock(0);
    const waits = new Waits(clock, 1000);
    const [seen, replaced, lost] = [waits.for("a"), waits.for("b"), waits.for("c")];
    waits.end("a", { seen: 5 });
    waits.end("b", "replaced");
    waits.end("unknown", "lost");
    clock.advance(1001);
    expect(await Promise.all([seen, replaced, lost])).toEqual([{ seen: 5 }, "replaced", "lost"]);
    expect(waits.size).toBe(0);
  });

  test("for versions: the last edge counts; an older version that is not everywhere is replaced; edges may be faster than the API", () => {
    const versions = new Versions();
    const told: string[] = [];
    const wait = (version: string) =>
      versions.changed("ns/configmap/a", version, 3, (last) => told.push(`${version} ${last}`));
    const stored = (version: string, edges: number, last: number) =>
      versions.stored({ path: "ns/configmap/a", version, edges, last });
    wait("7");
    stored("7", 2, 10);
    wait("8");
    stored("8", 3, 20);
    stored("7", 1, 30);
    stored("9", 3, 40);
    wait("9");
    expect(told).toEqual(["7 undefined", "8 20", "9 40"]);
  });
});

test("the hub's histograms are read as what was added since", () => {
  const text = (one: number, two: number, all: number) =>
    `skep_hub_resends_total 3\nskep_hub_ack_seconds_bucket{le="0.001"} ${one}\nskep_hub_ack_seconds_bucket{le="0.002"} ${two}\nskep_hub_ack_seconds_bucket{le="+Inf"} ${all}\n`;
  const [before, now] = [hubMetrics([text(1, 2, 2)]), hubMetrics([text(3, 8, 9)])];
  expect(now.resends).toBe(3);
  expect(addedTo(before.acked, now.acked)).toEqual([[1, 2], [2, 4], [2, 1]]);
  expect(hubMetrics([""]).acked.size).toBe(0);
  const both = hubMetrics([text(3, 8, 9), text(1, 2, 2)]);
  expect(both.resends).toBe(6);
  expect([...both.acked]).toEqual([[0.001, 4], [0.002, 10], [Infinity, 11]]);
});

const flow = (values: readonly number[]) => {
  const recorder = new Recorder();
  for (const ms of values) recorder.add("pod.running", ms);
  return flowResult("pod.running", recorder.flows.get("pod.running") as never);
};
const result = (more: Partial<LoadResult> = {}): LoadResult => ({
  format: "skep.load/1",
  run: "1",
  name: "pods <&> more",
  file: "p.yaml",
  target: "ours",
  seed: 1,
  edges: 10,
  processes: 1,
  plan: ["10 connections"],
  versions: { skep: "1", runtime: "Node", machine: "m" },
  startedAt: 0,
  took: 1000,
  verdict: "passed",
  reasons: [],
  thresholds: [{ text: "pod.running p(99) < 1s", verdict: "held", found: 40, unit: "ms" }],
  phases: [{
    name: "1 steady",
    shape: "storm",
    isJudged: true,
    hasFault: true,
    began: 0,
    ended: 9,
    flows: [flow([5])],
  }],
  flows: [flow([10, 20, 30, 40])],
  gauges: { "cloudcore.rss": { min: 1e8, mean: 1e8, max: 2e8, last: 1e8, growth: 0 } },
  counts: { lost: 0, errors: 0, replaced: 0, resends: 0, reconnects: 0 },
  errors: [],
  slowest: [{ flow: "pod.running", what: "a <b>", took: 40, at: 1, hops: [{ name: "it is seen", at: 40 }] }],
  samples: [sample(10, 1e8)],
  ...more,
});

describe("the report", () => {
  test("in lines has flows, counts, thresholds and the verdict", () => {
    const lines = resultLines(result()).join("\n");
    expect(lines).toMatch(/pod\.running +4 +20/);
    expect(lines).toContain("lost 0, errors 0");
    expect(lines).toContain("✓ pod.running p(99) < 1s   40 ms");
    expect(verdictLine(result())).toBe("passed: 1 thresholds held");
    expect(sampleLine(sample(10, 2e9), "steady")).toContain("pod.running 3/s p50 10 p99 40 ms");
  });

  test("as JUnit has a test case for each threshold; without a verdict they are skipped", () => {
    expect(loadJunit(result())).toContain('tests="1" failures="0" skipped="0"');
    const crossed = result({
      verdict: "crossed",
      thresholds: [{ text: "lost == 0", verdict: "crossed", found: 3, unit: "" }],
    });
    expect(loadJunit(crossed)).toContain('<failure message="found 3"/>');
    const none = loadJunit(result({ verdict: "none", reasons: ["the generator was <late>"] }));
    expect(none).toContain('skipped="1"');
    expect(none).toContain("the generator was &lt;late&gt;");
  });

  test("as a page holds all of it, escaped, and loads nothing", () => {
    const page = loadHtml(result());
    expect(page).toContain("pods &lt;&amp;&gt; more: passed");
    expect(page).toContain("a &lt;b&gt;");
    expect(page).not.toContain("<b>");
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
  });
});

describe("a comparison", () => {
  test("finds what is worse by ratios, and lets small differences pass", () => {
    const before = result({ flows: [flow([100, 100, 100])] });
    expect(compare(before, result({ flows: [flow([110, 110, 110])] })).filter(({ isWorse }) => isWorse)).toEqual([]);
    const slower = result({ flows: [flow([300, 300, 300])], counts: { ...before.counts, lost: 1 } });
    expect(compare(before, slower).filter(({ isWorse }) => isWorse).map(({ what }) => what)).toEqual([
      "lost",
      "pod.running p(50)",
      "pod.running p(95)",
    ]);
    const tiny = result({ flows: [flow([1])] });
    expect(compare(tiny, result({ flows: [flow([5])] })).some(({ isWorse }) => isWorse)).toBe(false);
  });

  test("is refused between runs that have nothing to do with each other", () => {
    expect(incomparable(result(), result({ name: "other" }))).toContain("another profile");
    expect(incomparable(result(), result({ edges: 11 }))).toContain("10 edges");
    expect(incomparable(result({ verdict: "none" }), result())).toContain("no verdict");
    expect(incomparable(result(), result())).toBeUndefined();
  });
});

describe("the search for the limit", () => {
  const search = async (limit: number, first: number, most: number): Promise<Limit> =>
    await searchLimit(
      "edges",
      first,
      most,
      2,
      (value) =>
        Promise.resolve({
          value,
          isGood: value <= limit,
          why: value <= limit ? "held" : "ready p(99)",
          result: undefined,
        }),
    );

  test("comes within a tenth of it, from below or from above", async () => {
    const limit = await search(3300, 100, 100_000);
    expect(limit.held).toBeLessThanOrEqual(3300);
    expect(limit.broke).toBeGreaterThan(3300);
    expect((limit.broke as number) / (limit.held as number)).toBeLessThan(1.12);
    expect(limit.why).toBe("ready p(99)");
    const above = await search(30, 1000, 100_000);
    expect(above.held).toBeLessThanOrEqual(30);
    expect(above.broke).toBeGreaterThan(30);
  });

  test("says which process was at its end, or all of them together", () => {
    const cpu = (mean: number) => ({ min: 0, mean, max: mean, last: mean, growth: 0 });
    const run = (cloudcore: number, api: number, fleet: number) =>
      result({ gauges: { "cloudcore.cpu": cpu(cloudcore), "api.cpu": cpu(api), "fleet.cpu": cpu(fleet) } });
    expect(resourceOf(run(0.95, 0.4, 0.3), 4)).toBe("cloudcore: 95 % of a processor");
    expect(resourceOf(run(0.7, 0.5, 0.6), 2)).toBe(
      "this machine: all processes together take 180 % of a processor, and it has 2",
    );
    expect(resourceOf(run(0.7, 0.5, 0.6), 8)).toContain("none of the processors");
    expect(resourceOf(undefined, 2)).toContain("not known");
  });

  test("ends where nothing breaks, and where nothing holds", async () => {
    expect(await search(Infinity, 100, 1000)).toMatchObject({ held: 1000, broke: undefined });
    expect(await search(0, 8, 1000)).toMatchObject({ held: undefined, broke: 1 });
  });
});
