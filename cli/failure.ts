// Ends a command with one clear message: what happened, where, what to do.
import { factsOf, SkepError } from "../base/error/skep-error.ts";
import { CommanderError } from "commander";
import { reasonOf } from "../base/log/logger.ts";

/** Exit codes, the same for every command. */
export const exitCodes = {
  passed: 0,
  failed: 1,
  couldNotRun: 2,
  crossed: 99,
  interrupted: 130,
  terminated: 143,
} as const;

/** An error the user can correct; its message says what. */
export class UsageError extends SkepError {
  readonly code = "SKEP_USAGE";
}

/** What happened and what to do, for a person; for a bug of skep the stack. */
export function describeFailure(error: unknown): string {
  // What to do about wrong arguments differs from one to the next: the message says it.
  if (error instanceof CommanderError || error instanceof UsageError) return error.message;
  if (error instanceof SuppressedError) {
    return `${describeFailure(error.suppressed)}\n  cleaning up failed, too: ${reasonOf(error.error)}`;
  }
  if (error instanceof SkepError && factsOf(error)?.isInternal === undefined) {
    const { details, message } = error;
    // What to do is known of the reason, not of the module that could not start.
    const { advice, code } = error.cause instanceof SkepError ? error.cause : error;
    return [message, ...details, `${advice} (${code})`].join("\n  ");
  }
  return `this is a bug of skep: ${error instanceof Error ? error.stack ?? error.message : reasonOf(error)}`;
}
