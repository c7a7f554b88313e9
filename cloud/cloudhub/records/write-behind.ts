// What is still to be written of sync records: the oldest first, few at a time, and of each record only the latest.
import type { Clock, Timer } from "../../../base/time/clock.ts";
import type { ObjectSync } from "../../../protocol/apis/reliablesyncs.ts";
import type { Page } from "./journal.ts";

/** Records that are written at the same time. */
const AT_ONCE = 16;
/** Milliseconds until the next try where the API can't be reached. */
const WAIT_MS = 1000;

/** What is to be written of one record. */
export interface Unwritten {
  readonly record: ObjectSync;
  /** The page of the journal that stands for it; undefined where it has been created. */
  readonly page?: Page;
  /** The version to write; undefined where the node has acknowledged none. */
  version?: string;
  /** Told once: whether this version, and no later one in its place, has been written. */
  told?: (isWritten: boolean) => void;
}

/** `write` resolves with whether it is done; what is not is tried again after a while. */
export class WriteBehind {
  readonly #clock: Clock;
  readonly #write: (key: string, unwritten: Unwritten) => Promise<boolean>;
  readonly #waiting = new Map<string, Unwritten>();
  /** By records that are being written: what of them, and what came meanwhile, which waits from then on. */
  readonly #writing = new Map<string, { readonly present: Unwritten; newer: Unwritten | undefined }>();
  /** Kept: a Map that is emptied from its front is slow to begin anew. */
  #keys: MapIterator<string> | undefined;
  #pause: Timer | undefined;
  #isStopped = false;
  #idle: (() => void)[] = [];

  constructor(clock: Clock, write: (key: string, unwritten: Unwritten) => Promise<boolean>) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Records that wait or are being written. */
  get size(): number {
    return this.#waiting.size + this.#writing.size;
  }

  /** What waits of a record; what is being written does not wait. */
  get(key: string): Unwritten | undefined {
    return this.#waiting.get(key) ?? this.#writing.get(key)?.newer;
  }

  /** Whether anything of a record waits, or is being written. */
  has(key: string): boolean {
    return this.#waiting.has(key) || this.#writing.has(key);
  }

  put(key: string, unwritten: Unwritten): void {
    const writing = this.#writing.get(key);
    if (writing === undefined) this.#waiting.set(key, unwritten);
    else writing.newer = unwritten;
    this.#run();
  }

  /** Takes out what waits of a record. Of one that is being written the version is not written any more, unless it is under way. */
  take(key: string): Unwritten | undefined {
    const found = this.get(key);
    this.#waiting.delete(key);
    const writing = this.#writing.get(key);
    if (writing !== undefined) {
      const { present } = writing;
      present.told?.(false);
      delete present.told;
      delete present.version;
      writing.newer = undefined;
    }
    return found;
  }

  /** Settles when nothing waits and nothing is being written. */
  idle(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#pause?.cancel();
  }

  #run(): void {
    while (!this.#isStopped && this.#pause === undefined && this.#writing.size < AT_ONCE) {
      const key = this.#nextKey();
      const present = key === undefined ? undefined : this.#waiting.get(key);
      if (key === undefined || present === undefined) break;
      this.#waiting.delete(key);
      this.#writing.set(key, { present, newer: undefined });
      void this.#one(key, present);
    }
    if (this.size === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
  }

  #nextKey(): string | undefined {
    if (this.#waiting.size === 0) return undefined;
    this.#keys ??= this.#waiting.keys();
    const next = this.#keys.next();
    if (!next.done) return next.value;
    this.#keys = undefined;
    return this.#nextKey();
  }

  async #one(key: string, unwritten: Unwritten): Promise<void> {
    const isDone = await this.#write(key, unwritten);
    const newer = this.#writing.get(key)?.newer;
    this.#writing.delete(key);
    if (isDone) {
      if (newer !== undefined) this.#waiting.set(key, newer);
    } else if (!this.#isStopped) {
      if (newer !== undefined) unwritten.told?.(false);
      // A version that came meanwhile is newer; that the record is not there yet remains.
      this.#waiting.set(key, { ...unwritten, ...newer });
      this.#pause ??= this.#clock.after(WAIT_MS, () => {
        this.#pause = undefined;
        this.#run();
      });
    }
    this.#run();
  }
}
