// The journal: one object of the API stands for many sync records, until each has been created.
import { randomUUID } from "node:crypto";
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import { journalLine, newJournal, type ObjectSync } from "../../../protocol/apis/reliablesyncs.ts";
import { hasCode, type KubeClient } from "../../kube/client.ts";
import { pathOf, resources } from "../../kube/resource.ts";
import { UnreadWrites } from "../../kube/unread-writes.ts";
import { isPermanent } from "./missing-records.ts";

/** Records that one object stands for at most, and their bytes: annotations end at 256 KiB. */
const RECORDS_OF_PAGE = 500;
const BYTES_OF_PAGE = 128 * 1024;

/** One object of the journal. */
export interface Page {
  readonly name: string;
  /** Records that it stands for and that are not settled. */
  left: number;
}

interface Waiting {
  readonly record: ObjectSync;
  readonly written: (page: Page) => void;
  readonly failed: (error: unknown) => void;
}

/** While one page is being written, what comes is gathered for the next: the slower the API, the more records a page has. */
export class Journal {
  readonly #client: KubeClient;
  readonly #writes: UnreadWrites;
  readonly #logger: Logger;
  readonly #id = randomUUID().slice(0, 8);
  #number = 0;
  #waiting: Waiting[] = [];
  #isWriting = false;
  /** Set once the API has refused a page for good. */
  #isRefused = false;

  constructor(client: KubeClient, logger: Logger) {
    this.#client = client;
    this.#writes = new UnreadWrites(client);
    this.#logger = logger;
  }

  /** Resolves when the record stands in a page, or with undefined where the API takes none. Rejects where it can't be reached. */
  async add(record: ObjectSync): Promise<Page | undefined> {
    if (this.#isRefused) return undefined;
    try {
      return await this.#added(record);
    } catch (error) {
      if (!isPermanent(error)) throw error;
      if (!this.#isRefused) {
        this.#logger.warn("the API refuses the journal of sync records: each is created by itself", {
          error: reasonOf(error),
        });
      }
      this.#isRefused = true;
      return undefined;
    }
  }

  /** One of the page's records has been created, or is not wanted any more. A page without any is removed. */
  async settle(page: Page): Promise<void> {
    if (--page.left === 0) await this.remove(page.name);
  }

  /** Removes a page, of this cloudcore or of a former one; a failure is logged. */
  async remove(name: string): Promise<void> {
    try {
      const ref = { resource: resources.clusterobjectsyncs, name };
      await this.#writes.delete(ref, { gracePeriodSeconds: 0 });
    } catch (error) {
      if (hasCode(error, 404)) return;
      this.#logger.warn("a page of the journal of sync records could not be removed; the next start does it", {
        page: name,
        error: reasonOf(error),
      });
    }
  }

  #added(record: ObjectSync): Promise<Page> {
    return new Promise((written, failed) => {
      this.#waiting.push({ record, written, failed });
      if (this.#isWriting) return;
      this.#isWriting = true;
      // What else comes in this turn of the event loop belongs to the same page.
      setImmediate(() => void this.#write());
    });
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      const page = { name: `skep-journal-${this.#id}.${++this.#number}`, left: batch.length };
      try {
        const journal = newJournal(page.name, batch.map(({ record }) => record));
        // Messages wait for it: it goes before all else.
        const manner = { rank: "urgent", isUnread: true } as const;
        await this.#client.call("POST", pathOf(resources.clusterobjectsyncs), journal, manner);
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
