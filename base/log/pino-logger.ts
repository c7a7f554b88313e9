// The logger of the commands: JSON lines on standard error, by pino.
import { destination, type Logger as Pino, pino } from "pino";
import type { Fields, Logger } from "./logger.ts";

/** Logs to standard error (standard output belongs to results) from `level` upwards. */
export function pinoLogger(level: "debug" | "info" | "warn" | "error"): Logger {
  return wrap(pino({ level, base: null }, destination({ fd: 2, sync: true })));
}

function wrap(log: Pino): Logger {
  return {
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
    with: (fields: Fields) => wrap(log.child(fields)),
  };
}
