// Waits for a condition, and reports what was missing when it did not become true.
import { sleep } from "../../base/time/clock.ts";
import type { StepContext } from "../model/context.ts";
import type { Difference } from "../model/match.ts";
import { StepFailure } from "../model/step-failure.ts";

/** Milliseconds between two looks. */
const LOOK_EVERY_MS = 20;

/** What a look finds: nothing missing, or what is, in words. */
export interface Look {
  readonly missing: readonly string[];
  /** The same as values, where it is a matter of values. */
  readonly differences?: readonly Difference[];
  /** The value that was looked at. */
  readonly value?: unknown;
}

/** Looks until nothing is missing. Throws StepFailure with the last look's findings after `ms`. */
export async function waitFor(
  context: StepContext,
  ms: number,
  what: string,
  about: string,
  look: () => Promise<Look>,
): Promise<unknown> {
  const { clock } = context.environment;
  const deadline = clock.now() + ms;
  for (;;) {
    const { differences, missing, value } = await look();
    if (missing.length === 0) return value;
    context.signal.throwIfAborted();
    if (clock.now() >= deadline) {
      throw new StepFailure(`${what} — not within ${ms} ms`, missing, about, differences);
    }
    await sleep(clock, Math.min(LOOK_EVERY_MS, deadline - clock.now()), context.signal);
  }
}

/** Looks again and again for `ms`. Throws StepFailure as soon as something is missing. */
export async function holdsFor(
  context: StepContext,
  ms: number,
  what: string,
  about: string,
  look: () => Promise<Look>,
): Promise<void> {
  const { clock } = context.environment;
  const end = clock.now() + ms;
  for (;;) {
    const { missing } = await look();
    if (missing.length > 0) {
      throw new StepFailure(`${what} — not after ${ms - Math.max(0, end - clock.now())} ms`, missing, about);
    }
    if (clock.now() >= end) return;
    await sleep(clock, Math.min(LOOK_EVERY_MS, end - clock.now()), context.signal);
  }
}
