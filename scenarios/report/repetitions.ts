// How often scenarios that were repeated have held: which of them are flaky, and how much so.
import type { RunResult } from "../model/result.ts";

/** A line for each scenario, those that failed most often first. */
export function repetitionLines({ scenarios }: RunResult): string[] {
  const counts = new Map<string, { passed: number; ran: number; failures: Map<string, number> }>();
  for (const { failures, file, name, verdict } of scenarios) {
    if (verdict === "skipped") continue;
    const key = `${name} (${file})`;
    const count = counts.get(key) ?? { passed: 0, ran: 0, failures: new Map<string, number>() };
    counts.set(key, count);
    count.ran++;
    if (verdict === "passed") count.passed++;
    const [first] = failures;
    if (first !== undefined) count.failures.set(first.message, (count.failures.get(first.message) ?? 0) + 1);
  }
  const rows = [...counts].sort(([, a], [, b]) => a.passed / a.ran - b.passed / b.ran);
  return rows.flatMap(([name, { failures, passed, ran }]) => {
    const word = passed === ran ? "held" : passed === 0 ? "failed" : "flaky";
    return [
      `${word.padEnd(7)}${String(passed).padStart(4)} of ${ran}  ${name}`,
      ...[...failures].map(([message, times]) => `        ${times} times: ${message}`),
    ];
  });
}
