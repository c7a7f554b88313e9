// Tries something again a few times, with waits that are known beforehand.
import { type Clock, sleep } from "../time/clock.ts";

/**
 * Runs until it resolves, at most once more than there are waits (milliseconds). Rejects with the last error, or as soon as
 * the signal is aborted.
 */
export async function retried<T>(
  clock: Clock,
  waits: readonly number[],
  signal: AbortSignal,
  run: () => Promise<T>,
): Promise<T> {
  for (const wait of waits) {
    try {
      return await run();
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await sleep(clock, wait, signal);
  }
  return await run();
}
