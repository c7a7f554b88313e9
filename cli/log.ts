// The logger of a command: `--log`, `--verbose` and `--quiet`, and the last lines for pages that show an edge.
import { levelledLogger, type LogLevel, type LogLevels, lowestLevel } from "../base/log/levels.ts";
import { LogRing } from "../base/log/log-ring.ts";
import type { Logger } from "../base/log/logger.ts";
import { pinoLogger } from "../base/log/pino-logger.ts";

/** The flags as commander gives them. */
export interface LogFlags {
  readonly log?: (usual: LogLevel) => LogLevels;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** The logger, and its last lines. `usual` is the level without a flag. */
export function loggerOf(
  { log, quiet, verbose }: LogFlags,
  usual: LogLevel,
): { readonly logger: Logger; readonly logs: LogRing } {
  const level = verbose ? "debug" : quiet ? "error" : usual;
  const levels = log?.(level) ?? { usual: level, modules: new Map() };
  const logs = new LogRing();
  return { logs, logger: logs.wrap(levelledLogger(pinoLogger(lowestLevel(levels)), levels)) };
}
