// Which scenarios a command is about: files or the library, and what of them.
import { relative } from "node:path";
import { loadScenarios } from "../scenarios/engine/parse.ts";
import { defaultFleet, type Scenario } from "../scenarios/engine/scenario.ts";
import { libraryFiles } from "../scenarios/library/library.ts";
import { UsageError } from "./failure.ts";

/** The flags as commander gives them. */
export interface Selection {
  readonly grep?: string;
  readonly tag?: readonly string[];
  readonly edges?: number;
}

/** The scenarios of the files, or of the library, that the flags select. Rejects with ScenarioError or UsageError. */
export async function wantedScenarios(files: readonly string[], flags: Selection): Promise<Scenario[]> {
  const paths = files.length > 0 ? files : await libraryFiles();
  const all = (await Promise.all(paths.map((path) => loadScenarios(relative(process.cwd(), path) || path)))).flat();
  const pattern = patternOf(flags.grep);
  const wanted = all.filter(({ name, tags }) =>
    (pattern === undefined || pattern.test(name)) && (flags.tag ?? []).every((tag) => tags.includes(tag))
  );
  if (wanted.length > 0) return wanted.map((scenario) => withEdges(scenario, flags.edges));
  const tags = [...new Set(all.flatMap((scenario) => scenario.tags))].sort().join(", ");
  throw new UsageError(`none of ${all.length} scenarios is meant by --grep and --tag; the tags are ${tags || "none"}`);
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
