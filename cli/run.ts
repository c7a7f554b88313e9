// `skep run`: reads scenarios, runs up to four at a time, and reports.
import { stepTable } from "../scenarios/steps/table.ts";
import { wrongFiles } from "../scenarios/suite/named-files.ts";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../base/log/logger.ts";
import { pinoLogger } from "../base/log/pino-logger.ts";
import type { RunResult } from "../scenarios/model/result.ts";
import { runAll } from "../scenarios/engine/run-all.ts";
import { jsonReport } from "../scenarios/report/json.ts";
import { junitReport } from "../scenarios/report/junit.ts";
import { terminalReport } from "../scenarios/report/terminal.ts";
import { localTarget } from "../scenarios/targets/local.ts";
import type { Target } from "../scenarios/model/target.ts";
import { exitCodes, UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";
import { interruption } from "./interrupt.ts";
import type { OpenRunTap } from "./run-tap.ts";
import { prepareReports } from "./reports.ts";
import { type Selection, wantedScenarios } from "./selection.ts";

/** The flags as commander gives them. */
export interface RunFlags extends HubFlags, Selection {
  readonly kubeconfig?: string;
  readonly bail?: boolean;
  readonly record?: boolean;
  readonly parallel?: number;
  readonly retries?: number;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly report: string;
  readonly json?: boolean;
  readonly bind: string;
  readonly port?: number;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** How fast timers run on the embedded target, so that a library of waits takes a minute. */
const EMBEDDED_TIME_SCALE = 10;
const DEFAULT_SEED = 1;
/** Worlds at the same time on the embedded target: scenarios wait far more than they work. */
const EMBEDDED_PARALLEL = 4;

/** Resolves with the exit code. Rejects with ScenarioError and the like: then it could not run. */
export async function runCommand(files: readonly string[], flags: RunFlags): Promise<number> {
  const scenarios = await wantedScenarios(files, flags);
  const parallel = parallelOf(flags);
  const { signal, code } = interruption();
  const target = await targetOf(flags);
  const made = await prepareReports(flags.report);
  const seed = flags.seed ?? DEFAULT_SEED;
  const command = import.meta.url.includes("/node_modules/") ? "npx skep" : "npm run -s skep --";
  const out = flags.json ? process.stderr : process.stdout;
  const report = terminalReport({
    write: (text) => void out.write(text),
    isLive: out.isTTY === true && process.env.CI === undefined,
    columns: () => out.columns || 80,
    colors: out.isTTY === true && process.env.NO_COLOR === undefined,
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
    command,
  });
  const many = scenarios.length === 1 ? "1 scenario" : `${scenarios.length} scenarios`;
  report.start(`skep: ${many} on ${target.name}, seed ${seed}, timers ${target.timeScale} times as fast as KubeEdge's`);
  const tap = new LazyTap(`skep run: ${many}`);
  await using _tap = tap;
  const { run, impossible } = await runAll(scenarios, {
    steps: stepTable,
    wrongFiles,
    target,
    seed,
    forceSeed: flags.seed !== undefined,
    signal,
    progress: {
      began: (...about) => report.began?.(...about),
      step(scenario, step, ...where) {
        tap.tell((open) => open.mark(`${scenario.name}: ${step}`));
        report.step?.(scenario, step, ...where);
      },
      ended: (...about) => report.ended?.(...about),
    },
    parallel,
    retries: flags.retries ?? 0,
    bail: flags.bail === true,
    opened: (environment) => tap.tell((open) => open.opened(environment)),
    closed: (environment) => tap.tell((open) => open.closed(environment)),
    ...(flags.record === true
      ? {
        record: async (scenario, environment) => {
          const { recordFailure } = await import("./run-tap.ts");
          return await recordFailure(flags.report, scenario.name, scenarios.indexOf(scenario), environment.hops);
        },
      }
      : {}),
  }).catch(async (error) => {
    if (made !== undefined) await rm(made, { recursive: true });
    throw error;
  });
  const written = await writeReports(flags.report, run, command).catch((error: unknown) => error);
  report.finish(run, Array.isArray(written) ? written : []);
  if (process.env.GITHUB_ACTIONS !== undefined) {
    const { tellGitHub } = await import("../scenarios/report/github.ts");
    await tellGitHub(run, command, (text) => void out.write(text));
  }
  if (flags.json) process.stdout.write(jsonReport(run));
  if (impossible !== undefined) throw impossible;
  if (!Array.isArray(written)) throw new UsageError(`the reports could not be written: ${reasonOf(written)}`);
  return code() ?? exitCodeOf(run);
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

/** Several at once need several environments: only the embedded target has them, at ports that are free. */
function parallelOf({ cloudcore, kubeconfig, parallel, port = 0 }: RunFlags): number {
  const isAlone = kubeconfig !== undefined || cloudcore !== undefined || port !== 0;
  if (parallel === undefined) return isAlone ? 1 : EMBEDDED_PARALLEL;
  if (parallel === 1) return 1;
  if (kubeconfig !== undefined || cloudcore !== undefined) {
    throw new UsageError("--parallel: on a cluster, or with a cloudcore that is not ours, scenarios run one by one");
  }
  if (port !== 0) {
    throw new UsageError("--parallel: one block of ports is not enough; leave --port out, or say --port 0");
  }
  return parallel;
}

function exitCodeOf({ scenarios }: RunResult): number {
  const ran = scenarios.filter(({ refused, verdict }) => refused !== true && verdict !== "skipped");
  if (ran.length === 0) return exitCodes.couldNotRun;
  if (scenarios.some((s) => s.verdict === "failed")) return exitCodes.failed;
  return scenarios.some((s) => s.verdict === "passed") ? exitCodes.passed : exitCodes.couldNotRun;
}

async function targetOf(flags: RunFlags): Promise<Target> {
  const { cloudcore, kubeconfig } = flags;
  if (cloudcore !== undefined && kubeconfig === undefined) {
    throw new UsageError("--cloudcore needs --kubeconfig too: scenarios look at the API that this cloudcore works on");
  }
  if (cloudcore === undefined && flags.token !== undefined) {
    throw new UsageError("--token needs --cloudcore too: our own cloudcore makes its own");
  }
  const hub = cloudcore === undefined ? undefined : await hubAddressOf({ ...flags, cloudcore });
  return localTarget({
    logger: pinoLogger(flags.verbose ? "debug" : "error"),
    timeScale: flags.timeScale ?? (kubeconfig === undefined ? EMBEDDED_TIME_SCALE : 1),
    bind: flags.bind,
    ...(flags.port === undefined ? {} : { port: flags.port }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(hub === undefined ? {} : { cloudcore: hub }),
  });
}

async function writeReports(dir: string, run: RunResult, command: string): Promise<string[]> {
  // The HTML page last: if it fails, the files for CI exist. Its modules load here, to keep the start of a run fast.
  const reports = {
    "junit.xml": () => junitReport(run, command),
    "report.json": () => jsonReport(run),
    "report.html": async () => (await import("../scenarios/report/html.ts")).htmlReport(run, command),
  };
  for (const [name, text] of Object.entries(reports)) await writeFile(join(dir, name), await text());
  return [`reports: ${Object.keys(reports).map((name) => join(dir, name)).join("  ")}`];
}
