// Reads every file that a scenario names, as a run would, and tells what is wrong with them before anything is started.
import { reasonOf } from "../../base/log/logger.ts";
import { fileBeside, objectsIn, readObjects } from "../files/manifest.ts";
import type { CohortDevices } from "../cohorts/cohort.ts";
import { type Position, positionText } from "../files/position.ts";
import type { Scenario, Step } from "../model/scenario.ts";
import { loadStepModule } from "../steps/flow.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { cohortOf } from "../cohorts/fleet-cohort.ts";
import { readModel } from "../cohorts/devices.ts";

type Named = Pick<Scenario, "fleet" | "position" | "where"> & Partial<Pick<Scenario, "steps" | "catch" | "finally">>;

/** Steps whose files are objects. */
const manifestSteps: ReadonlySet<string> = new Set(["apply", "delete"]);

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
  for (const step of allSteps(steps)) await check(step.position, () => readFilesOf(step, named));
  return [...new Set(wrong)];
}

/** Steps, and steps inside steps. */
function* allSteps(steps: readonly Step[]): Generator<Step> {
  for (const step of steps) {
    yield step;
    const { args, kind } = step;
    if (kind === "parallel") yield* allSteps(args as readonly Step[]);
    if (kind === "repeat") yield* allSteps((args as { readonly steps: readonly Step[] }).steps);
  }
}

async function readFilesOf({ args, kind, position }: Step, scenario: Named): Promise<void> {
  if (kind === "run" && typeof args === "string" && !args.includes("$")) await loadStepModule(args, scenario);
  if (!manifestSteps.has(kind)) return;
  for (const part of Array.isArray(args) ? args : [args]) {
    if (typeof part === "string" && !part.includes("$")) {
      await readObjects(fileBeside(part, scenario.position.file), {});
    }
    const isNamedDeletion = kind === "delete" && typeof part === "object" && part !== null && "object" in part;
    if (typeof part === "object" && !isNamedDeletion) objectsIn(part, () => positionText(position), []);
  }
}
