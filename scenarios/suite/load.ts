// Loads scenarios from files: YAML, and modules that export one.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { reasonOf } from "../../base/log/logger.ts";
import { parseCohorts } from "../cohorts/read.ts";
import { parseScenarios } from "../engine/parse.ts";
import { ScenarioError } from "../files/position.ts";
import { readText } from "../files/yaml-document.ts";
import type { Scenario } from "../model/scenario.ts";
import { stepTable } from "../steps/table.ts";
import type { CodedScenario } from "./session.ts";

/** The scenarios of a file, in order. Rejects with ScenarioError. */
export async function loadScenarios(file: string): Promise<Scenario[]> {
  if (isModule(file)) return [await loadCoded(file)];
  const text = await readText(file);
  if (isLoad(text)) {
    throw new ScenarioError({ file, line: 1, column: 1 }, `this is a load profile: make it with skep load ${file}`);
  }
  return parseScenarios(text, file, stepTable);
}

/** Whether a text is a load profile. */
function isLoad(text: string): boolean {
  return /^load:/m.test(text) && !/^steps:/m.test(text);
}

/** Whether a text describes targets: a `skep.yaml`, or a file with one. */
function isTargets(text: string): boolean {
  return !/^(steps|load|fleet):/m.test(text) && /^(targets|kubernetes|cloudcore|edges):/m.test(text) &&
    /^skep:/m.test(text);
}

/** What a file holds, as `skep check` reads it: scenarios, a load profile, targets, or the cohorts of a fleet. Rejects with ScenarioError. */
export async function loadForCheck(
  file: string,
): Promise<{ readonly what: string; readonly parts: readonly Pick<Scenario, "fleet" | "position" | "where">[] }> {
  const text = isModule(file) ? undefined : await readText(file);
  if (text !== undefined && isLoad(text)) {
    const { parseProfiles } = await import("../load/parse.ts");
    const profiles = parseProfiles(text, file);
    return { what: profiles.length === 1 ? "a load profile" : `${profiles.length} load profiles`, parts: profiles };
  }
  if (text !== undefined && isTargets(text)) {
    const { parseTargets } = await import("../targets/description.ts");
    const { size } = parseTargets(text, file).targets;
    return { what: size === 1 ? "1 target" : `${size} targets`, parts: [] };
  }
  const isCohorts = text !== undefined && /^fleet:/m.test(text) && !/^skep:/m.test(text);
  const parts = text === undefined
    ? [await loadCoded(file)]
    : isCohorts
    ? [parseCohorts(text, file)]
    : parseScenarios(text, file, stepTable);
  const count = isCohorts ? parts[0]?.fleet.length ?? 0 : parts.length;
  const word = isCohorts ? "cohort" : "scenario";
  return { what: `${count} ${word}${count === 1 ? "" : "s"}`, parts };
}

function isModule(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file);
}

/** A module whose default export is a scenario. */
async function loadCoded(file: string): Promise<Scenario> {
  const position = { file, line: 1, column: 1 };
  const { scenarioFromCode } = await import("../suite/session.ts");
  const module = await import(pathToFileURL(resolve(file)).href).catch((error) => {
    throw new ScenarioError(position, `can't load the module: ${reasonOf(error)}`);
  }) as { readonly default?: CodedScenario };
  const coded = module.default;
  if (typeof coded?.name !== "string" || typeof coded.body !== "function") {
    throw new ScenarioError(
      position,
      'the module has no scenario: export default scenario("…", async (skep) => { … })',
    );
  }
  return scenarioFromCode(coded, file);
}
