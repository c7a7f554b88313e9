// Which version of each object each node has acknowledged: ObjectSync and ClusterObjectSync, read from a cache, written through.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import { at, isNewerVersion, keyOf, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import { neverAcknowledged, newObjectSync, resetPatch, syncNameOf } from "../../../protocol/apis/reliablesyncs.ts";
import type { Caches } from "../../kube/caches.ts";
import { hasCode, KubeApiError } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { resources } from "../../kube/resource.ts";

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

/**
 * A record is created before the first version is sent, and gets its version when the node has acknowledged: whatever
 * dies in between, the next cloudcore finds that the node may hold the object.
 */
export class SyncRecords {
  readonly #caches: Caches;
  readonly #logger: Logger;
  readonly #namespaced: Informer;
  readonly #cluster: Informer;
  /** What we have written and the caches may not show yet. `undefined` means removed. */
  readonly #written = new Map<string, { readonly version: string } | undefined>();
  /** Statuses with which the API has refused records for good. */
  readonly #refused = new Set<number>();
  /** By record: settles when what is being written of it has been. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(caches: Caches, logger: Logger) {
    this.#caches = caches;
    this.#logger = logger;
    this.#namespaced = caches.of(resources.objectsyncs);
    this.#cluster = caches.of(resources.clusterobjectsyncs);
    for (const informer of [this.#namespaced, this.#cluster]) {
      informer.subscribe(({ type, object }) => {
        const key = keyOf(object);
        if (!this.#written.has(key)) return;
        const written = this.#written.get(key);
        if (type === "deleted" || written?.version === versionIn(object)) this.#written.delete(key);
      });
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
   * Makes sure there is a record. Resolves all the same where there can never be one, as in a namespace that is being deleted: the
   * object is delivered without it. Rejects where the API can't be reached.
   */
  async ensure(node: string, object: KubeObject): Promise<void> {
    const recorded = recordedOf(object);
    if (recorded === undefined) return;
    const record = newObjectSync(node, object);
    await this.#inOrder(keyOf(record), async () => {
      if (this.acknowledged(node, recorded) !== undefined) return;
      try {
        await this.#create(record, recorded);
      } catch (error) {
        if (!isPermanent(error)) throw error;
        this.#logMissingRecord(node, record.metadata.name, error);
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
      const ref = { resource: this.#informer(namespace).resource, namespace, name };
      try {
        await this.#caches.client.patch(ref, "merge", resetPatch, "status");
        this.#written.set(key, { version: neverAcknowledged });
      } catch (error) {
        if (!hasCode(error, 404)) throw error;
      }
    });
  }

  /**
   * Writes the version a node has acknowledged; resolves with whether it could. A failure is logged: the next resync finds the
   * node behind and sends again.
   */
  async acknowledge(node: string, object: KubeObject, version: string): Promise<boolean> {
    const recorded = recordedOf(object);
    if (recorded === undefined) return false;
    let isWritten = false;
    const record = newObjectSync(node, object);
    const key = keyOf(record);
    const ref = { resource: this.#informer(recorded.namespace).resource, ...recorded, name: record.metadata.name };
    const written = { version };
    this.#written.set(key, written);
    await this.#inOrder(key, async () => {
      // While it waited for its turn a newer version was acknowledged, which is written after it.
      const newest = this.#written.get(key);
      if (newest !== undefined && newest !== written && isNewerVersion(newest.version, version)) return;
      const patch = () =>
        this.#caches.client.patch(ref, "merge", { status: { objectResourceVersion: version } }, "status");
      try {
        await patch().catch(async (error) => {
          if (!hasCode(error, 404)) throw error;
          await this.#create(record, recorded);
          await patch();
          this.#written.set(key, written);
        });
        isWritten = true;
      } catch (error) {
        // What we meant to write is not there: the cache is right again.
        if (this.#written.get(key) === written) this.#written.delete(key);
        if (isPermanent(error)) this.#logMissingRecord(node, ref.name, error);
        else this.#failed("acknowledge", node, ref.name, error);
      }
    });
    return isWritten;
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
    this.#written.set(key, undefined);
    await this.#inOrder(key, async () => {
      try {
        await this.#caches.client.delete({ resource, namespace, name }, { gracePeriodSeconds: 0 });
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

  /** Settles when everything that is being written has been. */
  async settled(): Promise<void> {
    while (this.#turns.size > 0) await Promise.all(this.#turns.values());
  }

  async #create(record: KubeObject, { namespace }: Recorded): Promise<void> {
    try {
      await this.#caches.client.create(this.#informer(namespace).resource, record);
    } catch (error) {
      if (!hasCode(error, 409)) throw error;
    }
    this.#written.set(keyOf(record), { version: neverAcknowledged });
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

  /** Logs why there is no record. In a namespace that is being deleted that is normal; an operator can fix any other reason. */
  #logMissingRecord(node: string, record: string, error: unknown): void {
    const facts = { node, record, error: reasonOf(error) };
    if (isNamespaceEnding(error)) {
      this.#logger.debug("an object is delivered without a sync record: its namespace is being deleted", facts);
      return;
    }
    const code = error instanceof KubeApiError ? error.status.code : 0;
    if (this.#refused.has(code)) return;
    this.#refused.add(code);
    this.#logger.warn(
      "the API refuses sync records: objects are delivered without, and all of them again at each connection; look at this cloudcore's permissions and the CRDs of reliablesyncs.kubeedge.io. Said once",
      facts,
    );
  }

  #failed(what: string, node: string, record: string, error: unknown): void {
    this.#logger.warn(`could not ${what} a sync record; the next resync tries again`, {
      node,
      record,
      error: reasonOf(error),
    });
  }
}

/** Whether a retry is useless: the API answered invalid, forbidden or not found. */
function isPermanent(error: unknown): boolean {
  return [400, 403, 404, 422].some((code) => hasCode(error, code));
}

/** A namespace that is being deleted refuses new objects (403 with that cause), one that has been deleted is not found. */
function isNamespaceEnding(error: unknown): boolean {
  if (!(error instanceof KubeApiError)) return false;
  const { code, details } = error.status;
  if (code === 404) return textAt(details, "kind") === "namespaces";
  return listAt(details, "causes").some((cause) => at(cause, "reason") === "NamespaceTerminating");
}

function versionIn(record: KubeObject): string {
  // A record whose status was never written counts as "nothing acknowledged yet".
  return textAt(record, "status", "objectResourceVersion") || neverAcknowledged;
}

/** As keyOf, for a record that need not be there. */
function keyIn(namespace: string, name: string): string {
  return keyOf({ metadata: { name, namespace } });
}
