// Reads every file that a scenario names, as a run would, and tells what is wrong with them before anything is started.
import { resolve } from "node:path";
import { reasonOf } from "../../base/log/logger.ts";
import { fileBeside, objectsIn, readObjects } from "../files/manifest.ts";
import type { CohortDevices } from "../cohorts/cohort.ts";
import { type Position, positionText } from "../files/position.ts";
import type { Scenario, Step } from "../model/scenario.ts";
import { stepsIn } from "../engine/needs.ts";
import { loadStepModule } from "../steps/flow.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { cohortOf } from "../cohorts/fleet-cohort.ts";
import { readModel } from "../cohorts/devices.ts";

type Named = Pick<Scenario, "fleet" | "position" | "where"> & Partial<Pick<Scenario, "steps" | "catch" | "finally">>;

/** Steps whose files are objects. */
const manifestSteps: ReadonlySet<string> = new Set(["apply", "delete", "assert"]);

/**
 * What is wrong with the models, tables, stages, manifests and modules that a scenario or a file of cohorts names: a line each,
 * with the place in the file that is wrong, or that names it. A name with a variable in it is known only in the run.
 */
export async function wrongFiles(named: Named): Promise<string[]> {
  const wrong: string[] = [];
  const check = async (position: Position, read: () => Promise<unknown>) => {
    try {
      await read();
    } catch (error) {
      const { details = [] } = error instanceof SkepError ? error : {};
      const text = [reasonOf(error), ...details].join(": ");
      // Errors inside a file already start with their position.
      wrong.push(/^\S+:\d+:\d+: /.test(text) ? text : `${positionText(position)}: ${text}`);
    }
  };
  const { file } = named.position;
  for (const [i, cohort] of named.fleet.entries()) {
    const where = (path: readonly (string | number)[]) => named.where?.(["fleet", i, ...path]) ?? named.position;
    const { devices = [], stages = [], ...rest } = cohort;
    // A wrong model is reported once, where it is named.
    const good: CohortDevices[] = [];
    for (const [d, device] of devices.entries()) {
      const before = wrong.length;
      await check(where(["devices", d, "model"]), () => readModel(device.model, file));
      if (wrong.length === before) good.push(device);
    }
    for (const [s, stage] of stages.entries()) {
      await check(where(["stages", s]), async () => (await import("../cohorts/stages.ts")).readStages([stage], file));
    }
    await check(where(["devices"]), () => cohortOf({ ...rest, devices: good }, file, { timeScale: 1 }));
  }
  const steps = [...named.steps ?? [], ...named.catch ?? [], ...named.finally ?? []];
  for (const step of stepsIn(steps)) await check(step.position, () => readFilesOf(step, named));
  return [...new Set(wrong)];
}

/** The files of a scenario, as absolute paths: its own, and those that it names, as far as they are known before the run. */
export function filesOf({ catch: onFailure, finally: atEnd, fleet, position, steps }: Scenario): string[] {
  const beside = (name: string) => resolve(fileBeside(name, position.file));
  const named = stepsIn([...steps, ...onFailure, ...atEnd]).flatMap(({ args, kind }) => {
    if (kind !== "run" && !manifestSteps.has(kind)) return [];
    return manifestParts(args).filter((part) => typeof part === "string" && !part.includes("$"));
  });
  const ofFleet = fleet.flatMap(({ devices = [], stages = [] }) => [
    ...devices.flatMap(({ model }) => [`${model}.yaml`, model]),
    ...stages.flatMap((stage) => typeof stage === "string" ? [`${stage}.yaml`, stage] : []),
  ]);
  return [resolve(position.file), ...[...named as string[], ...ofFleet].map(beside)];
}

/** What a step is given: one file or object, several, or `objects` beside other words. */
function manifestParts(args: unknown): readonly unknown[] {
  const inner = typeof args === "object" && args !== null && "objects" in args ? args.objects : args;
  return Array.isArray(inner) ? inner : [inner];
}

async function readFilesOf({ args, kind, position }: Step, scenario: Named): Promise<void> {
  if (kind === "run" && typeof args === "string" && !args.includes("$")) await loadStepModule(args, scenario);
  if (!manifestSteps.has(kind)) return;
  const isPartial = kind === "assert";
  for (const part of manifestParts(args)) {
    if (typeof part === "string" && !part.includes("$")) {
      await readObjects(fileBeside(part, scenario.position.file), { isPartial });
    }
    const isNamedDeletion = kind === "delete" && typeof part === "object" && part !== null && "object" in part;
    if (typeof part === "object" && !isNamedDeletion) objectsIn(part, () => positionText(position), [], isPartial);
  }
}
