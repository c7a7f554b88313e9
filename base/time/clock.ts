// Time as an argument: everything we schedule ourselves asks a Clock, so that tests can move it by hand.

/** A timer that has been set; cancelling it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** Wall time, intervals and timers, in milliseconds. */
export interface Clock {
  /** Unix time: what is written down and compared with other machines. It may be set, forwards and back. */
  now(): number;
  /** Since an arbitrary point, and never set: what waits and how long something took are measured with it. */
  monotonic(): number;
  /** Runs `run` once, `ms` from now (a negative delay counts as 0). */
  after(ms: number, run: () => void): Timer;
}

/** Resolves after `ms`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/**
 * Runs `run` every `ms` until cancelled; the next run is set when the last one began, so a slow run delays nothing. A function is asked
 * anew for each interval.
 */
export function every(clock: Clock, ms: number | (() => number), run: () => void): Timer {
  return new Repetition(clock, ms, run);
}

class Repetition implements Timer {
  readonly #clock: Clock;
  readonly #ms: () => number;
  readonly #run: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, ms: number | (() => number), run: () => void) {
    this.#clock = clock;
    this.#ms = typeof ms === "number" ? () => ms : ms;
    this.#run = run;
    this.#timer = clock.after(this.#ms(), this.#again);
  }

  readonly #again = (): void => {
    if (this.#timer === undefined) return;
    this.#timer = this.#clock.after(this.#ms(), this.#again);
    this.#run();
  };

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
