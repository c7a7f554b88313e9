// The journal: one object of the API stands for many sync records, until each has been created.
import { randomUUID } from "node:crypto";
import { journalLine, newJournal, type ObjectSync } from "../../../protocol/apis/reliablesyncs.ts";

/** Records that one object stands for at most, and their bytes: annotations end at 256 KiB. */
const RECORDS_OF_PAGE = 500;
const BYTES_OF_PAGE = 128 * 1024;

/** One object of the journal. */
export interface Page {
  readonly name: string;
  /** Records that it stands for and that are not settled. */
  left: number;
}

/** How pages are written and removed; both reject where the API refuses or can't be reached. */
export interface Pages {
  write(journal: ReturnType<typeof newJournal>): Promise<void>;
  remove(name: string): Promise<void>;
}

interface Waiting {
  readonly record: ObjectSync;
  readonly written: (page: Page) => void;
  readonly failed: (error: unknown) => void;
}

/** While one page is being written, what comes is gathered for the next: the slower the API, the more records a page has. */
export class Journal {
  readonly #pages: Pages;
  readonly #id = randomUUID().slice(0, 8);
  #number = 0;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  /** Resolves when the record stands in a page of the API. Rejects as the write of that page does. */
  add(record: ObjectSync): Promise<Page> {
    return new Promise((written, failed) => {
      this.#waiting.push({ record, written, failed });
      if (this.#isWriting) return;
      this.#isWriting = true;
      // What else comes in this turn of the event loop belongs to the same page.
      setImmediate(() => void this.#write());
    });
  }

  /** One of the page's records has been created, or is not wanted any more. A page without any is removed. */
  async settle(page: Page): Promise<void> {
    if (--page.left === 0) await this.#pages.remove(page.name);
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      const page = { name: `skep-journal-${this.#id}.${++this.#number}`, left: batch.length };
      try {
        await this.#pages.write(newJournal(page.name, batch.map(({ record }) => record)));
      } catch (error) {
        for (const { failed } of batch) failed(error);
        continue;
      }
      for (const { written } of batch) written(page);
    }
    this.#isWriting = false;
  }

  #nextBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#waiting) {
      bytes += Buffer.byteLength(journalLine(record)) + 1;
      if (count > 0 && (count === RECORDS_OF_PAGE || bytes > BYTES_OF_PAGE)) break;
      count++;
    }
    const batch = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return batch;
  }
}
