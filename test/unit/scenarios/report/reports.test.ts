import { describe, expect, test } from "vitest";
import { annotations, summary } from "../../../../scenarios/report/github.ts";
import { htmlReport } from "../../../../scenarios/report/html.ts";
import { flowPercentiles } from "../../../../scenarios/report/percentiles.ts";
import type { RunResult, ScenarioResult } from "../../../../scenarios/model/result.ts";
import { jsonReport } from "../../../../scenarios/report/json.ts";
import { junitReport } from "../../../../scenarios/report/junit.ts";
import { terminalReport, totalsLine } from "../../../../scenarios/report/terminal.ts";

const base = {
  file: "lib/a.yaml",
  tags: [],
  seed: 7,
  reason: "",
  took: 1234,
  times: undefined,
  steps: [],
  failures: [],
  shown: [],
  tries: 1,
  flaky: false,
  earlier: [],
  latencies: [],
  invariants: [],
  messages: 5,
  metrics: {},
};
const passed: ScenarioResult = { ...base, name: "holds", verdict: "passed" };
const skipped: ScenarioResult = {
  ...base,
  name: "can't",
  verdict: "skipped",
  reason: "the cluster has no link-faults",
};
const failed: ScenarioResult = {
  ...base,
  name: "breaks <&> \u0001",
  verdict: "failed",
  failures: [{
    message: "expect kube: Pod web — not within 100 ms",
    details: ['status.phase: expected "Running", found "Pending"'],
    position: { file: "lib/a.yaml", line: 12, column: 3 },
    hops: [],
  }],
};
const run: RunResult = {
  target: "the embedded target",
  run: "0123456789",
  versions: { skep: "0.1.0", runtime: "Node 26", machine: "linux" },
  notRun: [],
  seed: 7,
  timeScale: 10,
  patience: 1,
  startedAt: 0,
  took: 5000,
  interrupted: false,
  judged: ["all queues are drained"],
  notJudged: [],
  scenarios: [passed, failed, skipped],
  firstMessage: { total: 700, load: 500, api: 40, certificates: 20, cloudcore: 60, join: 80 },
};

describe("JUnit", () => {
  const xml = junitReport(run, "skep");
  test("counts and names what happened", () => {
    expect(xml).toContain('tests="3" failures="1" skipped="1"');
    expect(xml).toContain('<testcase name="holds" classname="lib/a.yaml" file="lib/a.yaml" time="1.234"/>');
    expect(xml).toContain('<skipped message="the cluster has no link-faults"/>');
  });
  test("carries the difference, the line and the command to repeat it", () => {
    expect(xml).toContain("(lib/a.yaml:12)");
    expect(xml).toContain("expected &quot;Running&quot;, found &quot;Pending&quot;");
    expect(xml).toContain("repeat it: skep run lib/a.yaml --seed 7");
  });
  test("holds nothing that XML can't", () => {
    expect(xml).toContain('name="breaks &lt;&amp;&gt; "');
    expect(xml.includes("\u0001")).toBe(false);
  });
});

test("the JSON report names its form", () => {
  expect(JSON.parse(jsonReport(run))).toMatchObject({
    format: "skep.report/1",
    seed: 7,
    scenarios: [{ name: "holds" }, {}, {}],
  });
});

describe("the terminal", () => {
  const shown = (isLive: boolean, quiet = false) => {
    let text = "";
    const report = terminalReport({
      write: (t) => text += t,
      isLive,
      columns: () => 60,
      colors: false,
      quiet,
      verbose: false,
      command: "skep",
    });
    report.start("begins");
    report.began?.({ name: "holds" } as never, 0, 3);
    for (const [i, result] of run.scenarios.entries()) report.ended?.(result, i, 3);
    report.finish(run, ["reports: x"]);
    return text;
  };

  test("without a TTY is plain lines, with the table, the first message and the totals at the end", () => {
    const text = shown(false);
    expect(text.includes("\r") || text.includes("\x1b")).toBe(false);
    expect(text).toContain("✓ [1/3] holds 1.2 s");
    expect(text).toContain("– [3/3] can't — the cluster has no link-faults");
    expect(text).toMatch(/passed {3}holds/);
    expect(text).toContain(
      "first message acknowledged by an edge 700 ms after the start of the process (load 500 + API 40 + certificates 20 + cloudcore 60 + join 80)",
    );
    expect(text.trimEnd().split("\n").at(-1)).toBe("1 passed, 1 failed, 1 skipped in 5.0 s");
  });

  test("with one, a live line is written over and leaves nothing behind", () => {
    expect(shown(true)).toContain("[1/3] holds\r\x1b[2K✓");
  });

  test("quiet, it says what failed and the totals", () => {
    const text = shown(false, true);
    expect(text).not.toContain("✓");
    expect(text).toContain("✗ [2/3] breaks");
  });

  test("says that it was interrupted", () => {
    expect(totalsLine({ ...run, interrupted: true })).toContain("interrupted");
  });
});

describe("GitHub", () => {
  test("an annotation is at the line that failed, its text on one line", () => {
    const [annotation] = annotations(run, "skep");
    expect(annotation).toMatch(/^::error file=lib\/a\.yaml,line=12,title=breaks/);
    expect(annotation).toContain("%0A  status.phase");
    expect(annotation).not.toContain("\n");
  });

  test("what is flaky is a warning", () => {
    const flaky = { ...passed, flaky: true, tries: 2, earlier: failed.failures };
    expect(annotations({ ...run, scenarios: [flaky] }, "skep")).toEqual([
      "::warning file=lib/a.yaml,line=12,title=holds::passed on try 2 only",
    ]);
  });

  test("the summary has a row for each and the difference of what failed", () => {
    const text = summary(run, "skep");
    expect(text).toContain("| ❌ failed |");
    expect(text).toContain("| ➖ skipped | can't |");
    expect(text).toContain('expected "Running", found "Pending"');
  });
});

describe("percentiles", () => {
  test("are taken over all scenarios of a run", () => {
    const counts = (from: number) => Array.from({ length: 50 }, (_, i) => [from + i, 1] as const);
    const scenarios = [1, 51].map((from) => ({ ...passed, latencies: [{ flow: "down pod", counts: counts(from) }] }));
    const [flow] = flowPercentiles({ scenarios });
    expect(flow).toMatchObject({ flow: "down pod", count: 100 });
    expect(flow?.values[0]).toBe(50);
    expect(flow?.values.at(-1)).toBe(100);
  });
});

describe("the page", () => {
  test("holds text as text, and no script of a scenario's", () => {
    const page = htmlReport(
      { ...run, scenarios: [{ ...failed, name: "</details><script>alert(1)</script>" }] },
      "skep",
    );
    expect(page).not.toContain("<script>alert");
    expect(page).toContain("&lt;script&gt;alert(1)");
  });
});
