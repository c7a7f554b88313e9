// The run in a terminal: a live line where there is one, plain lines where there isn't, and the table at the end.
import pc from "picocolors";
import { describeHop } from "./hop-line.ts";
import { spoken } from "../files/duration.ts";
import type { RunResult, ScenarioResult, Verdict } from "../model/result.ts";
import type { Progress } from "../model/progress.ts";

/** Where the report goes, and how. */
export interface TerminalOptions {
  readonly write: (text: string) => void;
  /** A live line that is written over; false in files and pipes. */
  readonly isLive: boolean;
  readonly columns: () => number;
  readonly colors: boolean;
  /** Only failures and the last lines. */
  readonly quiet: boolean;
  /** Every step. */
  readonly verbose: boolean;
  /** How to call the command again. */
  readonly command: string;
}

const signs: Readonly<Record<Verdict, string>> = { passed: "✓", failed: "✗", skipped: "–" };

/** The reporter of a run. */
export function terminalReport(
  options: TerminalOptions,
): Progress & { start(text: string): void; finish(run: RunResult, places: readonly string[]): void } {
  const c = pc.createColors(options.colors);
  const paint: Readonly<Record<Verdict, (text: string) => string>> = {
    passed: c.green,
    failed: c.red,
    skipped: c.yellow,
  };
  let live = false;
  const clear = () => {
    if (live) options.write("\r\x1b[2K");
    live = false;
  };
  const line = (text = "") => {
    clear();
    options.write(`${text}\n`);
  };
  const show = (text: string) => {
    if (!options.isLive || options.quiet) return;
    clear();
    options.write(text.slice(0, Math.max(20, options.columns() - 1)));
    live = true;
  };
  return {
    start: (text) => {
      if (!options.quiet) line(text);
    },
    began: (scenario, index, total) => show(`${c.dim(`[${index + 1}/${total}]`)} ${scenario.name}`),
    step: (scenario, step, index, total) => {
      show(`  ${scenario.name}: ${step} (${index + 1}/${total})`);
      if (options.verbose) line(c.dim(`    ${step}`));
    },
    ended: (result, index, total) => {
      clear();
      if (options.quiet && result.verdict === "passed") return;
      const reason = result.reason !== ""
        ? ` — ${result.reason}`
        : result.flaky
        ? c.yellow(` — flaky: passed on try ${result.tries}`)
        : "";
      line(
        `${paint[result.verdict](signs[result.verdict])} ${c.dim(`[${index + 1}/${total}]`)} ${result.name}${reason} ${
          c.dim(spoken(result.took))
        }`,
      );
      if (result.verdict === "failed") {
        for (const text of failureLines(result, options.command)) line(`    ${text}`);
      }
      for (const { lines, what } of result.shown) {
        line(c.dim(`    ${what}`));
        for (const text of lines) line(`      ${text}`);
      }
    },
    finish: (run, places) => {
      if (!options.quiet) {
        line();
        for (const text of tableLines(run, (verdict, text) => paint[verdict](text))) line(text);
        line();
        if (run.firstMessage !== undefined) line(firstMessageLine(run));
        if (run.notJudged.length > 0) line(`not judged on this target: ${run.notJudged.join("; ")}`);
      }
      for (const place of places) line(place);
      line(totalsLine(run));
    },
  };
}

/** What failed, the difference, the last messages, and how to repeat it. */
export function failureLines(result: ScenarioResult, command: string): string[] {
  const lines: string[] = [];
  for (const failure of result.failures) {
    const place = failure.position === undefined ? "" : ` (${failure.position.file}:${failure.position.line})`;
    lines.push(`${failure.message}${place}`, ...failure.details.map((detail) => `  ${detail}`));
    if (failure.hops.length > 0) {
      lines.push(
        "  the last messages that had to do with it:",
        ...failure.hops.map((hop) => `    ${describeHop(hop)}`),
      );
    }
  }
  if (result.recording !== undefined) lines.push(`messages: ${result.recording}, beside the reports`);
  lines.push(`repeat it: ${command} run ${result.file} --seed ${result.seed}`);
  return lines;
}

function tableLines(run: RunResult, paint: (verdict: Verdict, text: string) => string): string[] {
  const width = Math.max(8, ...run.scenarios.map((s) => s.name.length));
  const head = `${"verdict".padEnd(9)}${"scenario".padEnd(width + 2)}${"took".padStart(8)}${"messages".padStart(10)}`;
  return [
    head,
    ...run.scenarios.map((s) =>
      `${paint(s.verdict, s.verdict.padEnd(9))}${s.name.padEnd(width + 2)}${spoken(s.took).padStart(8)}${
        String(s.messages).padStart(10)
      }`
    ),
  ];
}

function firstMessageLine({ firstMessage }: RunResult): string {
  if (firstMessage === undefined) return "";
  const { total, load, api, certificates, cloudcore, join } = firstMessage;
  const parts = { load, API: api, certificates, cloudcore, join };
  const text = Object.entries(parts).map(([name, ms]) => `${name} ${Math.round(ms)}`).join(" + ");
  return `first message acknowledged by an edge ${Math.round(total)} ms after the start of the process (${text})`;
}

/** The last line of a run. */
export function totalsLine({ scenarios, took, interrupted }: RunResult): string {
  const count = (verdict: Verdict) => scenarios.filter((s) => s.verdict === verdict).length;
  const end = interrupted ? ", interrupted" : "";
  const flaky = scenarios.filter((s) => s.flaky).length;
  return `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped${
    flaky > 0 ? `, ${flaky} of them flaky` : ""
  } in ${spoken(took)}${end}`;
}
