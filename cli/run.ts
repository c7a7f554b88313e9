// `skep run`: reads scenarios, runs them on a target, and reports.
import { pinoLogger } from "../base/log/pino-logger.ts";
import type { Scenario } from "../scenarios/model/scenario.ts";
import type { Target } from "../scenarios/model/target.ts";
import { chosenTarget, type TargetFlags } from "./choose-target.ts";
import { UsageError } from "./failure.ts";
import { CLUSTER_STOP_MS, interruption } from "./interrupt.ts";
import { exitCodeOf, perform } from "./perform.ts";
import { type Selection, wantedScenarios } from "./selection.ts";

/** The flags as commander gives them. */
export interface RunFlags extends TargetFlags, Selection {
  readonly bail?: boolean;
  readonly failOnSkip?: boolean;
  readonly record?: boolean;
  readonly parallel?: number;
  readonly repeat?: number;
  readonly retries?: number;
  readonly seed?: number;
  readonly report: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly update?: boolean;
  readonly verbose?: boolean;
  readonly watch?: boolean;
}

export const DEFAULT_SEED = 1;

/** Resolves with the exit code. Rejects with ScenarioError and the like: then it could not run. */
export async function runCommand(files: readonly string[], flags: RunFlags): Promise<number> {
  if (flags.update && flags.watch) {
    throw new UsageError("--update with --watch would go on writing what it has written");
  }
  const wanted = await wantedScenarios(files, flags);
  const isElsewhere = flags.kubeconfig !== undefined || flags.target !== undefined;
  const { signal, code } = interruption(isElsewhere ? CLUSTER_STOP_MS : undefined);
  if (flags.watch) {
    const { watchRuns } = await import("./watch.ts");
    const { lastFailed: _, ...selection } = flags;
    const times = flags.repeat ?? 1;
    await watchRuns(files, selection, wanted, signal, (due) => runOnce(repeated(due, times), flags, signal));
    return code() ?? 0;
  }
  const exit = await runOnce(repeated(wanted, flags.repeat ?? 1), flags, signal);
  return code() ?? exit;
}

/** One run. Resolves with the exit code. */
async function runOnce(scenarios: readonly Scenario[], flags: RunFlags, signal: AbortSignal): Promise<number> {
  const target = await chosenTarget(flags, pinoLogger(flags.verbose ? "debug" : "error"));
  if (flags.update && target.parallel === 1) {
    throw new UsageError(
      "--update: a shared cluster has its own names for what a scenario names; update on the embedded API",
    );
  }
  const run = await perform({
    scenarios,
    target,
    signal,
    report: flags.report,
    parallel: parallelOf(target, flags),
    seed: flags.seed ?? DEFAULT_SEED,
    forceSeed: flags.seed !== undefined,
    retries: flags.retries ?? 0,
    bail: flags.bail === true,
    record: flags.record === true,
    json: flags.json === true,
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
  });
  const out = flags.json ? process.stderr : process.stdout;
  if ((flags.repeat ?? 1) > 1) {
    const { repetitionLines } = await import("../scenarios/report/repetitions.ts");
    for (const line of repetitionLines(run)) out.write(`${line}\n`);
  }
  if (flags.update) {
    const { updateExpectations } = await import("./update.ts");
    await updateExpectations(run, out);
  }
  return exitCodeOf(run, flags.failOnSkip === true);
}

/** Each as often as was asked for, one round after another. */
function repeated(scenarios: readonly Scenario[], times: number): readonly Scenario[] {
  return Array.from({ length: times }, () => scenarios).flat();
}

/** Several at once need several environments: a target has them, or not. */
export function parallelOf(target: Target, { parallel, port = 0 }: Pick<RunFlags, "parallel" | "port">): number {
  if (parallel === undefined) return target.parallel;
  if (parallel === 1) return 1;
  if (port !== 0) {
    throw new UsageError("--parallel: one block of ports is not enough; leave --port out, or say --port 0");
  }
  if (target.parallel === 1) {
    throw new UsageError("--parallel: on a cluster, or with a cloudcore that is not ours, scenarios run one by one");
  }
  return parallel;
}
