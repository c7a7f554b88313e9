// `skep matrix`: the same scenarios on several targets, one table of them, and how the others behave differently from the first.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pinoLogger } from "../base/log/pino-logger.ts";
import { isAlike, type MatrixColumn, MatrixResult } from "../scenarios/matrix/matrix.ts";
import { matrixJson, matrixLines, matrixMarkdown } from "../scenarios/matrix/table.ts";
import { findTarget, knownTargets } from "../scenarios/targets/find.ts";
import { chosenTarget } from "./choose-target.ts";
import { describeFailure, exitCodes, UsageError } from "./failure.ts";
import { CLUSTER_STOP_MS, interruption } from "./interrupt.ts";
import { exitCodeOf, perform } from "./perform.ts";
import { prepareReports } from "./reports.ts";
import { DEFAULT_SEED } from "./run.ts";
import { type Selection, wantedScenarios } from "./selection.ts";

export interface MatrixFlags extends Selection {
  readonly targets?: readonly string[];
  readonly allowExec?: boolean;
  readonly takeOver?: boolean;
  readonly failOnSkip?: boolean;
  readonly retries?: number;
  readonly seed?: number;
  readonly report: string;
  readonly json?: boolean;
  readonly bind: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** 0 where all held on every target, 1 where something failed, 2 where a target could not be run. */
export async function matrixCommand(files: readonly string[], flags: MatrixFlags): Promise<number> {
  const names = flags.targets ?? (await knownTargets(process.cwd())).matrix;
  if (names.length < 2) {
    throw new UsageError("two targets are needed at least: --targets A,B, or matrix: [A, B] in skep.yaml");
  }
  const folders = names.map((name) => name.replaceAll(/[^\w.-]/g, "-"));
  const twice = folders.find((folder, i) => folders.indexOf(folder) !== i);
  if (twice !== undefined) throw new UsageError(`--targets: ${twice} is there twice`);
  // What is wrong with a name or a file is said before anything is run.
  for (const name of names) await findTarget(name, process.cwd());
  const scenarios = await wantedScenarios(files, flags);
  const { signal, code } = interruption(CLUSTER_STOP_MS);
  await prepareReports(flags.report);
  const matrix = new MatrixResult();
  let exit: number = exitCodes.passed;
  for (const [i, name] of names.entries()) {
    if (signal.aborted) break;
    const column: MatrixColumn = matrix.column(name);
    try {
      const target = await chosenTarget({ ...flags, target: name }, pinoLogger(flags.verbose ? "debug" : "error"));
      const run = await perform({
        scenarios,
        target,
        signal,
        report: join(flags.report, folders[i] as string),
        parallel: target.parallel,
        seed: flags.seed ?? DEFAULT_SEED,
        forceSeed: flags.seed !== undefined,
        retries: flags.retries ?? 0,
        bail: false,
        record: true,
        json: false,
        toError: flags.json === true,
        quiet: flags.quiet === true,
        verbose: flags.verbose === true,
        observed: (scenario, environment) => column.observed(scenario, environment),
      });
      column.finished(run);
      exit = Math.max(exit, exitCodeOf(run, flags.failOnSkip === true));
    } catch (error) {
      // The others are worth their table all the same.
      process.stderr.write(`skep: ${name}: ${describeFailure(error)}\n`);
      exit = exitCodes.couldNotRun;
    }
  }
  const rows = matrix.rows();
  await writeFile(join(flags.report, "matrix.json"), matrixJson(matrix.targets(), rows));
  await writeFile(join(flags.report, "matrix.md"), matrixMarkdown(matrix.targets(), rows));
  const out = flags.json ? process.stderr : process.stdout;
  for (const line of matrixLines(matrix.targets(), rows)) out.write(`${line}\n`);
  out.write(`reports: ${join(flags.report, "matrix.json")}  ${join(flags.report, "matrix.md")}\n`);
  const different = rows.filter((row) => !isAlike(row)).length;
  out.write(`${rows.length} scenarios on ${matrix.targets().length} targets; ${different} differ\n`);
  if (flags.json) process.stdout.write(matrixJson(matrix.targets(), rows));
  return code() ?? exit;
}
