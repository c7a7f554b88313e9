// Which scenarios a command is about: files or the library, and what of them.
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { reasonOf } from "../base/log/logger.ts";
import type { RunResult } from "../scenarios/model/result.ts";
import { loadScenarios } from "../scenarios/suite/load.ts";
import { defaultFleet } from "../scenarios/cohorts/cohort.ts";
import { type Scenario, withDefaults } from "../scenarios/model/scenario.ts";
import { ScenarioError } from "../scenarios/files/position.ts";
import { libraryFiles } from "../scenarios/library/library.ts";
import { UsageError } from "./failure.ts";

/** The flags as commander gives them. */
export interface Selection {
  readonly grep?: string;
  readonly tag?: readonly string[];
  readonly edges?: number;
  /** Of `of` parts the `index`-th, counted from 0. */
  readonly shard?: { readonly index: number; readonly of: number };
  /** Those that failed in the run whose reports are in `report`. */
  readonly lastFailed?: boolean;
  readonly report?: string;
  /** Longest time of a scenario, instead of its own. */
  readonly timeout?: string;
}

/**
 * The scenarios of the files, or of the library, that the flags select. A file that is no scenario stands for one that can't be
 * run, where there are others that can. Rejects with ScenarioError or UsageError.
 */
export async function wantedScenarios(files: readonly string[], flags: Selection): Promise<Scenario[]> {
  const paths = files.length > 0 ? (await Promise.all(files.map(filesIn))).flat() : await libraryFiles();
  const read = await Promise.all(paths.map((path) => scenariosOf(relative(process.cwd(), path) || path)));
  const errors = read.filter((each) => each instanceof ScenarioError);
  if (errors.length === read.length && errors[0] !== undefined) throw allOf(errors, errors[0]);
  const all = read.flatMap((each) => each instanceof ScenarioError ? [unusable(each)] : each);
  const pattern = patternOf(flags.grep);
  const wanted = all.filter(({ name, refusals, tags }) =>
    // Its name and tags are unknown: it must not be left out silently.
    refusals !== undefined ||
    (pattern === undefined || pattern.test(name)) && (flags.tag ?? []).every((tag) => tags.includes(tag))
  );
  if (wanted.length > 0) {
    const { edges, shard, timeout } = flags;
    const due = flags.lastFailed ? await lastFailed(wanted, flags.report ?? "skep-report") : wanted;
    const part = shard === undefined ? due : due.filter((_, i) => i % shard.of === shard.index);
    if (part.length === 0) {
      throw new UsageError(`--shard: there are ${due.length} scenarios for ${shard?.of} parts; this one is empty`);
    }
    return part.map((scenario) => withEdges(timeout === undefined ? scenario : { ...scenario, timeout }, edges));
  }
  const tags = [...new Set(all.flatMap((scenario) => scenario.tags))].sort().join(", ");
  throw new UsageError(`none of ${all.length} scenarios is meant by --grep and --tag; the tags are ${tags || "none"}`);
}

/** A folder stands for the scenarios in it and below it. Rejects with UsageError where it has none. */
async function filesIn(path: string): Promise<readonly string[]> {
  if (!await stat(path).then((found) => found.isDirectory(), () => false)) return [path];
  const names = await readdir(path, { recursive: true });
  const found: string[] = [];
  for (const name of names.sort(new Intl.Collator("en", { numeric: true }).compare)) {
    const file = join(path, name);
    if (!/\.(ya?ml|[cm]?[jt]s)$/.test(name) || /(^|[/\\])node_modules[/\\]/.test(name)) continue;
    // Manifests, models and modules of steps stand beside scenarios.
    const text = await readFile(file, "utf8");
    const isScenario = /\.ya?ml$/.test(name)
      ? /^skep:/m.test(text) && /^steps:/m.test(text)
      : /^export default scenario\(/m.test(text);
    if (isScenario) found.push(file);
  }
  if (found.length === 0) throw new UsageError(`${path}: there is no scenario in this folder or below it`);
  return found;
}

/** One error that tells of every file. */
function allOf(errors: readonly ScenarioError[], first: ScenarioError): ScenarioError {
  if (errors.length === 1) return first;
  const all = new ScenarioError(first.position, "");
  all.message = errors.map(({ message }) => message).join("\n");
  return all;
}

async function scenariosOf(path: string): Promise<Scenario[] | ScenarioError> {
  try {
    return await loadScenarios(path);
  } catch (error) {
    if (error instanceof ScenarioError) return error;
    throw error;
  }
}

/** A file that is no scenario, in its place among the results. */
function unusable({ message, position }: ScenarioError): Scenario {
  const nothing = { steps: [], catch: [], finally: [] };
  return { name: position.file, position, refusals: [message], ...withDefaults({}), ...nothing };
}

/** Those that failed in the last run. Rejects with UsageError where there was none, or none of them failed. */
async function lastFailed(scenarios: readonly Scenario[], report: string): Promise<readonly Scenario[]> {
  const file = join(report, "report.json");
  let last: RunResult;
  try {
    last = JSON.parse(await readFile(file, "utf8")) as RunResult;
  } catch (error) {
    throw new UsageError(`--last-failed: there is no report of a last run: ${reasonOf(error)}`);
  }
  const keyOf = (scenario: { readonly name: string }, path: string) => `${resolve(path)} ${scenario.name}`;
  const failed = new Set(
    last.scenarios.filter(({ verdict }) => verdict === "failed").map((each) => keyOf(each, each.file)),
  );
  const found = scenarios.filter((scenario) => failed.has(keyOf(scenario, scenario.position.file)));
  if (found.length > 0) return found;
  throw new UsageError(
    failed.size === 0
      ? `--last-failed: nothing failed in the run of ${file}`
      : `--last-failed: what failed in the run of ${file} is not among these scenarios; name the same files`,
  );
}

function patternOf(grep: string | undefined): RegExp | undefined {
  try {
    return grep === undefined ? undefined : new RegExp(grep, "i");
  } catch (error) {
    throw new UsageError(`--grep ${grep}: ${(error as Error).message}`);
  }
}

/** `--edges` is the size of the fleet where a scenario names none. */
function withEdges(scenario: Scenario, edges: number | undefined): Scenario {
  if (edges === undefined || scenario.fleet.length > 0) return scenario;
  return { ...scenario, fleet: defaultFleet.map((cohort) => ({ ...cohort, count: edges })) };
}
