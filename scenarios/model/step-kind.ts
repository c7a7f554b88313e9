// What a step is to the engine: the schema of its arguments and what it does.
import type { Schema } from "../files/schemas.ts";
import type { StepContext } from "./context.ts";
import type { Capability } from "./capabilities.ts";

/** One kind of step. The same table serves files and functions, so that they can't drift apart. */
export interface StepKind {
  readonly name: string;
  /** One sentence for the reference and the editor. */
  readonly summary: string;
  readonly schema: Schema;
  /** What the target must have for it. Default: nothing. */
  needs?(args: never): readonly Capability[];
  /** Does it; gives the value that `as` picks from, where there is one. Throws StepFailure where the step does not hold. */
  run(context: StepContext, args: never): Promise<unknown>;
}

/** Every kind of step, by its name. */
export type StepTable = ReadonlyMap<string, StepKind>;
