// What a running step can reach: the environment, the variables, and the way to run further steps.
import type { Variables } from "../files/variables.ts";
import type { Environment } from "./environment.ts";
import type { Scenario, Step } from "./scenario.ts";

/** Given to every step. */
export interface StepContext {
  readonly environment: Environment;
  /** @deprecated The former name of `environment`. */
  readonly world: Environment;
  readonly scenario: Scenario;
  readonly variables: Variables;
  /** Aborted when the scenario is over, out of time, or interrupted. */
  readonly signal: AbortSignal;
  /** The hop position at the beginning of the step with that id; throws StepFailure for an id that has not run. */
  since(id: string | undefined): number;
  /** Milliseconds of a duration that is a patience: multiplied by the target's. */
  within(duration: string | undefined): number;
  /** Runs steps one after another, with further variables. */
  run(steps: readonly Step[], variables?: Variables): Promise<void>;
  /** Puts lines into the report. */
  show(what: string, lines: readonly string[]): void;
  /** Work that continues after its step and must end before the invariants are evaluated. */
  background(work: Promise<void>): void;
}

/** How long an `expect` waits where it doesn't say. */
export const DEFAULT_WITHIN = "5s";
