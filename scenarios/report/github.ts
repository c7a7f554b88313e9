// The run for GitHub Actions: an annotation where a scenario failed, and the job's summary.
import { appendFile } from "node:fs/promises";
import { reasonOf } from "../../base/log/logger.ts";
import { spoken } from "../files/duration.ts";
import type { RunResult, ScenarioResult } from "../model/result.ts";
import { failureLines, totalsLine } from "./terminal.ts";

/** Writes annotations to `write`, and the summary to the file that GitHub names in GITHUB_STEP_SUMMARY, if it does. */
export async function tellGitHub(run: RunResult, command: string, write: (text: string) => void): Promise<void> {
  for (const line of annotations(run, command)) write(`${line}\n`);
  const file = process.env.GITHUB_STEP_SUMMARY;
  if (file === undefined || file === "") return;
  await appendFile(file, summary(run, command)).catch((error) =>
    write(`::warning::skep: the job's summary could not be written: ${escapeData(reasonOf(error))}\n`)
  );
}

/** One annotation for each scenario that failed, and a warning for each that is flaky. */
export function annotations({ scenarios }: RunResult, command: string): string[] {
  return scenarios.flatMap((scenario) => {
    if (scenario.verdict === "failed") return [annotation("error", scenario, failureLines(scenario, command))];
    return scenario.flaky ? [annotation("warning", scenario, [`passed on try ${scenario.tries} only`])] : [];
  });
}

function annotation(level: "error" | "warning", scenario: ScenarioResult, lines: readonly string[]): string {
  const failures = [...scenario.failures, ...scenario.earlier];
  const position = failures.find((failure) => failure.position !== undefined)?.position;
  const at = { file: position?.file ?? scenario.file, line: position?.line ?? 1, title: scenario.name };
  const properties = Object.entries(at).map(([name, value]) => `${name}=${escapeProperty(String(value))}`).join(",");
  return `::${level} ${properties}::${escapeData(lines.join("\n"))}`;
}

/** The summary as GitHub's Markdown. */
export function summary(run: RunResult, command: string): string {
  const rows = run.scenarios.map((s) =>
    `| ${signs[s.verdict]} ${s.flaky ? "flaky" : s.verdict} | ${s.name.replaceAll("|", "\\|")} | ${spoken(s.took)} | ${
      s.reason.replaceAll("|", "\\|")
    } |`
  );
  const failed = run.scenarios.filter((s) => s.verdict === "failed").map((s) =>
    `\n<details open><summary>${escapeHtml(s.name)}</summary>\n\n\`\`\`\n${
      failureLines(s, command).join("\n").replaceAll("```", "'''")
    }\n\`\`\`\n\n</details>\n`
  );
  return [
    `### skep: ${totalsLine(run)}\n`,
    `${run.target}, seed ${run.seed}\n`,
    "| verdict | scenario | took | |",
    "|---|---|---|---|",
    ...rows,
    ...failed,
    "",
  ].join("\n");
}

const signs = { passed: "✅", failed: "❌", skipped: "➖" } as const;

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
