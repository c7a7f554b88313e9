// Which scenarios a command is about: files or the library, and what of them.
import { relative } from "node:path";
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
}

/**
 * The scenarios of the files, or of the library, that the flags select. A file that is no scenario stands for one that can't be
 * run, where there are others that can. Rejects with ScenarioError or UsageError.
 */
export async function wantedScenarios(files: readonly string[], flags: Selection): Promise<Scenario[]> {
  const paths = files.length > 0 ? files : await libraryFiles();
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
  if (wanted.length > 0) return wanted.map((scenario) => withEdges(scenario, flags.edges));
  const tags = [...new Set(all.flatMap((scenario) => scenario.tags))].sort().join(", ");
  throw new UsageError(`none of ${all.length} scenarios is meant by --grep and --tag; the tags are ${tags || "none"}`);
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
