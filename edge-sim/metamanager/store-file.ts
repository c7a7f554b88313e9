// The stores of a fleet's edges in one SQLite file, so that a process that is killed finds them again.
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

/** A file that can't be used: it can't be opened, or holds something else. */
export class StoreFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "StoreFileError";
  }
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
  readonly #put;
  readonly #delete;
  readonly #load;
  readonly #clear;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare(
      "INSERT INTO meta (node, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#delete = database.prepare("DELETE FROM meta WHERE node = ? AND key = ?");
    this.#load = database.prepare("SELECT key, value FROM meta WHERE node = ?");
    this.#clear = database.prepare("DELETE FROM meta WHERE node = ?");
  }

  /** Opens it, or makes it, for its owner alone. Rejects with StoreFileError. */
  static async open(file: string): Promise<StoreFile> {
    try {
      const { DatabaseSync } = await import("node:sqlite");
      mkdirSync(dirname(file), { recursive: true });
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
      return new StoreFile(database);
    } catch (error) {
      throw new StoreFileError(`edges can't keep their stores in ${file}: ${(error as Error).message}`);
    }
  }

  *load(node: string): Generator<readonly [path: string, object: KubeObject]> {
    for (const { key, value } of this.#load.all(node)) yield [String(key), JSON.parse(String(value)) as KubeObject];
  }

  put(node: string, path: string, object: KubeObject): void {
    this.#put.run(node, path, JSON.stringify(object));
  }

  delete(node: string, path: string): void {
    this.#delete.run(node, path);
  }

  clear(node: string): void {
    this.#clear.run(node);
  }

  close(): void {
    this.#database.close();
  }
}
