// The folder of a command's reports.
import { access, constants, mkdir } from "node:fs/promises";
import { reasonOf } from "../base/log/logger.ts";
import { UsageError } from "./failure.ts";

/**
 * Checks before the run that reports can be written. Resolves with the folder that was created for them,
 * undefined where it was there.
 */
export async function prepareReports(dir: string): Promise<string | undefined> {
  try {
    const made = await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK);
    return made;
  } catch (error) {
    throw new UsageError(`--report ${dir}: reports can't be written there: ${reasonOf(error)}`);
  }
}
