// A token bucket: a burst, and then a rate.
import type { Clock } from "../time/clock.ts";

export class Limiter {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #refill: number;
  #tokens: number;
  #at: number;

  /** `refill`: milliseconds after which there is one more. */
  constructor(clock: Clock, burst: number, refill: number) {
    this.#clock = clock;
    this.#burst = burst;
    this.#refill = refill;
    this.#tokens = burst;
    this.#at = clock.monotonic();
  }

  /** Takes one, where there is one. */
  allows(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until there is one. */
  get wait(): number {
    this.#fill();
    return Math.max(0, (1 - this.#tokens) * this.#refill);
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) / this.#refill);
    this.#at = now;
  }
}
