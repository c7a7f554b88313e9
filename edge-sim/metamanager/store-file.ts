// The stores of a fleet's edges in one SQLite file, so that a process that is killed finds them again.
import { SkepError } from "../../base/error/skep-error.ts";
import { parseJson } from "../../protocol/json.ts";
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

/** A file that can't be used: it can't be opened, or holds something else. */
export class StoreFileError extends SkepError {
  readonly code = "SKEP_STORE_FILE";
}

/** Milliseconds that one process of a fleet waits for another's write. */
const BUSY_MS = 5000;

/** What an edge's store needs of it. */
export interface StoreRows {
  load(node: string): Iterable<readonly [path: string, object: KubeObject]>;
  put(node: string, path: string, object: KubeObject): void;
  delete(node: string, path: string): void;
  clear(node: string): void;
}

/** As edgecore's table `meta` (key, value), with the node before the key. Several processes may have the file open. */
export class StoreFile implements StoreRows {
  readonly #database: DatabaseSync;
  readonly #failed: (error: Error) => void;
  #hasFailed = false;
  readonly #put;
  readonly #delete;
  readonly #load;
  readonly #clear;

  private constructor(database: DatabaseSync, failed: (error: Error) => void) {
    this.#database = database;
    this.#failed = failed;
    this.#put = database.prepare(
      "INSERT INTO meta (node, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#delete = database.prepare("DELETE FROM meta WHERE node = ? AND key = ?");
    this.#load = database.prepare("SELECT key, value FROM meta WHERE node = ?");
    this.#clear = database.prepare("DELETE FROM meta WHERE node = ?");
  }

  /**
   * Opens it, or makes it, for its owner alone. Rejects with StoreFileError. Where it can't be written later (a full disk) the
   * edges go on in memory, and `failed` is called once.
   */
  static async open(file: string, failed: (error: Error) => void = () => {}): Promise<StoreFile> {
    try {
      const { DatabaseSync } = await import("node:sqlite");
      // There may be secrets inside.
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const database = new DatabaseSync(file);
      chmodSync(file, 0o600);
      // A process that dies loses nothing; only a machine that loses its power may lose the last moments.
      for (
        const statement of [
          `PRAGMA busy_timeout = ${BUSY_MS}`,
          "PRAGMA journal_mode = WAL",
          "PRAGMA synchronous = NORMAL",
          "CREATE TABLE IF NOT EXISTS meta (node TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (node, key)) WITHOUT ROWID",
        ]
      ) database.exec(statement);
      return new StoreFile(database, failed);
    } catch (error) {
      throw new StoreFileError(`edges can't keep their stores in ${file}: ${(error as Error).message}`);
    }
  }

  *load(node: string): Generator<readonly [path: string, object: KubeObject]> {
    for (const { key, value } of this.#load.all(node)) yield [String(key), parseJson(String(value)) as KubeObject];
  }

  put(node: string, path: string, object: KubeObject): void {
    this.#write(() => this.#put.run(node, path, JSON.stringify(object)));
  }

  delete(node: string, path: string): void {
    this.#write(() => this.#delete.run(node, path));
  }

  clear(node: string): void {
    this.#write(() => this.#clear.run(node));
  }

  #write(run: () => unknown): void {
    try {
      run();
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#failed(new StoreFileError(`what edges store is not in the file any more: ${(error as Error).message}`));
    }
  }

  close(): void {
    this.#database.close();
  }
}
