// What fuzzers share: how long each goes on, by a number of cases or with `SKEP_FUZZ_MS` a time, and which errors are none.
import { vi } from "vitest";

const ms = Number(process.env.SKEP_FUZZ_MS ?? 0);

/** Parameters of `fc.assert`. `SKEP_FUZZ_RUNS` says another number of cases than a thousand. */
export const fuzzing = ms > 0
  ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: ms }
  : { numRuns: Number(process.env.SKEP_FUZZ_RUNS ?? 1000) };

if (ms > 0) vi.setConfig({ testTimeout: 2 * ms + 60_000 });

/** Runs it; an error of one of the types is fine, any other is a finding. */
export function tolerates(run: () => unknown, ...types: (new (...args: never[]) => Error)[]): void {
  try {
    run();
  } catch (error) {
    if (!types.some((type) => error instanceof type)) throw error;
  }
}
