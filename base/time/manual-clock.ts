// A clock that only moves on command, for tests.
import type { Clock, Timer } from "./clock.ts";

/** Starts at `start` (Unix milliseconds) and stands still until `advance` is called. */
export class ManualClock implements Clock {
  #now: number;
  /** How far it has been set forwards. */
  #set = 0;
  #sequence = 0;
  readonly #timers = new Map<number, { due: number; run: () => void }>();

  constructor(start = 1_700_000_000_000) {
    this.#now = start;
  }

  now(): number {
    return this.#now + this.#set;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Sets the time of day, as an administrator does: timers don't care. Negative: back. */
  step(ms: number): void {
    this.#set += ms;
  }

  get pending(): number {
    return this.#timers.size;
  }

  after(ms: number, run: () => void): Timer {
    const id = this.#sequence++;
    this.#timers.set(id, { due: this.#now + Math.max(0, ms), run });
    return { cancel: () => void this.#timers.delete(id) };
  }

  /** Moves time forward, firing what becomes due on the way, in order; timers set meanwhile count too. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: [number, { due: number; run: () => void }] | undefined;
      for (const entry of this.#timers) {
        if (entry[1].due <= end && (next === undefined || entry[1].due < next[1].due)) next = entry;
      }
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = next[1].due;
      next[1].run();
    }
    this.#now = end;
  }
}
