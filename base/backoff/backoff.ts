// Retry as data: how long to wait before the next try.
import type { Random } from "../random/random.ts";

/** Milliseconds; `factor` multiplies after each try up to `cap`; `jitter` spreads each delay by ± that fraction. */
export interface BackoffOptions {
  readonly initial: number;
  readonly factor: number;
  readonly cap: number;
  readonly jitter: number;
}

/** The delays of one run of retries; `reset` after a success starts over. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #next: number;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#next = options.initial;
  }

  next(): number {
    const delay = this.#random.jitter(this.#next, this.#options.jitter);
    this.#next = Math.min(this.#next * this.#options.factor, this.#options.cap);
    return delay;
  }

  reset(): void {
    this.#next = this.#options.initial;
  }
}
