// Objects, their versions and the newest changes in one SQLite file: a server that is killed goes on where it was.
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { SkepError } from "../../../base/error/skep-error.ts";
import { parseJson } from "../../../protocol/json.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { ManagedFieldsEntry } from "../apply/managers.ts";
import type { Change, Journal } from "./store.ts";
import { Stored } from "./stored.ts";

/** A folder that can't be used: it can't be written, another server has it, or it holds something else. */
export class DataFolderError extends SkepError {
  readonly code = "SKEP_DATA_FOLDER";
}

const FILE = "objects.sqlite";
/** How many of the newest changes are kept, for watches that come back after a restart. */
const CHANGES = 20_000;
/** Writes between two looks for changes to forget. */
const CUT_EVERY = 1000;

/** What a server is known by, which its clients rely on: kept beside the objects. */
export interface Identity {
  /** DER in base64. */
  readonly caCert: string;
  /** SEC1 DER in base64. */
  readonly caKey: string;
  readonly token: string;
  readonly tokenKey: JsonWebKey;
}

/** One server at a time may have it open. */
export class Database implements Journal {
  readonly #database: DatabaseSync;
  readonly #put;
  readonly #remove;
  readonly #change;
  #writes = 0;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare(
      "INSERT INTO objects (kind, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#remove = database.prepare("DELETE FROM objects WHERE kind = ? AND key = ?");
    this.#change = database.prepare(
      "INSERT INTO changes (revision, type, kind, value, previous) VALUES (?, ?, ?, ?, ?)",
    );
  }

  /** Opens the file in a folder, or makes both, for their owner alone. Rejects with DataFolderError. */
  static async open(folder: string): Promise<Database> {
    try {
      const { DatabaseSync } = await import("node:sqlite");
      // There are secrets inside.
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const file = join(folder, FILE);
      const database = new DatabaseSync(file);
      chmodSync(file, 0o600);
      // A process that dies loses nothing; only a machine that loses its power may lose the last moments.
      for (
        const statement of [
          "PRAGMA locking_mode = EXCLUSIVE",
          "PRAGMA journal_mode = WAL",
          "PRAGMA synchronous = NORMAL",
          "CREATE TABLE IF NOT EXISTS objects (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
          "CREATE TABLE IF NOT EXISTS changes (revision INTEGER PRIMARY KEY, type TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, previous TEXT)",
          "CREATE TABLE IF NOT EXISTS server (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        ]
      ) database.exec(statement);
      return new Database(database);
    } catch (error) {
      const { message } = error as Error;
      const why = /locked/.test(message) ? "another API server uses it" : message;
      throw new DataFolderError(`the API can't keep its objects in ${folder}: ${why}`);
    }
  }

  write(change: Change): void {
    const { key, previous, revision, stored, table, type } = change;
    this.#database.exec("BEGIN");
    try {
      if (type === "DELETED") this.#remove.run(table, key);
      else this.#put.run(table, key, stored.text);
      this.#change.run(revision, type, table, stored.text, previous?.text ?? null);
      if (++this.#writes % CUT_EVERY === 0) {
        this.#database.prepare("DELETE FROM changes WHERE revision <= ?").run(revision - CHANGES);
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** All objects, in no order. */
  *objects(): Generator<readonly [table: string, stored: Stored]> {
    for (const { kind, value } of this.#database.prepare("SELECT kind, value FROM objects").iterate()) {
      yield [String(kind), storedFrom(String(value))];
    }
  }

  /** The newest changes, oldest first. */
  *changes(): Generator<Omit<Change, "key">> {
    const rows = this.#database.prepare("SELECT revision, type, kind, value, previous FROM changes ORDER BY revision")
      .iterate();
    for (const { kind, previous, revision, type, value } of rows) {
      yield {
        table: String(kind),
        type: type as Change["type"],
        revision: Number(revision),
        stored: storedFrom(String(value)),
        previous: previous === null ? undefined : storedFrom(String(previous)),
      };
    }
  }

  /** Undefined in a new file. */
  identity(): Identity | undefined {
    const row = this.#database.prepare("SELECT value FROM server WHERE name = 'identity'").get();
    return row === undefined ? undefined : JSON.parse(String(row.value)) as Identity;
  }

  keepIdentity(identity: Identity): void {
    this.#database.prepare("INSERT INTO server (name, value) VALUES ('identity', ?)").run(JSON.stringify(identity));
  }

  close(): void {
    this.#database.close();
  }
}

function storedFrom(text: string): Stored {
  const { metadata: { managedFields, ...metadata }, ...rest } = parseJson(text) as KubeObject & {
    readonly metadata: { readonly managedFields?: readonly ManagedFieldsEntry[] };
  };
  return new Stored(
    { ...rest, metadata } as KubeObject,
    managedFields === undefined ? undefined : JSON.stringify(managedFields),
  );
}
