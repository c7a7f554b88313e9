// Limits how many calls run at once; those that wait come by their rank, and within it in their order.

/** What goes before what. What is `"last"` gets every eighth place, so that it never waits for good. */
export type Rank = "urgent" | "usual" | "last";

const PLACES_PER_LAST = 8;

/** Callers bound how many wait; here they only wait. */
export class ByRank {
  readonly #limit: number;
  #running = 0;
  /** Places given since one of the last had one. */
  #given = 0;
  readonly #waiting: Readonly<Record<Rank, Waiting>> = {
    urgent: new Waiting(),
    usual: new Waiting(),
    last: new Waiting(),
  };

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls that wait. */
  get waiting(): number {
    const { last, urgent, usual } = this.#waiting;
    return urgent.size + usual.size + last.size;
  }

  async run<T>(rank: Rank, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting[rank].push(resolve));
    try {
      return await work();
    } finally {
      // The place goes to the next that waits.
      const next = this.#next();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #next(): (() => void) | undefined {
    const { last, urgent, usual } = this.#waiting;
    if (last.size === 0) this.#given = 0;
    else if (++this.#given >= PLACES_PER_LAST) {
      this.#given = 0;
      return last.shift();
    }
    return urgent.shift() ?? usual.shift() ?? last.shift();
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
