// Gathers what runs of the library on several targets came to into a file of which a page is generated, docs/compatibility.json or
// docs/robustness.json: `npm run -s node -- scripts/compatibility.ts FILE "TARGET=REPORT.json" …`; several reports of one target are
// one, a later one counts.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { RunResult } from "../scenarios/model/result.ts";

/** What came of one scenario on one target. */
interface Verdict {
  readonly verdict: string;
  readonly reason: string;
}

/** One scenario: what came of it, by target. */
export interface CompatibilityRow {
  readonly name: string;
  readonly verdicts: Readonly<Record<string, Verdict>>;
}

/** What such a file holds. */
export interface Compatibility {
  readonly targets: readonly string[];
  readonly scenarios: readonly CompatibilityRow[];
}

function gathered(given: readonly string[]): Compatibility {
  const targets = new Map<string, Map<string, Verdict>>();
  const names = new Set<string>();
  for (const text of given) {
    const [, target = "", file = ""] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    const run = JSON.parse(readFileSync(file, "utf8")) as RunResult;
    const verdicts = targets.get(target) ?? new Map<string, Verdict>();
    targets.set(target, verdicts);
    for (const { failures, name, reason, verdict } of run.scenarios) {
      names.add(name);
      // The run was ended before it was done.
      if (reason.startsWith("interrupted")) continue;
      verdicts.set(name, { verdict, reason: reason || failures[0]?.message || "" });
    }
  }
  const scenarios = [...names].map((name): CompatibilityRow => ({
    name,
    verdicts: Object.fromEntries([...targets].map(([target, verdicts]) => [target, verdicts.get(name) ?? notRun])),
  }));
  return { targets: [...targets.keys()], scenarios };
}

const notRun = { verdict: "not run", reason: "" };

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [file = "", ...reports] = process.argv.slice(2);
  writeFileSync(file, `${JSON.stringify(gathered(reports), null, 2)}\n`);
}
