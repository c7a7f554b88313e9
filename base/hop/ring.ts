// Keeps the last hops, so that a failure can show what touched an object before it, and a client that connects later sees what was.
import type { HopRecord, Tap } from "./hop.ts";

/** Bytes that a record takes beside its texts: its fields and their ids. */
const RECORD_BYTES = 400;
/** Taken records are dropped from the array's beginning once there are so many, and as many as what is left. */
const COMPACT_AT = 1024;

/** Bytes that a record is counted as. */
export function bytesOf(record: HopRecord): number {
  return RECORD_BYTES + record.resource.length + record.outcome.length + record.text.length;
}

/** What a ring may be. */
export interface RingOptions {
  /** True: records come only while somebody listens. Default: from the start. */
  readonly isOnDemand?: boolean;
}

/**
 * The last records, as many as fit into `capacity` bytes; what falls out is counted. Each has a number that never repeats, so that a
 * reader can say "since".
 */
export class HopRing implements Tap {
  readonly #capacity: number;
  readonly #isOnDemand: boolean;
  readonly #listeners = new Set<(record: HopRecord) => void>();
  readonly #switched = new Set<(isOn: boolean) => void>();
  #records: HopRecord[] = [];
  /** Index of the oldest record in the array. */
  #first = 0;
  #bytes = 0;
  #lost = 0;
  /** Takes a record; undefined while the ring is on demand and nobody listens. */
  on: ((record: HopRecord) => void) | undefined;

  constructor(capacity: number, { isOnDemand = false }: RingOptions = {}) {
    this.#capacity = capacity;
    this.#isOnDemand = isOnDemand;
    if (!isOnDemand) this.on = this.push;
  }

  /** The number the next record will get. */
  get position(): number {
    return this.#lost + this.#records.length - this.#first;
  }

  /** How many records have fallen out: a reader of an earlier position has missed some. */
  get lost(): number {
    return this.#lost;
  }

  /** Bytes that the records are counted as. */
  get bytes(): number {
    return this.#bytes;
  }

  get capacity(): number {
    return this.#capacity;
  }

  readonly push = (record: HopRecord): void => {
    this.#records.push(record);
    this.#bytes += bytesOf(record);
    // The newest always stays, however large it is.
    while (this.#bytes > this.#capacity && this.#records.length - this.#first > 1) {
      this.#bytes -= bytesOf(this.#records[this.#first] as HopRecord);
      this.#first++;
      this.#lost++;
    }
    if (this.#first > COMPACT_AT && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
    for (const listener of this.#listeners) listener(record);
  };

  /** The records from `position` on that are still there, oldest first. */
  *since(position: number): Generator<HopRecord> {
    for (let number = Math.max(position, this.#lost); number < this.position; number++) {
      // What fell out while the caller was away is skipped.
      number = Math.max(number, this.#lost);
      yield this.#records[number - this.#lost + this.#first] as HopRecord;
    }
  }

  /** The position from which on there are the last `count` records that fit; of the oldest record where there are fewer. */
  positionOfLast(count: number, fits: (record: HopRecord) => boolean): number {
    let left = count;
    let index = this.#records.length;
    while (left > 0 && index > this.#first) if (fits(this.#records[--index] as HopRecord)) left--;
    return this.#lost + index - this.#first;
  }

  /** Calls back for each record to come; returns a function that stops this. */
  listen(listener: (record: HopRecord) => void): () => void {
    this.#listeners.add(listener);
    this.#switch(true);
    return () => {
      this.#listeners.delete(listener);
      if (this.#isOnDemand && this.#listeners.size === 0) this.#switch(false);
    };
  }

  /** Calls back now and whenever records begin or cease to be taken. */
  watch(switched: (isOn: boolean) => void): void {
    this.#switched.add(switched);
    switched(this.on !== undefined);
  }

  #switch(isOn: boolean): void {
    if (isOn === (this.on !== undefined)) return;
    this.on = isOn ? this.push : undefined;
    for (const switched of this.#switched) switched(isOn);
  }
}
