// Reads a file of cohorts: `fleet:` and nothing else.
import { Ajv } from "ajv";
import { withoutBigInts } from "../../protocol/json.ts";
import { type Position, ScenarioError } from "../files/position.ts";
import { documentsIn, readText } from "../files/yaml-document.ts";
import type { ScenarioCohort } from "./cohort.ts";
import { cohortsSchema } from "./schema.ts";

/** The content of a file, and the position of each part. */
export interface CohortsFile {
  readonly fleet: readonly ScenarioCohort[];
  readonly position: Position;
  where(path: readonly (string | number)[]): Position;
}

/** The cohorts of a file. Rejects with ScenarioError. */
export async function loadCohorts(file: string): Promise<readonly ScenarioCohort[]> {
  return parseCohorts(await readText(file), file).fleet;
}

/** The cohorts in a text; `file` is for positions. Throws ScenarioError. */
export function parseCohorts(text: string, file: string): CohortsFile {
  const position = { file, line: 1, column: 1 };
  const [document, second] = documentsIn(text, file);
  if (document === undefined) throw new ScenarioError(position, "the file holds no cohorts: `fleet` is missing");
  if (second !== undefined) throw new ScenarioError(second.where([]), "a file of cohorts is one YAML document");
  const value = withoutBigInts(document.value());
  const check = new Ajv({ allErrors: true, strict: false, verbose: true }).compile(cohortsSchema);
  if (!check(value)) throw document.refusal(check.errors ?? [], []);
  const { fleet } = value as { readonly fleet: readonly ScenarioCohort[] };
  for (const [i, { cohort }] of fleet.entries()) {
    if (fleet.findIndex((other) => other.cohort === cohort) === i) continue;
    throw new ScenarioError(document.where(["fleet", i, "cohort"]), `there are two cohorts ${cohort}`);
  }
  return { fleet, position, where: (path) => document.where(path) };
}
