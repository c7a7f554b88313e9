// Levels of a logger by module: `info,cloudhub=debug` prints what cloudhub says from debug on, and all else from info on.
import type { Fields, Logger } from "./logger.ts";

/** In their order, from the most talkative on. */
export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof logLevels[number];

/** Which lines are printed. */
export interface LogLevels {
  readonly usual: LogLevel;
  /** By the name of a module, as its lines have it. */
  readonly modules: ReadonlyMap<string, LogLevel>;
}

/** Reads `debug`, `cloudhub=debug` and several of them with commas between. Throws an Error that says what is wrong. */
export function parseLevels(text: string, usual: LogLevel): LogLevels {
  const modules = new Map<string, LogLevel>();
  let own = usual;
  for (const part of text.split(",").map((each) => each.trim()).filter((each) => each !== "")) {
    const [, module, level = ""] = /^(?:([\w-]+)=)?(\w+)$/.exec(part) ?? [];
    if (!(logLevels as readonly string[]).includes(level)) {
      throw new Error(`"${part}": LEVEL or MODULE=LEVEL is needed; levels are ${logLevels.join(", ")}`);
    }
    if (module === undefined) own = level as LogLevel;
    else modules.set(module, level as LogLevel);
  }
  return { usual: own, modules };
}

/** The lowest level of all: what the logger beneath has to print. */
export function lowestLevel({ modules, usual }: LogLevels): LogLevel {
  return logLevels.find((level) => level === usual || [...modules.values()].includes(level)) ?? usual;
}

/** Lines of a module pass from its level on. A logger's `with({ module })` names it. */
export function levelledLogger(inner: Logger, levels: LogLevels, module = ""): Logger {
  const least = logLevels.indexOf(levels.modules.get(module) ?? levels.usual);
  const pass = (level: LogLevel) => (message: string, fields?: Fields) => {
    if (logLevels.indexOf(level) >= least) inner[level](message, fields);
  };
  return {
    debug: pass("debug"),
    info: pass("info"),
    warn: pass("warn"),
    error: pass("error"),
    with: (fields) =>
      levelledLogger(inner.with(fields), levels, typeof fields.module === "string" ? fields.module : module),
  };
}
