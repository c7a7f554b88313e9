// docs/robustness.md: the field's old bugs, the scenario that would show each, and what came of it on several cloudcores.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { readFileSync } from "node:fs";
import { libraryFiles } from "../scenarios/library/library.ts";
import type { Compatibility } from "./compatibility.ts";

const signs: Readonly<Record<string, string>> = { passed: "✓", failed: "✗", skipped: "–", "not run": "" };
const headings: Readonly<Record<string, string>> = { ours: "skep", "go-1.23": "KubeEdge v1.23.1" };

/** Where its edges don't come to life, nothing is known of what the scenario asks. */
const hasBegun = (reason: string) => !reason.startsWith("the environment could not be created");

function signOf({ reason, verdict }: { readonly verdict: string; readonly reason: string }): string {
  return (hasBegun(reason) ? signs[verdict] : "–") ?? "";
}

export async function robustnessPage(): Promise<string> {
  const { scenarios, targets } = JSON.parse(readFileSync("docs/robustness.json", "utf8")) as Compatibility;
  const verdicts = new Map(scenarios.map((row) => [row.name, row.verdicts]));
  const rows: string[] = [];
  const reasons: string[] = [];
  for (const file of (await libraryFiles()).filter((each) => each.includes("robustness"))) {
    const text = await readFile(file, "utf8");
    const question = /^# (.*)$/m.exec(text)?.[1] ?? "";
    const issues = /^# KubeEdge issue (.*), https/m.exec(text)?.[1] ?? "";
    const name = /^name: (.*)$/m.exec(text)?.[1] ?? "";
    const links = issues.replaceAll(/#(\d+)/g, "[#$1](https://github.com/kubeedge/kubeedge/issues/$1)");
    const of = targets.map((target) => verdicts.get(name)?.[target] ?? { verdict: "not run", reason: "" });
    const path = `../scenarios/library/robustness/${basename(file)}`;
    rows.push(
      `| ${question} | ${links} | [${name}](${path}) | ${of.map(signOf).join(" | ")} |`,
    );
    for (const [i, { reason, verdict }] of of.entries()) {
      if (verdict !== "failed" && verdict !== "skipped") continue;
      const what = hasBegun(reason) ? verdict : "could not begin";
      reasons.push(`- ${name} (${headings[targets[i] ?? ""] ?? targets[i]}): ${what}: ${reason}`);
    }
  }
  return [
    "# Robustness",
    "",
    "What users of KubeEdge suffered, as scenarios: each is named after what must hold, and would show the bug. ✓ it holds, ✗ it doesn't, – skipped for what the target lacks, or could not begin. Run them by",
    "`npm run -s skep -- run --tag robustness`, on another cloudcore with `--target` ([targets.md](targets.md)). What is random in a run is drawn by its seed: `npm run soak` draws fifty. Those with several cloudcores",
    "ran on three of KubeEdge's, too (`cloudcore: { go: PROGRAM, replicas: 3 }`).",
    "",
    `| what users asked | issues | scenario | ${targets.map((target) => headings[target] ?? target).join(" | ")} |`,
    `|---|---|---|${targets.map(() => ":-:").join("|")}|`,
    ...rows,
    "",
    ...(reasons.length === 0 ? [] : ["## What was skipped, or failed, and why", "", ...reasons, ""]),
  ].join("\n");
}
