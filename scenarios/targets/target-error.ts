// The error of a target that can't be used.
import { SkepError } from "../../base/error/skep-error.ts";

/** A target that is not there, or can't be what it is said to be. */
export class TargetError extends SkepError {
  readonly code = "SKEP_TARGET";
}
