// The error of a cohort whose file asks for something impossible.
import { SkepError } from "../../base/error/skep-error.ts";

export class CohortError extends SkepError {
  readonly code = "SKEP_COHORT";
}
