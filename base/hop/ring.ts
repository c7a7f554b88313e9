// Keeps the last hops, so that a failure can show what touched an object before it.
import type { HopRecord } from "./hop.ts";

/** A ring of the last `capacity` records. Each has a sequence number that never repeats, so a reader can say "since". */
export class HopRing {
  readonly #records: HopRecord[] = [];
  readonly #capacity: number;
  readonly #listeners = new Set<(record: HopRecord) => void>();
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The number the next record will get. */
  get position(): number {
    return this.#next;
  }

  /** How many records have been overwritten: a reader of an earlier position has missed some. */
  get lost(): number {
    return Math.max(0, this.#next - this.#capacity);
  }

  readonly push = (record: HopRecord): void => {
    this.#records[this.#next % this.#capacity] = record;
    this.#next++;
    for (const listener of this.#listeners) listener(record);
  };

  /** The records from `position` on that are still there, oldest first. */
  *since(position: number): Generator<HopRecord> {
    for (let i = Math.max(position, this.lost); i < this.#next; i++) {
      yield this.#records[i % this.#capacity] as HopRecord;
    }
  }

  /** Calls back for each record to come; returns a function that stops this. */
  listen(listener: (record: HopRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
