// `skep run`: reads scenarios, runs them one after another, reports.
import { access, constants, mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { reasonOf } from "../base/log/logger.ts";
import { pinoLogger } from "../base/log/pino-logger.ts";
import type { HopRecord } from "../base/hop/hop.ts";
import { loadScenarios } from "../scenarios/engine/parse.ts";
import type { FirstMessage, RunResult, ScenarioResult } from "../scenarios/engine/result.ts";
import { runScenario } from "../scenarios/engine/run.ts";
import { defaultFleet, type Scenario } from "../scenarios/engine/scenario.ts";
import { libraryFiles } from "../scenarios/library/library.ts";
import { jsonReport } from "../scenarios/report/json.ts";
import { junitReport } from "../scenarios/report/junit.ts";
import { terminalReport } from "../scenarios/report/terminal.ts";
import { localTarget } from "../scenarios/targets/local.ts";
import type { Target, World } from "../scenarios/targets/target.ts";
import { exitCodes, UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";
import { interruption } from "./interrupt.ts";

/** The flags as commander gives them. */
export interface RunFlags extends HubFlags {
  readonly kubeconfig?: string;
  readonly edges?: number;
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

/** Resolves with the exit code. Rejects with ScenarioError and the like: then it could not run. */
export async function runCommand(files: readonly string[], flags: RunFlags): Promise<number> {
  const paths = files.length > 0 ? files : await libraryFiles();
  const scenarios = (await Promise.all(paths.map((path) => loadScenarios(relative(process.cwd(), path) || path))))
    .flat()
    .map((scenario) => withEdges(scenario, flags.edges));
  const { signal, code } = interruption();
  const target = await targetOf(flags);
  const made = await prepareReports(flags.report);
  const seed = flags.seed ?? DEFAULT_SEED;
  const command = "npm run -s skep --";
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

  const startedAt = Date.now();
  const results: ScenarioResult[] = [];
  let firstMessage: FirstMessage | undefined;
  let impossible: unknown;
  for (const [index, scenario] of scenarios.entries()) {
    if (signal.aborted) break;
    report.began?.(scenario, index, scenarios.length);
    const beforeWorld = Date.now();
    try {
      const result = await runScenario(scenario, {
        target,
        seed,
        forceSeed: flags.seed !== undefined,
        signal,
        progress: report,
        opened: (world) => firstMessage ??= index === 0 ? firstMessageOf(world, beforeWorld) : undefined,
      });
      results.push(result);
      report.ended?.(result, index, scenarios.length);
    } catch (error) {
      // What can't be had for the first scenario can't be had for the others; what has run is reported all the same.
      if (index === 0) {
        if (made !== undefined) await rm(made, { recursive: true });
        throw error;
      }
      impossible = error;
      break;
    }
  }
  await target.close();
  const run: RunResult = {
    target: target.name,
    seed,
    timeScale: target.timeScale,
    patience: target.patience,
    startedAt,
    took: Date.now() - startedAt,
    interrupted: signal.aborted || impossible !== undefined,
    scenarios: results,
    firstMessage,
  };
  const places = await writeReports(flags.report, run, command);
  report.finish(run, places);
  if (flags.json) process.stdout.write(jsonReport(run));
  if (impossible !== undefined) throw impossible;
  return code() ?? exitCodeOf(run);
}

function exitCodeOf({ scenarios }: RunResult): number {
  if (scenarios.some((s) => s.verdict === "failed")) return exitCodes.failed;
  return scenarios.some((s) => s.verdict === "passed") ? exitCodes.held : exitCodes.couldNotRun;
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

/** `--edges` is the size of the fleet where a scenario names none. */
function withEdges(scenario: Scenario, edges: number | undefined): Scenario {
  if (edges === undefined || scenario.fleet.length > 0) return scenario;
  return { ...scenario, fleet: defaultFleet.map((cohort) => ({ ...cohort, count: edges })) };
}

/** From the start of the process, which the launcher has noted, to the first acknowledgement. */
function firstMessageOf(world: World, beforeWorld: number): FirstMessage | undefined {
  const first = firstOf(world.hops.since(0), (record) => record.hop === "hub.ack");
  if (first === undefined) return undefined;
  const startedAt = Number(process.env.SKEP_STARTED_AT ?? performance.timeOrigin);
  const { api, certificates, cloudcore } = world.times;
  const total = first.time - startedAt;
  const load = beforeWorld - startedAt;
  return {
    total,
    load,
    api,
    certificates,
    cloudcore,
    join: Math.max(0, total - load - api - certificates - cloudcore),
  };
}

function firstOf(records: Iterable<HopRecord>, is: (record: HopRecord) => boolean): HopRecord | undefined {
  for (const record of records) if (is(record)) return record;
  return undefined;
}

/**
 * What can't be written is better known before the run than after it. Resolves with the folder that was made for it,
 * undefined where it was there.
 */
async function prepareReports(dir: string): Promise<string | undefined> {
  try {
    const made = await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK);
    return made;
  } catch (error) {
    throw new UsageError(`--report ${dir}: reports can't be written there: ${reasonOf(error)}`);
  }
}

async function writeReports(dir: string, run: RunResult, command: string): Promise<string[]> {
  const reports = { "junit.xml": junitReport(run, command), "report.json": jsonReport(run) };
  for (const [name, text] of Object.entries(reports)) await writeFile(join(dir, name), text);
  return [`reports: ${Object.keys(reports).map((name) => join(dir, name)).join("  ")}`];
}
