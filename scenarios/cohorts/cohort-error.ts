// The error of a cohort that can't be what its file says.
import { SkepError } from "../../base/error/skep-error.ts";

export class CohortError extends SkepError {
  readonly code = "SKEP_COHORT";
}
