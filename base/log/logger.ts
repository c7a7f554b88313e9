// The logger of all modules: one structured line, a message and its fields.

/** Facts beside the sentence. Never secrets, tokens or message bodies. */
export type Fields = Readonly<Record<string, unknown>>;

/** The four levels everything here logs with. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** The same logger with these fields on every line. */
  with(fields: Fields): Logger;
}

/** Discards every line. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};

/** The message of a thrown value of any type, for a log line or a message to a person. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The operation failed, and then its cleanup failed too: the message is that of the first error.
  if (error instanceof SuppressedError) {
    return `${reasonOf(error.suppressed)}; cleaning up failed, too: ${reasonOf(error.error)}`;
  }
  // fetch-like errors hide the useful half in their cause; AggregateError has an empty message of its own.
  const nested = error instanceof AggregateError ? error.errors[0] : error.cause;
  if (nested === undefined) return error.message;
  return error.message === "" ? reasonOf(nested) : `${error.message}: ${reasonOf(nested)}`;
}
