// Gathers what runs of the library on several targets came to into docs/compatibility.json, of which the page is generated:
// `npm run -s node -- scripts/compatibility.ts MATRIX.json "TARGET=REPORT.json" …`. The matrix gives the first targets, with how their messages differ.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { MatrixRow } from "../scenarios/matrix/matrix.ts";
import { differenceLines } from "../scenarios/matrix/table.ts";
import type { RunResult } from "../scenarios/model/result.ts";

/** One scenario: verdicts and reasons by target, and how messages of the others differ from the first target's. */
export interface CompatibilityRow {
  readonly name: string;
  readonly verdicts: Readonly<Record<string, { readonly verdict: string; readonly reason: string }>>;
  readonly differences: readonly string[];
}

/** What docs/compatibility.json holds. */
export interface Compatibility {
  readonly targets: readonly string[];
  readonly scenarios: readonly CompatibilityRow[];
}

function gathered([matrixFile = "", ...reports]: readonly string[]): Compatibility {
  const matrix = JSON.parse(readFileSync(matrixFile, "utf8")) as {
    readonly targets: readonly string[];
    readonly scenarios: readonly MatrixRow[];
  };
  const others = reports.map((given) => {
    const [, name = "", file = ""] = /^([^=]+)=(.+)$/.exec(given) ?? [];
    return { name, run: JSON.parse(readFileSync(file, "utf8")) as RunResult };
  });
  const scenarios = matrix.scenarios.map((row): CompatibilityRow => {
    const verdicts: Record<string, { verdict: string; reason: string }> = {};
    for (const { reason, target, verdict } of row.cells) verdicts[target] = { verdict, reason };
    for (const { name, run } of others) {
      const found = run.scenarios.find((scenario) => scenario.name === row.name);
      verdicts[name] = found === undefined
        ? { verdict: "not run", reason: "" }
        : { verdict: found.verdict, reason: found.reason || found.failures[0]?.message || "" };
    }
    return { name: row.name, verdicts, differences: differenceLines(row) };
  });
  return { targets: [...matrix.targets, ...others.map(({ name }) => name)], scenarios };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync("docs/compatibility.json", `${JSON.stringify(gathered(process.argv.slice(2)), null, 2)}\n`);
}
