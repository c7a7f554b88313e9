// The run as JSON, for programs: everything the other reports are made of, under a versioned name.
import type { RunResult } from "../model/result.ts";

/** The name and version of the form. A change that breaks readers gets a new number. */
export const reportFormat = "skep.report/1";

export function jsonReport(run: RunResult): string {
  return `${JSON.stringify({ format: reportFormat, ...run }, null, 2)}\n`;
}
