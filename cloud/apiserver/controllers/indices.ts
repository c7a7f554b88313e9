// What controllers look up instead of walking over everything: pods by node, dependents by owner, objects by namespace.
import { keyOf, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Store } from "../storage/store.ts";
import { NodeUse } from "./node-fit.ts";
import { isEnded } from "./pod-state.ts";

/** Where an object is stored. */
export interface Place {
  readonly table: string;
  readonly key: string;
}

/** Kept up to date with each change, before any controller hears of it. */
export class Indices {
  readonly #store: Store;
  readonly #byUid = new Map<string, Place>();
  readonly #dependents = new Map<string, Map<string, Place>>();
  readonly #byNamespace = new Map<string, Map<string, Place>>();
  readonly #pods = new Map<string, Set<string>>();
  readonly #uses = new Map<string, NodeUse>();
  readonly #stop: () => void;

  constructor(store: Store) {
    this.#store = store;
    for (const [table, object] of store.all()) this.#change(table, undefined, object);
    this.#stop = store.watchAll((table, { object, previous, type }) =>
      this.#change(table, previous, type === "DELETED" ? undefined : object)
    );
  }

  stop(): void {
    this.#stop();
  }

  /** Whether an object of that uid is stored. */
  has(uid: string): boolean {
    return this.#byUid.has(uid);
  }

  /** Where the object of a uid is. */
  placeOf(uid: string): Place | undefined {
    return this.#byUid.get(uid);
  }

  /** The objects that name an owner. */
  dependentsOf(uid: string): Place[] {
    return [...this.#dependents.get(uid)?.values() ?? []];
  }

  /** The objects of a table whose controller is the object of that uid. */
  controlledBy(uid: string, table: string): KubeObject[] {
    const found: KubeObject[] = [];
    for (const place of this.#dependents.get(uid)?.values() ?? []) {
      if (place.table !== table) continue;
      const object = this.#store.get(table, place.key);
      if (object?.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true)) {
        found.push(object);
      }
    }
    return found;
  }

  /** Everything in a namespace. */
  inNamespace(namespace: string): Place[] {
    return [...this.#byNamespace.get(namespace)?.values() ?? []];
  }

  /** Keys of the pods that are bound to a node. */
  podsOn(node: string): readonly string[] {
    return [...this.#pods.get(node) ?? []];
  }

  /** What the pods on a node use. */
  useOf(node: string): NodeUse {
    let use = this.#uses.get(node);
    if (use === undefined) this.#uses.set(node, use = new NodeUse());
    return use;
  }

  #change(table: string, before: KubeObject | undefined, now: KubeObject | undefined): void {
    const object = (now ?? before) as KubeObject;
    const key = keyOf(object);
    const { namespace = "", uid = "" } = object.metadata;
    const id = `${table} ${key}`;
    const place = { table, key };
    const isNew = before === undefined || before.metadata.uid !== uid;
    if (now === undefined) {
      this.#byUid.delete(uid);
      dropFrom(this.#byNamespace, namespace, id);
    } else if (isNew) {
      if (before !== undefined) this.#byUid.delete(before.metadata.uid ?? "");
      this.#byUid.set(uid, place);
      if (namespace !== "") addTo(this.#byNamespace, namespace, id, place);
    }
    const old = before?.metadata.ownerReferences;
    const owners = now?.metadata.ownerReferences;
    if (old !== owners) {
      for (const owner of old ?? []) dropFrom(this.#dependents, owner.uid, id);
      for (const owner of owners ?? []) addTo(this.#dependents, owner.uid, id, place);
    }
    if (table === "pods") this.#changePod(key, before, now);
  }

  #changePod(key: string, before: KubeObject | undefined, now: KubeObject | undefined): void {
    const oldNode = textAt(before, "spec", "nodeName");
    const node = textAt(now, "spec", "nodeName");
    if (oldNode !== node) {
      if (oldNode !== "") {
        const pods = this.#pods.get(oldNode);
        pods?.delete(key);
        if (pods?.size === 0) this.#pods.delete(oldNode);
      }
      if (node !== "") this.#pods.set(node, (this.#pods.get(node) ?? new Set()).add(key));
    }
    if (oldNode === node && usesAsMuch(before, now)) return;
    if (oldNode !== "" && before !== undefined && !isEnded(before)) this.useOf(oldNode).remove(key);
    if (node !== "" && now !== undefined && !isEnded(now)) this.useOf(node).add(now, key);
  }
}

/** Whether nothing changed but a status in which the pod goes on: versions of an object share what did not change. */
function usesAsMuch(before: KubeObject | undefined, now: KubeObject | undefined): boolean {
  if (before === undefined || now === undefined || isEnded(before) !== isEnded(now)) return false;
  const [old, spec] = [before.spec, now.spec] as Record<string, unknown>[];
  return Object.keys({ ...old, ...spec }).every((name) => old?.[name] === spec?.[name]);
}

function addTo(index: Map<string, Map<string, Place>>, name: string, id: string, place: Place): void {
  let entries = index.get(name);
  if (entries === undefined) index.set(name, entries = new Map());
  entries.set(id, place);
}

function dropFrom(index: Map<string, Map<string, Place>>, name: string, id: string): void {
  const entries = index.get(name);
  if (entries === undefined) return;
  entries.delete(id);
  if (entries.size === 0) index.delete(name);
}
