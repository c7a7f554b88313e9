// The objects, their versions and what happened to them: one revision for all, a bounded log per kind for watches.
import type { StoreEvent } from "./event.ts";
import { expired } from "../status.ts";
import { History, type HistoryOptions } from "./history.ts";
import { Stored } from "./stored.ts";
import { type Logger, reasonOf, silentLogger } from "../../../base/log/logger.ts";
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";

interface Table {
  readonly objects: Map<string, Stored>;
  /** The keys in their order, as etcd would list them. */
  readonly keys: string[];
  readonly watchers: Set<(event: StoreEvent) => void>;
}

/** One change, as it is kept. */
export interface Change {
  readonly type: StoreEvent["type"];
  readonly table: string;
  readonly key: string;
  readonly revision: number;
  readonly stored: Stored;
  readonly previous: Stored | undefined;
}

/** Where changes are kept beyond the life of the process. Called before a change is seen by anyone; what throws is not done. */
export interface Journal {
  write(change: Change): void;
}

/** A table is named `plural.group` (`pods`, `devices.devices.kubeedge.io`). Objects in it are never changed, only replaced. */
export class Store {
  readonly #tables = new Map<string, Table>();
  readonly #everywhere = new Set<(table: string, event: StoreEvent) => void>();
  /** A watcher that is further behind than it gets 410 and lists again, as from a compacted etcd. */
  readonly #history: History;
  readonly #logger: Logger;
  readonly #journal: Journal | undefined;
  #revision = 1;

  constructor(history: HistoryOptions = {}, logger: Logger = silentLogger, journal?: Journal) {
    this.#history = new History(history);
    this.#logger = logger;
    this.#journal = journal;
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
    return this.#tables.get(table)?.objects.get(key)?.object;
  }

  /** The same with its owners and text. */
  find(table: string, key: string): Stored | undefined {
    return this.#tables.get(table)?.objects.get(key);
  }

  /** How many objects a table holds. */
  count(table: string): number {
    return this.#tables.get(table)?.objects.size ?? 0;
  }

  tables(): string[] {
    return [...this.#tables.keys()];
  }

  /** The objects of a table in the order of their keys, as etcd would list them. */
  list(table: string, namespace?: string): KubeObject[] {
    return this.listStored(table, namespace).map(({ object }) => object);
  }

  listStored(table: string, namespace?: string): Stored[] {
    const { keys, objects } = this.#table(table);
    const [from, to] = rangeOf(keys, namespace);
    const found: Stored[] = new Array(to - from);
    for (let i = from; i < to; i++) found[i - from] = objects.get(keys[i] as string) as Stored;
    return found;
  }

  /** The objects as they were at a revision, by undoing what came after it. Throws 410 where that is too long ago. */
  listAt(table: string, revision: number, namespace?: string): Stored[] {
    if (revision >= this.#revision) return this.listStored(table, namespace);
    const later = this.since(table, revision);
    if (later === undefined) {
      throw expired(`The provided continue parameter is too old to display a consistent list result.`);
    }
    if (later.length === 0) return this.listStored(table, namespace);
    const then = new Map(this.#table(table).objects);
    for (const event of later.toReversed()) {
      if (event.storedBefore === undefined) then.delete(keyOf(event.object));
      else then.set(keyOf(event.object), event.storedBefore);
    }
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    return [...then.keys()].filter((key) => key.startsWith(prefix)).sort(byKey).map((key) => then.get(key) as Stored);
  }

  /** Every object of every table, for controllers that look for owners and dependents. */
  *all(): Generator<[table: string, object: KubeObject]> {
    for (const [name, table] of this.#tables) for (const { object } of table.objects.values()) yield [name, object];
  }

  /**
   * Stores a new object or a new version of one; returns it with its version. Without `managedFields` the owners of its
   * fields stay as they are.
   */
  put(table: string, object: KubeObject, managedFields?: string): KubeObject {
    return this.write(table, object, managedFields).object;
  }

  /** As `put`; returns all of it. `schema` is what a custom resource was read by. */
  write(table: string, object: KubeObject, managedFields?: string, schema?: unknown): Stored {
    const t = this.#table(table);
    const key = keyOf(object);
    const before = t.objects.get(key);
    const stored = new Stored(this.#stamped(object), managedFields ?? before?.managedFields);
    stored.schema = schema ?? before?.schema;
    const type = before === undefined ? "ADDED" : "MODIFIED";
    this.#journal?.write({ type, table, key, revision: this.#revision + 1, stored, previous: before });
    this.#revision++;
    t.objects.set(key, stored);
    if (before === undefined) t.keys.splice(placeOf(t.keys, key), 0, key);
    this.#tell(table, t, {
      type,
      revision: this.#revision,
      object: stored.object,
      previous: before?.object,
      stored,
      storedBefore: before,
    });
    return stored;
  }

  /** Puts back objects and changes that a journal has kept, before anything else is stored; nobody is told. */
  restore(objects: Iterable<readonly [table: string, stored: Stored]>, changes: Iterable<Omit<Change, "key">>): void {
    for (const [table, stored] of objects) {
      const t = this.#table(table);
      const key = keyOf(stored.object);
      t.objects.set(key, stored);
      t.keys.push(key);
      this.#revision = Math.max(this.#revision, Number(stored.object.metadata.resourceVersion));
    }
    for (const { keys } of this.#tables.values()) keys.sort(byKey);
    let first: number | undefined;
    for (const { previous, revision, stored, table, type } of changes) {
      if (first === undefined) this.#history.forget(revision - 1);
      first ??= revision;
      this.#revision = Math.max(this.#revision, revision);
      const event = {
        type,
        revision,
        object: stored.object,
        previous: previous?.object,
        stored,
        storedBefore: previous,
      };
      this.#history.add(table, event);
    }
    if (first === undefined) this.compact();
  }

  /** Removes an object; `last` is its final form. Returns it with the version of the deletion. */
  remove(table: string, last: KubeObject): KubeObject {
    const t = this.#table(table);
    const key = keyOf(last);
    const before = t.objects.get(key);
    const stored = new Stored(this.#stamped(last), before?.managedFields);
    this.#journal?.write({ type: "DELETED", table, key, revision: this.#revision + 1, stored, previous: before });
    this.#revision++;
    t.objects.delete(key);
    const at = placeOf(t.keys, key);
    if (t.keys[at] === key) t.keys.splice(at, 1);
    this.#tell(table, t, {
      type: "DELETED",
      revision: this.#revision,
      object: stored.object,
      previous: before?.object,
      stored,
      storedBefore: before,
    });
    return stored.object;
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

  #stamped(object: KubeObject): KubeObject {
    const { managedFields: _m, ...metadata } = object.metadata;
    return {
      ...object,
      metadata: { ...metadata, resourceVersion: String(this.#revision + 1) } as KubeObject["metadata"],
    };
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
      table = { objects: new Map(), keys: [], watchers: new Set() };
      this.#tables.set(name, table);
    }
    return table;
  }
}

/** Where a key stands among sorted ones, or would. */
function placeOf(keys: readonly string[], key: string): number {
  let from = 0;
  let to = keys.length;
  // Most new keys come last.
  if (to === 0 || (keys[to - 1] as string) < key) return to;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((keys[middle] as string) < key) from = middle + 1;
    else to = middle;
  }
  return from;
}

function rangeOf(keys: readonly string[], namespace: string | undefined): [from: number, to: number] {
  if (namespace === undefined) return [0, keys.length];
  // "0" is the letter after "/".
  return [placeOf(keys, `${namespace}/`), placeOf(keys, `${namespace}0`)];
}

function byKey(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
