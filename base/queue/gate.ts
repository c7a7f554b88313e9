// Limits how many calls run at once and how many more wait: the workers and the channel of one kind of work.

/** Runs at most `workers` calls at a time; `room` limits the number of waiting calls. */
export class Gate {
  readonly #workers: number;
  readonly #capacity: number;
  #inside = 0;
  #accepted = 0;
  #entering: (() => void)[] = [];
  #waitingForRoom: (() => void)[] = [];

  constructor(workers: number, buffer: number) {
    this.#workers = workers;
    this.#capacity = workers + buffer;
  }

  /** Running and waiting calls: the gauge. */
  get size(): number {
    return this.#accepted;
  }

  /** Reserves a place; settles when there is one. The wait is the back-pressure on the caller. */
  async room(): Promise<void> {
    while (this.#accepted >= this.#capacity) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve));
    this.#accepted++;
  }

  /** Runs work that has a reserved place (see `room`) as soon as a worker is free. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#inside >= this.#workers) await new Promise<void>((resolve) => this.#entering.push(resolve));
    else this.#inside++;
    try {
      await work();
    } finally {
      // The place goes to the caller that has waited longest.
      const next = this.#entering.shift();
      if (next === undefined) this.#inside--;
      else next();
      this.#accepted--;
      this.#waitingForRoom.shift()?.();
    }
  }
}
