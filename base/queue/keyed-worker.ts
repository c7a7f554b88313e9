// Work in order per key, side by side across keys, with a bound on the whole.

/**
 * Runs jobs of the same key one after another and jobs of different keys at the same time.
 * At most `limit` jobs are accepted at once; `submit` waits for room, which is the back-pressure towards the caller.
 */
export class KeyedWorker {
  readonly #limit: number;
  readonly #tails = new Map<string, Promise<void>>();
  #active = 0;
  #waiting: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Jobs accepted and not finished. */
  get size(): number {
    return this.#active;
  }

  /** Settles when the job has been accepted (not when it has run). A job must not throw: its errors are its own. */
  async submit(key: string, job: () => Promise<void>): Promise<void> {
    while (this.#active >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#active++;
    const tail = (this.#tails.get(key) ?? Promise.resolve()).then(job).finally(() => {
      this.#active--;
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
      this.#waiting.shift()?.();
      if (this.#active === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
    });
    this.#tails.set(key, tail);
  }

  /** Settles when nothing runs any more. */
  idle(): Promise<void> {
    return this.#active === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }
}
