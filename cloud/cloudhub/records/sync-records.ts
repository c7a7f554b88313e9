// Which version of each object each node has acknowledged: ObjectSync and ClusterObjectSync, read from a cache, written through.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import { atOnce } from "../../../base/queue/at-once.ts";
import type { Clock } from "../../../base/time/clock.ts";
import { isNewerVersion, keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import {
  isJournal,
  neverAcknowledged,
  newObjectSync,
  type ObjectSync,
  parseSyncName,
  recordsOf,
  resetPatch,
  syncNameOf,
} from "../../../protocol/apis/reliablesyncs.ts";
import type { Caches } from "../../kube/caches.ts";
import { hasCode, isAlreadyExists } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { resources } from "../../kube/resource.ts";
import { UnreadWrites } from "../../kube/unread-writes.ts";
import type { SyncIndex } from "../../nodes/sync-index.ts";
import { Journal } from "./journal.ts";
import { isPermanent, MissingRecords } from "./missing-records.ts";
import { type Unwritten, WriteBehind } from "./write-behind.ts";

/** The part of an object that names its record. */
export interface Recorded {
  readonly uid: string;
  readonly namespace: string;
}

/** Identifies the record of an object. Objects without a uid have none. */
export function recordedOf(object: KubeObject): Recorded | undefined {
  const { uid = "", namespace = "" } = object.metadata;
  return uid === "" ? undefined : { uid, namespace };
}

/** Records that are created one by one at the same time; of those beyond, many stand in one page of the journal first. */
const ONE_BY_ONE = 16;
/** Records that stand in the journal alone; beyond, each is created before its object is sent. */
const IN_JOURNAL = 65_536;
/** A record is gone at once: nothing waits for its end. */
const noGrace = { gracePeriodSeconds: 0 } as const;

/** Injected dependencies. `oneByOne` is for tests. */
export interface SyncRecordsDeps {
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly oneByOne?: number;
}

/**
 * A record is there before the first version is sent, by itself or in the journal, and gets its version when the node has
 * acknowledged: whatever dies in between, the next cloudcore finds that the node may hold the object.
 */
export class SyncRecords {
  readonly #caches: Caches;
  readonly #index: SyncIndex;
  readonly #logger: Logger;
  readonly #oneByOne: number;
  readonly #namespaced: Informer;
  readonly #cluster: Informer;
  readonly #writes: UnreadWrites;
  readonly #behind: WriteBehind;
  readonly #journal: Journal;
  #creating = 0;
  /** What we have written, or shall, and the caches may not show yet. `undefined` means removed. */
  readonly #written = new Map<string, { readonly version: string } | undefined>();
  readonly #missing: MissingRecords;
  /** By record: settles when what is being written of it has been. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor({ caches, clock, index, logger, oneByOne = ONE_BY_ONE }: SyncRecordsDeps) {
    this.#caches = caches;
    this.#index = index;
    this.#logger = logger;
    this.#missing = new MissingRecords(logger);
    this.#oneByOne = oneByOne;
    this.#namespaced = caches.of(resources.objectsyncs);
    this.#cluster = caches.of(resources.clusterobjectsyncs);
    this.#writes = new UnreadWrites(caches.client);
    this.#behind = new WriteBehind(clock, (key, unwritten) => this.#writeBehind(key, unwritten));
    this.#journal = new Journal(caches.client, logger);
    for (const informer of [this.#namespaced, this.#cluster]) {
      informer.subscribe(({ type, object }) => {
        const key = keyOf(object);
        if (!this.#written.has(key)) return;
        const written = this.#written.get(key);
        if (type === "deleted" || written?.version === versionIn(object)) this.#written.delete(key);
      });
    }
    index.lookAhead((record) => this.#written.size === 0 ? undefined : this.#written.get(keyOf(record))?.version);
    // Its records are removed with a Node: what has not been created yet never is.
    caches.of(resources.nodes).subscribe(({ type, object }) => {
      if (type !== "deleted") return;
      for (const { record } of index.of(object.metadata.name)) this.#forgo(record);
    });
  }

  /**
   * Creates the records that former cloudcores' journals stand for. Before any object is sent: the next one may be the deletion
   * of one of these. Rejects where the API can't be reached.
   */
  async recover(): Promise<void> {
    for (const journal of this.#cluster.list().filter(isJournal)) {
      await atOnce(recordsOf(journal), ONE_BY_ONE, async (record) => {
        try {
          await this.#create(record);
          this.#index.foresee(record);
        } catch (error) {
          if (!isPermanent(error)) throw error;
          this.#missing.log(parseSyncName(record.metadata.name).node, record.metadata.name, error);
        }
      });
      await this.#journal.remove(journal.metadata.name);
    }
  }

  /** The version a node has acknowledged, `"0"` for none yet; undefined where there is no record. */
  acknowledged(node: string, { uid, namespace }: Recorded): string | undefined {
    const name = syncNameOf(node, uid);
    const key = keyIn(namespace, name);
    if (this.#written.has(key)) return this.#written.get(key)?.version;
    const record = this.#informer(namespace).get(namespace, name);
    return record === undefined ? undefined : versionIn(record);
  }

  /**
   * Makes sure there is a record, if only in the journal. Resolves all the same where there can never be one, as in a namespace that
   * is being deleted: the object is delivered without it. Rejects where the API can't be reached.
   */
  async ensure(node: string, object: KubeObject): Promise<void> {
    const recorded = recordedOf(object);
    if (recorded === undefined) return;
    const record = newObjectSync(node, object);
    await this.#inOrder(keyOf(record), async () => {
      if (this.acknowledged(node, recorded) !== undefined) return;
      if (this.#creating >= this.#oneByOne && await this.#enter(record)) return;
      this.#creating++;
      try {
        await this.#create(record);
      } catch (error) {
        if (!isPermanent(error)) throw error;
        this.#missing.log(node, record.metadata.name, error);
      } finally {
        this.#creating--;
      }
    });
  }

  /**
   * Before a node is sent the deletion of what it may get again: the record says from then on that the node may hold it, and
   * not which version, so that the next cloudcore sends it or deletes it again. Rejects where the API can't be reached.
   */
  async reset(node: string, object: KubeObject): Promise<void> {
    const recorded = recordedOf(object);
    if (recorded === undefined) return;
    const name = syncNameOf(node, recorded.uid);
    const { namespace } = recorded;
    const key = keyIn(namespace, name);
    await this.#inOrder(key, async () => {
      const before = this.acknowledged(node, recorded);
      if (before === undefined || before === neverAcknowledged) return;
      const waiting = this.#behind.take(key);
      waiting?.told?.(false);
      if (waiting?.page !== undefined) {
        // It has no version yet in the API, and needs none.
        const { page, record } = waiting;
        this.#behind.put(key, { record, page });
        this.#written.set(key, { version: neverAcknowledged });
        return;
      }
      const ref = { resource: this.#informer(namespace).resource, namespace, name };
      const noted = this.#written.get(key);
      let isThere = true;
      await this.#caches.client.patch(ref, "merge", resetPatch, "status").catch((error) => {
        if (!hasCode(error, 404)) throw error;
        isThere = false;
      });
      // What was acknowledged meanwhile, the node has stored since it restarted.
      if (this.#written.get(key) !== noted) return;
      // One that isn't there is still to be created, without a version then; or it is gone, as the cache will say.
      if (isThere || this.#behind.has(key)) this.#written.set(key, { version: neverAcknowledged });
      else this.#written.delete(key);
    });
  }

  /**
   * Writes the version a node has acknowledged; resolves with whether it could, and no later one was written in its place. A
   * failure is logged: the next resync finds the node behind and sends again.
   */
  acknowledge(node: string, object: KubeObject, version: string): Promise<boolean> {
    const recorded = recordedOf(object);
    if (recorded === undefined) return Promise.resolve(false);
    const record = newObjectSync(node, object);
    const key = keyOf(record);
    return new Promise((told) => {
      const waiting = this.#behind.get(key);
      if (waiting?.version !== undefined && isNewerVersion(waiting.version, version)) return told(false);
      // An older version than is recorded is recorded, too: a cloudcore whose caches are behind may have sent it, and the node has it
      // now. Where it comes late, over a connection that the node has left, the present version is sent once more, which does no harm.
      const known = this.#written.get(key);
      if (known === undefined || !isNewerVersion(known.version, version)) this.#written.set(key, { version });
      if (waiting === undefined) return this.#behind.put(key, { record, version, told });
      waiting.told?.(false);
      Object.assign(waiting, { version, told });
    });
  }

  /**
   * Removes a record when the node has acknowledged the object's deletion; resolves with whether it has been removed. A failure is
   * logged, and repeated likewise.
   */
  async remove(node: string, { uid, namespace }: Recorded): Promise<boolean> {
    let isRemoved = true;
    const name = syncNameOf(node, uid);
    const key = keyIn(namespace, name);
    const resource = this.#informer(namespace).resource;
    if (this.#forgo({ metadata: { name, namespace } })) return true;
    this.#behind.take(key)?.told?.(false);
    this.#written.set(key, undefined);
    await this.#inOrder(key, async () => {
      try {
        await this.#writes.delete({ resource, namespace, name }, noGrace);
      } catch (error) {
        const wasAbsent = hasCode(error, 404);
        const isOurs = this.#written.has(key) && this.#written.get(key) === undefined;
        const isForgotten = wasAbsent && this.#informer(namespace).get(namespace, name) === undefined;
        if (isOurs && (!wasAbsent || isForgotten)) this.#written.delete(key);
        if (!wasAbsent) this.#failed("remove", node, name, error);
        isRemoved = wasAbsent;
      }
    });
    return isRemoved;
  }

  /** Settles when everything that is to be written has been. */
  async settled(): Promise<void> {
    while (this.#turns.size + this.#behind.size > 0) {
      await Promise.all([...this.#turns.values(), this.#behind.idle()]);
    }
  }

  /** Begins no write any more: what has not been written stands in the journal, or is acknowledged once more. */
  stop(): void {
    this.#behind.stop();
  }

  async #create(record: KubeObject): Promise<void> {
    const { name, namespace = "" } = record.metadata;
    const informer = this.#informer(namespace);
    // A message waits for it.
    await unlessThere(this.#caches.client.create(informer.resource, record, { rank: "urgent" }));
    const key = keyOf(record);
    // The watch may have been quicker than the answer: then the cache shows it, and nothing would ever take back what is noted here.
    const isShown = !this.#written.has(key) && informer.get(namespace, name) !== undefined;
    if (!isShown) this.#written.set(key, { version: neverAcknowledged });
  }

  /** Puts a record into the journal; resolves with false where there is no room or no journal. */
  async #enter(record: ObjectSync): Promise<boolean> {
    if (this.#behind.size >= IN_JOURNAL) return false;
    const page = await this.#journal.add(record);
    if (page === undefined) return false;
    const key = keyOf(record);
    this.#written.set(key, { version: neverAcknowledged });
    this.#index.foresee(record);
    this.#behind.put(key, { record, page });
    return true;
  }

  /** A record that stands in the journal alone is not wanted any more; false where it has been created, or is being. */
  #forgo({ metadata }: KubeObject): boolean {
    const key = keyOf({ metadata });
    const waiting = this.#behind.get(key);
    if (waiting?.page === undefined) return false;
    this.#behind.take(key);
    waiting.told?.(false);
    this.#written.delete(key);
    this.#index.forgo(waiting.record);
    void this.#journal.settle(waiting.page);
    return true;
  }

  /** Writes what waits of one record; resolves with false where it must be tried again. */
  async #writeBehind(key: string, unwritten: Unwritten): Promise<boolean> {
    const { page, record } = unwritten;
    const { name, namespace = "" } = record.metadata;
    const { node } = parseSyncName(name);
    let isDone = true;
    await this.#inOrder(key, async () => {
      if (page !== undefined) {
        try {
          await unlessThere(this.#writes.create(this.#informer(namespace).resource, record));
        } catch (error) {
          isDone = isPermanent(error);
          if (!isDone) return;
          this.#missing.log(node, name, error);
          if (this.#written.get(key) !== undefined) this.#written.delete(key);
          this.#index.forgo(record);
          await this.#journal.settle(page);
          return unwritten.told?.(false);
        }
        await this.#journal.settle(page);
      }
      const { told, version } = unwritten;
      if (version === undefined) return;
      told?.(await this.#writeVersion(key, node, record, version));
    });
    return isDone;
  }

  async #writeVersion(key: string, node: string, record: ObjectSync, version: string): Promise<boolean> {
    const { name, namespace = "" } = record.metadata;
    const ref = { resource: this.#informer(namespace).resource, namespace, name };
    const patch = () => this.#writes.patchStatus(ref, { status: { objectResourceVersion: version } });
    try {
      await patch().catch(async (error) => {
        if (!hasCode(error, 404)) throw error;
        const before = this.#written.get(key);
        await this.#create(record);
        await patch();
        this.#written.set(key, before ?? { version });
      });
      return true;
    } catch (error) {
      // What we meant to write is not there: the cache is right again.
      if (this.#written.get(key)?.version === version) this.#written.delete(key);
      if (isPermanent(error)) this.#missing.log(node, name, error);
      else this.#failed("acknowledge", node, name, error);
      return false;
    }
  }

  /** The writes of one record go out one after another: a delete that overtook a create would leave a ghost. */
  async #inOrder(key: string, write: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(write);
    const settled = turn.catch(() => {});
    this.#turns.set(key, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }

  #informer(namespace: string): Informer {
    return namespace === "" ? this.#cluster : this.#namespaced;
  }

  #failed(what: string, node: string, record: string, error: unknown): void {
    this.#logger.warn(`could not ${what} a sync record; the next resync tries again`, {
      node,
      record,
      error: reasonOf(error),
    });
  }
}

/** A creation that is none where there is such an object already. */
async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

function versionIn(record: KubeObject): string {
  // A record whose status was never written counts as "nothing acknowledged yet".
  return textAt(record, "status", "objectResourceVersion") || neverAcknowledged;
}

/** As keyOf, for a record that need not be there. */
function keyIn(namespace: string, name: string): string {
  return keyOf({ metadata: { name, namespace } });
}
