// The label by which everything that a run makes in a cluster can be found and removed again.
import { randomBytes } from "node:crypto";

/** On everything that a run makes; its value is the run. */
export const runLabel = "skep/run";

/** A name for a run: ten letters or digits. */
export function newRun(): string {
  return randomBytes(5).toString("hex");
}
