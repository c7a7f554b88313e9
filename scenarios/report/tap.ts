// The run in the Test Anything Protocol, version 14: https://testanything.org/tap-version-14-specification.html.
import { stringify } from "yaml";
import type { RunResult, ScenarioResult } from "../model/result.ts";
import { failureLines } from "./terminal.ts";

/** A test point for each scenario; what failed is a YAML diagnostic under it. */
export function tapReport({ scenarios }: RunResult, command: string): string {
  const lines = ["TAP version 14", `1..${scenarios.length}`];
  for (const [i, scenario] of scenarios.entries()) lines.push(...testPoint(scenario, i + 1, command));
  return `${lines.join("\n")}\n`;
}

function testPoint(scenario: ScenarioResult, number: number, command: string): string[] {
  const isOk = scenario.verdict !== "failed";
  const skip = scenario.verdict === "skipped" ? ` # SKIP ${escaped(scenario.reason)}` : "";
  const line = `${isOk ? "ok" : "not ok"} ${number} - ${escaped(scenario.name)}${skip}`;
  if (scenario.verdict === "skipped") return [line];
  const facts = {
    file: scenario.file,
    duration_ms: Math.round(scenario.took),
    ...(scenario.flaky ? { tries: scenario.tries } : {}),
    ...(isOk ? {} : { message: failureLines(scenario, command).join("\n") }),
  };
  return [line, "  ---", ...stringify(facts).trimEnd().split("\n").map((text) => `  ${text}`), "  ..."];
}

/** A description is one line, and `#` begins a directive. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("#", "\\#").replaceAll(/\s*\n\s*/g, " ");
}
