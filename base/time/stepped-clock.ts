// A clock whose time of day can be set while its timers go on, as that of one machine among others.
import type { Clock, Timer } from "./clock.ts";

export class SteppedClock implements Clock {
  readonly #clock: Clock;
  #offset = 0;

  /** Timers and intervals are those of `clock`. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.#offset;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(ms: number, run: () => void): Timer {
    return this.#clock.after(ms, run);
  }

  /** Sets it so many milliseconds forwards, or back where negative. */
  step(ms: number): void {
    this.#offset += ms;
  }
}
