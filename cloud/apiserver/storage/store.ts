// The objects, their versions and what happened to them: one revision for all, a bounded log per kind for watches.
import type { StoreEvent } from "./event.ts";
import { expired } from "../status.ts";
import { History, type HistoryOptions } from "./history.ts";
import { type Logger, reasonOf, silentLogger } from "../../../base/log/logger.ts";
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";

interface Table {
  readonly objects: Map<string, KubeObject>;
  readonly watchers: Set<(event: StoreEvent) => void>;
}

/** A table is named `plural.group` (`pods`, `devices.devices.kubeedge.io`). Objects in it are never changed, only replaced. */
export class Store {
  readonly #tables = new Map<string, Table>();
  readonly #everywhere = new Set<(table: string, event: StoreEvent) => void>();
  /** A watcher that is further behind than it gets 410 and lists again, as from a compacted etcd. */
  readonly #history: History;
  readonly #logger: Logger;
  #revision = 1;

  constructor(history: HistoryOptions = {}, logger: Logger = silentLogger) {
    this.#history = new History(history);
    this.#logger = logger;
  }

  /** Bytes of memory that past changes hold, about. */
  get historyBytes(): number {
    return this.#history.bytes;
  }

  /** The version of the newest change. */
  get revision(): number {
    return this.#revision;
  }

  get(table: string, key: string): KubeObject | undefined {
    return this.#tables.get(table)?.objects.get(key);
  }

  /** The objects of a table in the order of their keys, as etcd would list them. */
  list(table: string, namespace?: string): KubeObject[] {
    return sorted(this.#table(table).objects, namespace);
  }

  /** The objects as they were at a revision, by undoing what came after it. Throws 410 where that is too long ago. */
  listAt(table: string, revision: number, namespace?: string): KubeObject[] {
    if (revision >= this.#revision) return this.list(table, namespace);
    const later = this.since(table, revision);
    if (later === undefined) {
      throw expired(`The provided continue parameter is too old to display a consistent list result.`);
    }
    const then = new Map(this.#table(table).objects);
    for (const event of later.toReversed()) {
      if (event.previous === undefined) then.delete(keyOf(event.object));
      else then.set(keyOf(event.object), event.previous);
    }
    return sorted(then, namespace);
  }

  /** Every object of every table, for controllers that look for owners and dependents. */
  *all(): Generator<[table: string, object: KubeObject]> {
    for (const [name, table] of this.#tables) for (const object of table.objects.values()) yield [name, object];
  }

  /** Stores a new object or a new version of one; returns it with its version. */
  put(table: string, object: KubeObject): KubeObject {
    const t = this.#table(table);
    const stored = this.#stamp(object);
    const key = keyOf(stored);
    const previous = t.objects.get(key);
    t.objects.set(key, stored);
    this.#tell(table, t, {
      type: previous === undefined ? "ADDED" : "MODIFIED",
      revision: this.#revision,
      object: stored,
      previous,
    });
    return stored;
  }

  /** Removes an object; `last` is its final form. Returns it with the version of the deletion. */
  remove(table: string, last: KubeObject): KubeObject {
    const t = this.#table(table);
    const key = keyOf(last);
    const previous = t.objects.get(key);
    const stored = this.#stamp(last);
    t.objects.delete(key);
    this.#tell(table, t, { type: "DELETED", revision: this.#revision, object: stored, previous });
    return stored;
  }

  /** The changes after `revision`, oldest first; undefined where the log no longer reaches back so far. */
  since(table: string, revision: number): StoreEvent[] | undefined {
    return this.#history.since(table, revision);
  }

  /** Calls back for every change to come, in order; returns a function that stops this. */
  watch(table: string, listener: (event: StoreEvent) => void): () => void {
    const { watchers } = this.#table(table);
    watchers.add(listener);
    return () => watchers.delete(listener);
  }

  /** Calls back for every change in every table; returns a function that stops this. */
  watchAll(listener: (table: string, event: StoreEvent) => void): () => void {
    this.#everywhere.add(listener);
    return () => this.#everywhere.delete(listener);
  }

  /** Forgets the log, so that watchers from the past get 410 (for tests of clients). */
  compact(): void {
    this.#history.forget(this.#revision);
  }

  #stamp(object: KubeObject): KubeObject {
    this.#revision++;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
  }

  #tell(name: string, table: Table, event: StoreEvent): void {
    this.#history.add(name, event);
    for (const watcher of table.watchers) this.#call(name, event, () => watcher(event));
    for (const watcher of this.#everywhere) this.#call(name, event, () => watcher(name, event));
  }

  /** The object is stored: a listener that throws must not fail the write or keep the event from the other listeners. */
  #call(table: string, { object, type }: StoreEvent, run: () => void): void {
    try {
      run();
    } catch (error) {
      const facts = { table, type, object: keyOf(object), error: reasonOf(error) };
      this.#logger.error("a listener of stored objects failed to handle a change", facts);
    }
  }

  #table(name: string): Table {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = { objects: new Map(), watchers: new Set() };
      this.#tables.set(name, table);
    }
    return table;
  }
}

function sorted(objects: ReadonlyMap<string, KubeObject>, namespace: string | undefined): KubeObject[] {
  const prefix = namespace === undefined ? "" : `${namespace}/`;
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(byKey);
  return keys.map((key) => objects.get(key) as KubeObject);
}

function byKey(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
