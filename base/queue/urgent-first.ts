// Limits how many calls run at once; of those that wait, the urgent ones come first.

/** Callers bound how many wait; here they only wait. */
export class UrgentFirst {
  readonly #limit: number;
  #running = 0;
  readonly #urgent = new Waiting();
  readonly #others = new Waiting();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#urgent.size + this.#others.size;
  }

  async run<T>(isUrgent: boolean, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running++;
    else await new Promise<void>((resolve) => (isUrgent ? this.#urgent : this.#others).push(resolve));
    try {
      return await work();
    } finally {
      // The place goes to whoever is next.
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** First in, first out, in constant time however many there are. */
class Waiting {
  #items: (() => void)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: () => void): void {
    this.#items.push(item);
  }

  shift(): (() => void) | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
