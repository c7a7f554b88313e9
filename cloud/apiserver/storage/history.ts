// What happened lately, for watches that come back and lists of the past: bounded by memory and by age, all tables together.
import type { StoreEvent } from "./event.ts";
import type { Stored } from "./stored.ts";

/** Bounds of the history. */
export interface HistoryOptions {
  /** Bytes of memory that changes may hold, about. Default: 256 MiB. */
  readonly bytes?: number;
  /** Milliseconds after which changes are forgotten. Default: 5 minutes, as etcd compacts for kube-apiserver. */
  readonly age?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const DEFAULT_BYTES = 256 * 1024 * 1024;
const DEFAULT_AGE_MS = 5 * 60_000;
/** Places of forgotten changes in a list before they are cut off: one cut for many. */
const CUT = 1024;

/** A list that loses its oldest items in constant time. */
class Log<T> {
  #items: T[] = [];
  #head = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  get oldest(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    // Nothing refers to it from here on.
    this.#items[this.#head++] = undefined as T;
    if (this.#head >= CUT && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** The newest items for which `isWanted` holds, oldest first. */
  tail(isWanted: (item: T) => boolean): T[] {
    let from = this.#items.length;
    while (from > this.#head && isWanted(this.#items[from - 1] as T)) from--;
    return this.#items.slice(from);
  }
}

interface Entry {
  readonly table: string;
  readonly bytes: number;
  readonly at: number;
}

export class History {
  readonly #bound: number;
  readonly #age: number;
  readonly #now: () => number;
  /** All changes in their order, and each table's own. */
  readonly #order = new Log<Entry>();
  readonly #tables = new Map<string, { readonly log: Log<StoreEvent>; forgotten: number }>();
  #bytes = 0;
  #forgotten = 0;

  constructor({ age = DEFAULT_AGE_MS, bytes = DEFAULT_BYTES, now = () => 0 }: HistoryOptions = {}) {
    this.#bound = bytes;
    this.#age = age;
    this.#now = now;
  }

  /** Bytes that the changes hold, about. */
  get bytes(): number {
    return this.#bytes;
  }

  add(table: string, event: StoreEvent): void {
    const at = this.#now();
    // What stood there before is often held by an earlier change as well; that one goes first, so it counts here, too.
    const bytes = sizeOf(event.stored) + (event.storedBefore === undefined ? 0 : sizeOf(event.storedBefore));
    this.#order.push({ table, bytes, at });
    this.#of(table).log.push(event);
    this.#bytes += bytes;
    while (this.#bytes > this.#bound || (this.#order.oldest?.at ?? at) < at - this.#age) {
      // The newest change always stays, however large.
      if (this.#order.oldest === undefined || this.#tables.get(this.#order.oldest.table)?.log.oldest === event) break;
      this.#forgetOldest();
    }
  }

  /** The changes of a table after a revision, oldest first; undefined where some of them are forgotten. */
  since(table: string, revision: number): StoreEvent[] | undefined {
    const { forgotten, log } = this.#of(table);
    if (revision < Math.max(forgotten, this.#forgotten)) return undefined;
    return log.tail((event) => event.revision > revision);
  }

  /** Forgets all changes up to a revision. */
  forget(revision: number): void {
    while (this.#order.oldest !== undefined) this.#forgetOldest();
    this.#forgotten = revision;
  }

  #forgetOldest(): void {
    const entry = this.#order.shift();
    if (entry === undefined) return;
    this.#bytes -= entry.bytes;
    const own = this.#of(entry.table);
    own.forgotten = own.log.shift()?.revision ?? own.forgotten;
  }

  #of(table: string) {
    let own = this.#tables.get(table);
    if (own === undefined) {
      own = { log: new Log<StoreEvent>(), forgotten: 0 };
      this.#tables.set(table, own);
    }
    return own;
  }
}

/**
 * Bytes of memory that an object takes, about: its text and its values, measured with pods. Objects of long texts take less,
 * and so do versions of one object, which share what did not change.
 */
export function sizeOf(stored: Stored): number {
  return 100 + stored.body.length * 3;
}
