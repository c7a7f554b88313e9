// The run as JUnit XML, for CI servers.
import type { RunResult, ScenarioResult } from "../model/result.ts";
import { failureLines } from "./terminal.ts";
import { xmlText as escape } from "./xml.ts";

/** One test suite; a scenario is a test case, its file the class. */
export function junitReport(run: RunResult, command: string): string {
  const { scenarios } = run;
  const failed = scenarios.filter((s) => s.verdict === "failed").length;
  const skipped = scenarios.filter((s) => s.verdict === "skipped").length;
  const counts = `tests="${scenarios.length}" failures="${failed}" skipped="${skipped}" errors="0" time="${
    seconds(run.took)
  }"`;
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="skep" ${counts}>`,
    `  <testsuite name="skep" ${counts} timestamp="${new Date(run.startedAt).toISOString().slice(0, 19)}">`,
    `    <properties>`,
    ...Object.entries({ seed: run.seed, timeScale: run.timeScale, patience: run.patience, target: run.target })
      .map(([name, value]) => `      <property name="${name}" value="${escape(String(value))}"/>`),
    `    </properties>`,
    ...scenarios.flatMap((scenario) => testCase(scenario, command)),
    "  </testsuite>",
    "</testsuites>",
  ];
  return `${lines.join("\n")}\n`;
}

function testCase(scenario: ScenarioResult, command: string): string[] {
  const open = `    <testcase name="${escape(scenario.name)}" classname="${escape(scenario.file)}" file="${
    escape(scenario.file)
  }" time="${seconds(scenario.took)}"`;
  if (scenario.flaky) {
    // As surefire writes it, which Jenkins reads: it passed, and failed before.
    const earlier = scenario.earlier.map(({ details, message }) =>
      `      <flakyFailure message="${escape(message)}">${escape(details.join("\n"))}</flakyFailure>`
    );
    return [`${open}>`, ...earlier, "    </testcase>"];
  }
  if (scenario.verdict === "passed") return [`${open}/>`];
  if (scenario.verdict === "skipped") {
    return [`${open}>`, `      <skipped message="${escape(scenario.reason)}"/>`, "    </testcase>"];
  }
  const message = scenario.failures[0]?.message ?? "failed";
  const text = failureLines(scenario, command).join("\n");
  return [`${open}>`, `      <failure message="${escape(message)}">${escape(text)}</failure>`, "    </testcase>"];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}
