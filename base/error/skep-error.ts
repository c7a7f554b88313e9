// The base of all errors that skep throws: a stable code, a message for a person, and what to do about it.
import { type ErrorCode, errorCodes, type ErrorFacts } from "./codes.ts";

export abstract class SkepError extends Error {
  /** Stable across versions, unlike the message; `docs/errors.md` explains each. */
  abstract readonly code: ErrorCode;
  /** Lines of detail, such as differences; empty where the message says everything. */
  readonly details: readonly string[];

  constructor(message: string, options: ErrorOptions & { readonly details?: readonly string[] } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.details = options.details ?? [];
  }

  /** What to do, as an imperative sentence without its full stop. */
  get advice(): string {
    return errorCodes[this.code].advice;
  }
}

/** What is known of an error's code, or of its cause's: a module that can't start has its reason as its cause. */
export function factsOf(error: unknown): ErrorFacts | undefined {
  if (error instanceof SuppressedError) return factsOf(error.suppressed);
  if (!(error instanceof SkepError)) return undefined;
  const facts: ErrorFacts = errorCodes[error.code];
  return facts.endsRun === undefined ? factsOf(error.cause) ?? facts : facts;
}
