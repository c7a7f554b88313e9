// Who holds what: an index over the sync records, by node and by object.
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { isJournal, parseSyncName } from "../../protocol/apis/reliablesyncs.ts";
import type { Caches } from "../kube/caches.ts";
import { resources } from "../kube/resource.ts";

/** One record, taken apart. */
export interface Held {
  readonly node: string;
  readonly uid: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The version acknowledged; empty or `"0"` for none yet. */
  readonly version: string;
  readonly record: KubeObject;
}

/** Objects whose former holders are remembered. */
const FORMER_OBJECTS = 4096;

/** Follows both kinds of records. */
export class SyncIndex {
  readonly #byNode = new Map<string, Map<string, Held>>();
  readonly #byUid = new Map<string, Map<string, Held>>();
  /** By uid: nodes whose records have been deleted, only the latest of them. */
  readonly #former = new Map<string, Set<string>>();
  /** The version of a record that the caches do not show yet; undefined where they are right. */
  #ahead: (record: KubeObject) => string | undefined = () => undefined;

  constructor(caches: Caches) {
    for (const resource of [resources.objectsyncs, resources.clusterobjectsyncs]) {
      caches.of(resource).subscribe(({ type, object }) => {
        if (isJournal(object)) return;
        const held = heldIn(object);
        if (type === "deleted") this.#remove(held);
        else this.#put(held);
      });
    }
  }

  /** What a node has, or may have. */
  of(node: string): Held[] {
    return Array.from(this.#byNode.get(node)?.values() ?? [], (held) => {
      const version = this.#ahead(held.record) ?? held.version;
      return version === held.version ? held : { ...held, version };
    });
  }

  /** How many objects a node has, or may have. */
  countOf(node: string): number {
    return this.#byNode.get(node)?.size ?? 0;
  }

  /** Takes versions from where records are written, which has them before the caches do. */
  lookAhead(ahead: (record: KubeObject) => string | undefined): void {
    this.#ahead = ahead;
  }

  /** A record that stands in the journal, and will be created. */
  foresee(record: KubeObject): void {
    const held = heldIn(record);
    if (!this.holds(held.node, held.uid)) this.#put(held);
  }

  /** A record that was foreseen, and never will be created. */
  forgo(record: KubeObject): void {
    this.#remove(heldIn(record));
  }

  /** The nodes that have, or may have, an object. */
  holders(uid: string): string[] {
    return [...this.#byUid.get(uid)?.keys() ?? []];
  }

  /**
   * The nodes that had an object when its record was there last. A namespace that is deleted takes the records with it, maybe before
   * the objects: then these are the nodes that must be sent the deletions.
   */
  formerHolders(uid: string): string[] {
    return [...this.#former.get(uid) ?? []];
  }

  holds(node: string, uid: string): boolean {
    return this.#byNode.get(node)?.has(uid) === true;
  }

  nodes(): string[] {
    return [...this.#byNode.keys()];
  }

  #put(held: Held): void {
    this.#former.get(held.uid)?.delete(held.node);
    inner(this.#byNode, held.node).set(held.uid, held);
    inner(this.#byUid, held.uid).set(held.node, held);
  }

  #remove({ node, uid }: Held): void {
    removeInner(this.#byNode, node, uid);
    removeInner(this.#byUid, uid, node);
    const former = this.#former.get(uid) ?? new Set();
    this.#former.delete(uid);
    this.#former.set(uid, former.add(node));
    const [oldest] = this.#former.keys();
    if (this.#former.size > FORMER_OBJECTS && oldest !== undefined) this.#former.delete(oldest);
  }
}

function heldIn(record: KubeObject): Held {
  return {
    ...parseSyncName(record.metadata.name),
    apiVersion: textAt(record, "spec", "objectAPIVersion"),
    kind: textAt(record, "spec", "objectKind"),
    namespace: record.metadata.namespace ?? "",
    name: textAt(record, "spec", "objectName"),
    version: textAt(record, "status", "objectResourceVersion"),
    record,
  };
}

function inner(map: Map<string, Map<string, Held>>, key: string): Map<string, Held> {
  let found = map.get(key);
  if (found === undefined) {
    found = new Map();
    map.set(key, found);
  }
  return found;
}

function removeInner(map: Map<string, Map<string, Held>>, key: string, innerKey: string): void {
  const found = map.get(key);
  found?.delete(innerKey);
  if (found?.size === 0) map.delete(key);
}
