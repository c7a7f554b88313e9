// One run of scenarios on a target, as `skep run` and `skep matrix` make them: shown as it goes, with its tap and its reports.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../base/log/logger.ts";
import { runAll } from "../scenarios/engine/run-all.ts";
import type { Environment } from "../scenarios/model/environment.ts";
import type { RunResult } from "../scenarios/model/result.ts";
import type { Scenario } from "../scenarios/model/scenario.ts";
import type { Target } from "../scenarios/model/target.ts";
import { jsonReport } from "../scenarios/report/json.ts";
import { junitReport } from "../scenarios/report/junit.ts";
import { terminalReport } from "../scenarios/report/terminal.ts";
import { stepTable } from "../scenarios/steps/table.ts";
import { wrongFiles } from "../scenarios/suite/named-files.ts";
import { exitCodes, UsageError } from "./failure.ts";
import { prepareReports } from "./reports.ts";
import type { OpenRunTap } from "./run-tap.ts";

/** How it is run and shown. */
export interface PerformOptions {
  readonly scenarios: readonly Scenario[];
  readonly target: Target;
  readonly signal: AbortSignal;
  /** The folder of the reports. */
  readonly report: string;
  readonly parallel: number;
  readonly seed: number;
  readonly forceSeed: boolean;
  readonly retries: number;
  readonly bail: boolean;
  readonly record: boolean;
  readonly json: boolean;
  /** All that is shown goes to standard error. */
  readonly toError?: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Called at the end of a scenario's steps, before its environment is stopped. */
  readonly observed?: (scenario: Scenario, environment: Environment) => void;
}

/** How a person calls skep here, for the lines that say how to repeat something. */
export const command = import.meta.url.includes("/node_modules/") ? "npx skep" : "npm run -s skep --";

/** Runs them, prints and writes. Rejects where nothing could be run, or where reports can't be written. */
export async function perform(options: PerformOptions): Promise<RunResult> {
  const { scenarios, seed, target } = options;
  const made = await prepareReports(options.report);
  const out = options.json || options.toError ? process.stderr : process.stdout;
  const report = terminalReport({
    write: (text) => void out.write(text),
    isLive: out.isTTY === true && process.env.CI === undefined,
    columns: () => out.columns || 80,
    colors: out.isTTY === true && process.env.NO_COLOR === undefined,
    quiet: options.quiet,
    verbose: options.verbose,
    command,
  });
  const many = scenarios.length === 1 ? "1 scenario" : `${scenarios.length} scenarios`;
  report.start(`skep: ${many} on ${target.name}, seed ${seed}, timers ${target.timeScale} times as fast as KubeEdge's`);
  const tap = new LazyTap(`skep run: ${many}`);
  await using _tap = tap;
  // Scenarios that are repeated have a recording for each time.
  const recorded = new Map<Scenario, number>();
  const { run, impossible } = await runAll(scenarios, {
    steps: stepTable,
    wrongFiles,
    target,
    seed,
    forceSeed: options.forceSeed,
    signal: options.signal,
    progress: {
      began: (...about) => report.began?.(...about),
      step(scenario, step, ...where) {
        tap.tell((open) => open.mark(`${scenario.name}: ${step}`));
        report.step?.(scenario, step, ...where);
      },
      ended: (...about) => report.ended?.(...about),
    },
    parallel: options.parallel,
    retries: options.retries,
    bail: options.bail,
    opened: (environment) => tap.tell((open) => open.opened(environment)),
    closed: (environment) => tap.tell((open) => open.closed(environment)),
    ...(options.observed === undefined ? {} : { observed: options.observed }),
    ...(options.record
      ? {
        record: async (scenario, environment) => {
          const { recordFailure } = await import("./run-tap.ts");
          const time = (recorded.get(scenario) ?? 0) + 1;
          recorded.set(scenario, time);
          const name = time === 1 ? scenario.name : `${scenario.name} ${time}`;
          return await recordFailure(options.report, name, scenarios.indexOf(scenario), environment.hops);
        },
      }
      : {}),
  }).catch(async (error) => {
    if (made !== undefined) await rm(made, { recursive: true });
    throw error;
  });
  const written = await writeReports(options.report, run).catch((error: unknown) => error);
  report.finish(run, Array.isArray(written) ? written : []);
  if (process.env.GITHUB_ACTIONS !== undefined) {
    const { tellGitHub } = await import("../scenarios/report/github.ts");
    await tellGitHub(run, command, (text) => void out.write(text));
  }
  if (options.json) process.stdout.write(jsonReport(run));
  if (impossible !== undefined) throw impossible;
  if (!Array.isArray(written)) throw new UsageError(`the reports could not be written: ${reasonOf(written)}`);
  return run;
}

/** The tap of a run, opened when the first environment is there. What is told before is told then. */
class LazyTap implements AsyncDisposable {
  readonly #title: string;
  #open: Promise<OpenRunTap | undefined> | undefined;

  constructor(title: string) {
    this.#title = title;
  }

  /** A run goes on without its tap, where that can't be opened. */
  tell(what: (open: OpenRunTap) => void): void {
    this.#open ??= import("./run-tap.ts").then(({ openRunTap }) => openRunTap(this.#title)).catch(() => undefined);
    void this.#open.then((open) => open && what(open));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = await this.#open;
    await open?.[Symbol.asyncDispose]();
  }
}

/** 0 all held, 1 one failed, 2 nothing was run; with `failOnSkip` what was skipped counts as failed. */
export function exitCodeOf({ scenarios }: RunResult, failOnSkip: boolean): number {
  const isSkipped = scenarios.some(({ verdict }) => verdict === "skipped");
  const ran = scenarios.filter(({ refused, verdict }) => refused !== true && verdict !== "skipped");
  if (ran.length === 0) return exitCodes.couldNotRun;
  if (scenarios.some((s) => s.verdict === "failed") || failOnSkip && isSkipped) return exitCodes.failed;
  return scenarios.some((s) => s.verdict === "passed") ? exitCodes.passed : exitCodes.couldNotRun;
}

async function writeReports(dir: string, run: RunResult): Promise<string[]> {
  // The HTML page last: if it fails, the files for CI exist. Its modules load here, to keep the start of a run fast.
  const reports = {
    "junit.xml": () => junitReport(run, command),
    "report.json": () => jsonReport(run),
    "report.tap": async () => (await import("../scenarios/report/tap.ts")).tapReport(run, command),
    "report.html": async () => (await import("../scenarios/report/html.ts")).htmlReport(run, command),
  };
  for (const [name, text] of Object.entries(reports)) await writeFile(join(dir, name), await text());
  return [`reports: ${Object.keys(reports).map((name) => join(dir, name)).join("  ")}`];
}
