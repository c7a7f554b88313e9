// Which version of each object each node has acknowledged: ObjectSync and ClusterObjectSync, read from a cache, written through.
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import { keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { neverAcknowledged, newObjectSync, syncNameOf } from "../../../protocol/apis/reliablesyncs.ts";
import type { Caches } from "../../kube/caches.ts";
import { hasCode } from "../../kube/client.ts";
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
        const caughtUp = type === "deleted" ? written === undefined : written?.version === versionIn(object);
        if (caughtUp) this.#written.delete(key);
      });
    }
  }

  /** The version a node has acknowledged, `"0"` for none yet; undefined where there is no record. */
  acknowledged(node: string, { uid, namespace }: Recorded): string | undefined {
    const name = syncNameOf(node, uid);
    const key = namespace === "" ? name : `${namespace}/${name}`;
    if (this.#written.has(key)) return this.#written.get(key)?.version;
    const record = this.#informer(namespace).get(namespace, name);
    return record === undefined ? undefined : versionIn(record);
  }

  /** Makes sure there is a record; rejects where the API can't be had. */
  async ensure(node: string, object: KubeObject): Promise<void> {
    const recorded = recordedOf(object);
    if (recorded === undefined || this.acknowledged(node, recorded) !== undefined) return;
    const record = newObjectSync(node, object);
    try {
      await this.#caches.client.create(this.#informer(recorded.namespace).resource, record);
    } catch (error) {
      if (!hasCode(error, 409)) throw error;
    }
    this.#written.set(keyOf(record), { version: neverAcknowledged });
  }

  /** Writes the version a node has acknowledged. A failure is logged: the next look finds the node behind and sends again. */
  async acknowledge(node: string, object: KubeObject, version: string): Promise<void> {
    const recorded = recordedOf(object);
    if (recorded === undefined) return;
    const { namespace, uid } = recorded;
    const name = syncNameOf(node, uid);
    const ref = { resource: this.#informer(namespace).resource, namespace, name };
    const status = { status: { objectResourceVersion: version } };
    this.#written.set(namespace === "" ? name : `${namespace}/${name}`, { version });
    try {
      await this.#caches.client.patch(ref, "merge", status, "status");
    } catch (error) {
      if (!hasCode(error, 404)) return this.#failed("acknowledge", node, name, error);
      this.#written.delete(namespace === "" ? name : `${namespace}/${name}`);
      try {
        await this.ensure(node, object);
        await this.#caches.client.patch(ref, "merge", status, "status");
        this.#written.set(namespace === "" ? name : `${namespace}/${name}`, { version });
      } catch (again) {
        this.#failed("acknowledge", node, name, again);
      }
    }
  }

  /** Removes a record when the node has acknowledged the object's deletion. */
  async remove(node: string, { uid, namespace }: Recorded): Promise<void> {
    const name = syncNameOf(node, uid);
    this.#written.set(namespace === "" ? name : `${namespace}/${name}`, undefined);
    try {
      await this.#caches.client.delete({ resource: this.#informer(namespace).resource, namespace, name }, {
        gracePeriodSeconds: 0,
      });
    } catch (error) {
      if (!hasCode(error, 404)) this.#failed("remove", node, name, error);
    }
  }

  #informer(namespace: string): Informer {
    return namespace === "" ? this.#cluster : this.#namespaced;
  }

  #failed(what: string, node: string, record: string, error: unknown): void {
    this.#logger.warn(`could not ${what} a sync record; the next look repeats it`, {
      node,
      record,
      error: reasonOf(error),
    });
  }
}

function versionIn(record: KubeObject): string {
  // A record whose status was never written counts as "nothing acknowledged yet".
  return textAt(record, "status", "objectResourceVersion") || neverAcknowledged;
}
