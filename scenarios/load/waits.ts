// Operations that have begun and wait for what they bring about: seen, or lost after a while.
import type { Clock, Timer } from "../../base/time/clock.ts";

/** What became of one: when it was seen (Unix milliseconds), that a newer one took its place, that it failed, or nothing in time. */
export type Outcome = { readonly seen: number } | "replaced" | "failed" | "lost";

interface Wait {
  readonly resolve: (outcome: Outcome) => void;
  readonly timer: Timer;
}

/** By key: who waits for it. */
export class Waits {
  readonly #clock: Clock;
  readonly #lostAfter: number;
  readonly #waiting = new Map<string, Wait>();

  constructor(clock: Clock, lostAfter: number) {
    this.#clock = clock;
    this.#lostAfter = lostAfter;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Settles when the key is seen, given up, or lost. Waiting twice for the same key ends the first wait as replaced. */
  for(key: string, lostAfter = this.#lostAfter): Promise<Outcome> {
    this.end(key, "replaced");
    return new Promise((resolve) => {
      const timer = this.#clock.after(lostAfter, () => this.end(key, "lost"));
      this.#waiting.set(key, { resolve, timer });
    });
  }

  /** Nobody need wait for it. */
  end(key: string, outcome: Outcome): void {
    const wait = this.#waiting.get(key);
    if (wait === undefined) return;
    this.#waiting.delete(key);
    wait.timer.cancel();
    wait.resolve(outcome);
  }

  /** All that are left, at the end of a run. */
  stop(): void {
    for (const key of [...this.#waiting.keys()]) this.end(key, "replaced");
  }
}
