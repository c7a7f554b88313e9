// The error of a step that failed.
import { SkepError } from "../../base/error/skep-error.ts";
import type { Difference } from "./match.ts";

/** A step that does not hold: what was expected and what was found, for a person. */
export class StepFailure extends SkepError {
  readonly code = "SKEP_STEP";
  /** A part of the resource paths of messages that had to do with it; empty for none in particular. */
  readonly about: string;
  /** What was found instead of what the step's arguments say; empty where that is not a matter of values. */
  readonly differences: readonly Difference[];
  constructor(
    message: string,
    details: readonly string[] = [],
    about = "",
    differences: readonly Difference[] = [],
  ) {
    super(message, { details });
    this.about = about;
    this.differences = differences;
  }
}
