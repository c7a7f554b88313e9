// Steps that arrange others: wait, repeat, parallel, run, show.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { reasonOf } from "../../base/log/logger.ts";
import { sleep } from "../../base/time/clock.ts";
import type { StepContext } from "../model/context.ts";
import { milliseconds } from "../files/duration.ts";
import { fileBeside } from "../files/manifest.ts";
import type { Scenario, Step } from "../model/scenario.ts";
import { schemas } from "../files/schemas.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { StepKind } from "../model/step-kind.ts";

export const waitStep = {
  name: "wait",
  summary: "Lets time pass.",
  schema: schemas.duration,
  async run({ environment, signal }: StepContext, duration: string) {
    await sleep(environment.clock, milliseconds(duration), signal);
  },
} as const satisfies StepKind;

/** What the step takes. */
export interface RepeatArgs {
  readonly times: number;
  readonly every?: string;
  readonly steps: readonly Step[];
}

export const repeatStep = {
  name: "repeat",
  summary: "Runs steps several times; $i counts from 0.",
  schema: {
    type: "object",
    required: ["times", "steps"],
    additionalProperties: false,
    properties: {
      times: { type: "integer", minimum: 1, maximum: 100_000 },
      every: { ...schemas.duration, description: "a pause between two rounds" },
      steps: { $ref: "#/$defs/steps" },
    },
  },
  async run(context: StepContext, { times, every, steps }: RepeatArgs) {
    for (let i = 0; i < times; i++) {
      if (i > 0 && every !== undefined) await sleep(context.environment.clock, milliseconds(every), context.signal);
      await context.run(steps, { i });
    }
  },
} as const satisfies StepKind;

export const parallelStep = {
  name: "parallel",
  summary: "Runs steps at the same time and waits for all of them.",
  schema: { $ref: "#/$defs/steps" },
  async run(context: StepContext, steps: readonly Step[]) {
    const outcomes = await Promise.allSettled(steps.map((step) => context.run([step])));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  },
} as const satisfies StepKind;

export const runStep = {
  name: "run",
  summary: "Calls the default export of a TypeScript or JavaScript module with the step's context.",
  schema: { type: "string", description: "the module's path, from the scenario's folder" },
  async run(context: StepContext, file: string) {
    return await (await loadStepModule(file, context.scenario))(context);
  },
} as const satisfies StepKind;

/** The function of a module beside a scenario. Throws StepFailure. */
export async function loadStepModule(
  file: string,
  scenario: Pick<Scenario, "position">,
): Promise<(context: StepContext) => unknown> {
  const path = resolve(fileBeside(file, scenario.position.file));
  // An installed skep holds its library compiled.
  const there = [path, path.replace(/\.ts$/, ".js")].find(existsSync);
  if (there === undefined) throw new StepFailure(`there is no module ${fileBeside(file, scenario.position.file)}`);
  const module = await import(pathToFileURL(there).href).catch((error) => {
    throw new StepFailure(`can't load ${fileBeside(file, scenario.position.file)}: ${reasonOf(error).split("\n")[0]}`);
  }) as { default?: unknown };
  if (typeof module.default === "function") return module.default as (context: StepContext) => unknown;
  throw new StepFailure(`${fileBeside(file, scenario.position.file)} has no function as its default export`);
}
