// A queue of keys to reconcile: each key is queued once, keys run one after another, failures are retried.
import { Backoff } from "../../base/backoff/backoff.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";

const RETRY = { initial: 100, factor: 2, cap: 30_000, jitter: 0.2 } as const;

/** Injected dependencies. */
export interface WorkQueueDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * A work queue as client-go's: it is bounded by the number of objects there are, since a key that waits already is not
 * added again. `reconcile` gets the key and reads the state itself; while it waits (for room on the bus, for the API) changes
 * of the same key collapse into one further call.
 */
export class WorkQueue {
  readonly #name: string;
  readonly #deps: WorkQueueDeps;
  readonly #reconcile: (key: string) => Promise<void>;
  readonly #keys = new Set<string>();
  readonly #failed = new Map<string, Backoff>();
  readonly #timers = new Set<Timer>();
  #running = false;
  #stopped = false;

  constructor(name: string, deps: WorkQueueDeps, reconcile: (key: string) => Promise<void>) {
    this.#name = name;
    this.#deps = deps;
    this.#reconcile = reconcile;
  }

  /** Keys that wait: the gauge. */
  get size(): number {
    return this.#keys.size;
  }

  add(key: string): void {
    if (this.#stopped) return;
    this.#keys.add(key);
    if (!this.#running) void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#keys.clear();
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Events of one burst are collected first, so that what comes together is looked at in its final state.
    await Promise.resolve();
    for (const key of this.#keys) {
      this.#keys.delete(key);
      try {
        await this.#reconcile(key);
        this.#failed.delete(key);
      } catch (error) {
        this.#again(key, error);
      }
      if (this.#stopped) break;
    }
    this.#running = false;
  }

  #again(key: string, error: unknown): void {
    if (this.#stopped) return;
    const { clock, random, logger } = this.#deps;
    const backoff = this.#failed.get(key) ?? new Backoff(RETRY, random.stream(`queue/${this.#name}/${key}`));
    this.#failed.set(key, backoff);
    const wait = backoff.next();
    logger.warn("could not reconcile; trying again", {
      queue: this.#name,
      key,
      wait: Math.round(wait),
      error: reasonOf(error),
    });
    const timer = clock.after(wait, () => {
      this.#timers.delete(timer);
      this.add(key);
    });
    this.#timers.add(timer);
  }
}
