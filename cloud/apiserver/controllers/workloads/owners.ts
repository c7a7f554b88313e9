// Follows the objects of a kind and what they own, and calls their controller when one of them changes.
import { keyOf, type KubeObject } from "../../../../protocol/apis/kube-object.ts";
import type { StoreEvent } from "../../storage/event.ts";
import { type ControllerDeps, KeyQueue } from "../controller.ts";
import { controllerOf, patchObject, referenceTo } from "./pods.ts";

/** Labels that an owner selects. */
export type Selects = (owner: KubeObject, labels: Readonly<Record<string, string>>) => boolean;

/** What is followed. */
export interface OwnersOptions {
  /** The controller's name. */
  readonly name: string;
  /** Of the owners. */
  readonly table: string;
  readonly kind: string;
  /** Tables of what they own. */
  readonly owned: readonly string[];
  /** Where owners adopt what has no controller and what they select, and let go what they no longer select. */
  readonly selects?: Selects;
  readonly reconcile: (owner: KubeObject, queue: KeyQueue) => void;
  /** Told of each change of what is owned. */
  readonly seen?: (table: string, event: StoreEvent) => void;
}

/** Owners with what they own. */
export class Owners {
  readonly queue: KeyQueue;
  readonly #deps: ControllerDeps;
  readonly #options: OwnersOptions;
  /** Objects without a controller that an owner may adopt, as `table key`, by the owner's key. */
  readonly #orphans = new Map<string, Set<string>>();
  readonly #stops: (() => void)[];

  constructor(deps: ControllerDeps, options: OwnersOptions) {
    this.#deps = deps;
    this.#options = options;
    const { store } = deps.resources;
    const { name, owned, reconcile, table } = options;
    this.queue = new KeyQueue(name, deps, (key) => {
      const owner = store.get(table, key);
      if (owner !== undefined) reconcile(owner, this.queue);
      else this.#orphans.delete(key);
    });
    for (const owner of store.list(table)) this.#seeOwner(owner);
    this.#stops = [
      store.watch(table, ({ object, previous, type }) => {
        if (type === "ADDED") this.#seeOwner(object);
        else if (previous === undefined || isChanged(object, previous)) this.queue.add(keyOf(object));
      }),
      ...owned.map((one) => store.watch(one, (event) => this.#seeOwned(one, event))),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.queue.stop();
  }

  /** What an owner controls in a table, after it has adopted what it selects and let go what it no longer does. */
  claim(owner: KubeObject, table: string): KubeObject[] {
    const { indices, resources: { store } } = this.#deps;
    const { selects } = this.#options;
    const uid = owner.metadata.uid as string;
    const controlled = indices.controlledBy(uid, table);
    if (selects === undefined) return controlled;
    const kept = controlled.filter((object) => {
      if (selects(owner, object.metadata.labels ?? {}) || object.metadata.deletionTimestamp !== undefined) return true;
      const ownerReferences = object.metadata.ownerReferences?.filter((reference) => reference.uid !== uid) ?? [];
      patchObject(this.#deps, table, object, { metadata: { ownerReferences } });
      return false;
    });
    const key = keyOf(owner);
    const orphans = this.#orphans.get(key);
    if (orphans === undefined || owner.metadata.deletionTimestamp !== undefined) return kept;
    for (const id of [...orphans]) {
      const [of = "", orphanKey = ""] = id.split(" ");
      if (of !== table) continue;
      orphans.delete(id);
      const orphan = store.get(of, orphanKey);
      const isFree = orphan !== undefined && controllerOf(orphan) === undefined &&
        orphan.metadata.deletionTimestamp === undefined && selects(owner, orphan.metadata.labels ?? {});
      if (!isFree) continue;
      const ownerReferences = [...orphan.metadata.ownerReferences ?? [], referenceTo(owner)];
      kept.push(patchObject(this.#deps, of, orphan, { metadata: { ownerReferences } }));
    }
    if (orphans.size === 0) this.#orphans.delete(key);
    return kept;
  }

  /** A new owner looks once through its namespace for what it may adopt. */
  #seeOwner(owner: KubeObject): void {
    const { owned, selects } = this.#options;
    const { store } = this.#deps.resources;
    const { namespace = "" } = owner.metadata;
    if (selects !== undefined) {
      for (const table of owned) {
        for (const object of store.list(table, namespace)) {
          if (controllerOf(object) === undefined && selects(owner, object.metadata.labels ?? {})) {
            this.#remember(owner, table, object);
          }
        }
      }
    }
    this.queue.add(keyOf(owner));
  }

  #seeOwned(table: string, event: StoreEvent): void {
    const { object, previous, type } = event;
    const { kind, selects, table: ownerTable } = this.#options;
    const { namespace = "" } = object.metadata;
    const { store } = this.#deps.resources;
    this.#options.seen?.(table, event);
    const owner = controllerOf(object);
    const former = controllerOf(previous);
    for (const reference of owner?.uid === former?.uid ? [owner] : [owner, former]) {
      if (reference?.kind === kind) this.queue.add(`${namespace}/${reference.name}`);
    }
    if (owner !== undefined || selects === undefined || type === "DELETED") return;
    const isKnown = previous !== undefined && former === undefined &&
      previous.metadata.labels === object.metadata.labels;
    if (isKnown || object.metadata.deletionTimestamp !== undefined) return;
    for (const one of store.list(ownerTable, namespace)) {
      if (!selects(one, object.metadata.labels ?? {})) continue;
      this.#remember(one, table, object);
      this.queue.add(keyOf(one));
    }
  }

  #remember(owner: KubeObject, table: string, orphan: KubeObject): void {
    const key = keyOf(owner);
    this.#orphans.set(key, (this.#orphans.get(key) ?? new Set()).add(`${table} ${keyOf(orphan)}`));
  }
}

/** Whether more than the status has changed. */
function isChanged(object: KubeObject, previous: KubeObject): boolean {
  return object.spec !== previous.spec || object.metadata.generation !== previous.metadata.generation ||
    object.metadata.deletionTimestamp !== previous.metadata.deletionTimestamp ||
    object.metadata.annotations !== previous.metadata.annotations;
}
