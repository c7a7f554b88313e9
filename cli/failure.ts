// Ends a command with one clear message: what happened, where, what to do.
import { CommanderError } from "commander";
import { HopFilterError } from "../base/hop/filter.ts";
import { reasonOf } from "../base/log/logger.ts";
import { ListenError } from "../base/transport/listen.ts";

/** Exit codes, the same for every command. */
export const exitCodes = { held: 0, failed: 1, couldNotRun: 2, interrupted: 130, terminated: 143 } as const;

/** Something the user can mend; its message says what. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Errors whose message alone says everything; the name is enough to tell, so that no command loads what it doesn't need. */
const clear: ReadonlySet<string> = new Set([
  "UsageError",
  "ScenarioError",
  "KubeConfigError",
  "ConfigFileError",
  "KeyFileError",
  "QuicMissingError",
  "KubeUnreachableError",
  "DefinitionsError",
  "KubeApiError",
  "ModuleStartError",
  "EnrolmentError",
  "TokenError",
  "RefusedError",
  "UnreachableError",
  "StepFailure",
  "StageError",
  "BrokerError",
  "DmiError",
  "StoreFileError",
]);

/** The message for a person, and whether it is a fault of ours (then the stack helps). */
export function describeFailure(error: unknown): string {
  if (error instanceof ListenError) {
    return error.isAddress
      ? `${error.message}; --bind takes an address of this machine`
      : `${error.message}; ask for another with --port, or leave it out to have one found`;
  }
  if (error instanceof HopFilterError) return error.message;
  if (error instanceof CommanderError) return error.message;
  if (error instanceof Error && clear.has(error.name)) return error.message;
  return `this is a fault of skep's own: ${error instanceof Error ? error.stack ?? error.message : reasonOf(error)}`;
}
