// Reconciles the objects of one kind with what was last sent of them: sends the deletion of what was deleted or recreated, and what is new or changed.
import { keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Tap } from "../../base/hop/hop.ts";
import { hopOfObject } from "../../protocol/message/hops.ts";
import type { Informer } from "./informer.ts";
import { WorkQueue, type WorkQueueDeps } from "./work-queue.ts";

/** What was last sent of an object. */
export interface LastSent {
  readonly object: KubeObject;
}

/** Injected dependencies. */
export interface ReconcilerDeps extends WorkQueueDeps {
  readonly tap: Tap | undefined;
}

/** What is special about a kind. `Sent` may hold more than the object, such as the node it was sent to. */
export interface ReconcilerHooks<Sent extends LastSent> {
  /** The queue's name, for the log. */
  readonly name: string;
  /** Whether an object has to be deleted where it was sent before it is sent again. Default: only if its uid is another one. */
  isMoved?(sent: Sent, object: KubeObject): boolean;
  /** Sends the deletion. `last` is the object in its final form where that is known, else as it was last sent. */
  remove(sent: Sent, last: KubeObject, key: string): Promise<void>;
  /** Sends a new or changed object, where that is due, and calls `reconciler.sent` before. `before` is undefined for a new one. */
  send(object: KubeObject, before: Sent | undefined, key: string): Promise<void>;
  /** Called when there is no such object and nothing is left to delete. */
  absent?(key: string): void;
  /** Groups by which `sentIn` finds what was sent, such as its node. Default: none. */
  groupsOf?(sent: Sent): readonly string[];
}

/**
 * One key at a time, from the cache's present state; a failure is retried (client-go's work queue). An object that was deleted and
 * recreated between two looks is deleted first, in its final form.
 */
export class Reconciler<Sent extends LastSent> {
  readonly #informer: Informer;
  readonly #hooks: ReconcilerHooks<Sent>;
  readonly #queue: WorkQueue;
  readonly #deps: ReconcilerDeps;
  readonly #lastSent = new Map<string, Sent>();
  readonly #groups = new Map<string, Set<string>>();
  /** By key, then by uid: the final form of deleted objects until their deletion has been sent. */
  readonly #tombstones = new Map<string, Map<string, KubeObject>>();

  constructor(informer: Informer, deps: ReconcilerDeps, hooks: ReconcilerHooks<Sent>) {
    this.#deps = deps;
    this.#informer = informer;
    this.#hooks = hooks;
    this.#queue = new WorkQueue(hooks.name, deps, (key) => this.#reconcile(key));
  }

  /** Follows the cache from now on, beginning with what is there. */
  start(): void {
    this.#informer.subscribe(({ object, type }) => {
      const key = keyOf(object);
      const { clock, tap } = this.#deps;
      tap?.on?.(hopOfObject(object, this.#kind, { time: clock.now(), hop: "kube.event", operation: type }));
      if (type === "deleted") {
        const tombstones = this.#tombstones.get(key) ?? new Map<string, KubeObject>();
        this.#tombstones.set(key, tombstones.set(object.metadata.uid ?? "", object));
      }
      this.#queue.add(key);
    });
  }

  stop(): void {
    this.#queue.stop();
  }

  /** Tells the tap that an object is not sent to any edge, or not to this one, and why. */
  notSent(object: KubeObject, why: string, node = ""): void {
    const { clock, tap } = this.#deps;
    tap?.on?.(hopOfObject(object, this.#kind, { time: clock.now(), hop: "controller.drop", node, outcome: why }));
  }

  get #kind(): string {
    return this.#informer.resource.kind.toLowerCase();
  }

  /** Reconciles an object again although it has not changed in the cache. */
  add(key: string): void {
    this.#queue.add(key);
  }

  /** What was last sent of an object. */
  get(key: string): Sent | undefined {
    return this.#lastSent.get(key);
  }

  /** Notes what is being sent. */
  sent(key: string, sent: Sent): void {
    this.forget(key);
    this.#lastSent.set(key, sent);
    for (const group of this.#hooks.groupsOf?.(sent) ?? []) {
      this.#groups.set(group, (this.#groups.get(group) ?? new Set()).add(key));
    }
  }

  /** Forgets what was last sent of it, when the node that had it was deleted, for example. */
  forget(key: string): void {
    const known = this.#lastSent.get(key);
    if (known === undefined) return;
    this.#lastSent.delete(key);
    for (const group of this.#hooks.groupsOf?.(known) ?? []) {
      const keys = this.#groups.get(group);
      keys?.delete(key);
      if (keys?.size === 0) this.#groups.delete(group);
    }
  }

  /** Keys of what was last sent in a group. */
  sentIn(group: string): readonly string[] {
    return [...this.#groups.get(group) ?? []];
  }

  async #reconcile(key: string): Promise<void> {
    const slash = key.indexOf("/");
    const object = this.#informer.get(slash === -1 ? "" : key.slice(0, slash), key.slice(slash + 1));
    const known = this.#lastSent.get(key);
    if (known !== undefined) {
      const { uid = "" } = known.object.metadata;
      const isOther = object?.metadata.uid !== known.object.metadata.uid;
      if (isOther || object !== undefined && this.#hooks.isMoved?.(known, object) === true) {
        const last = isOther ? this.#tombstones.get(key)?.get(uid) ?? known.object : known.object;
        // Forgotten only when its deletion is on the way: a failure is retried.
        await this.#hooks.remove(known, last, key);
        this.forget(key);
      }
    }
    if (object !== undefined) {
      // Others of its name are gone, and none of them is with any node.
      for (const uid of [...this.#tombstones.get(key)?.keys() ?? []]) {
        if (uid !== object.metadata.uid) this.#dropTombstone(key, uid);
      }
      return await this.#hooks.send(object, this.#lastSent.get(key), key);
    }
    this.#tombstones.delete(key);
    this.#hooks.absent?.(key);
  }

  #dropTombstone(key: string, uid: string): void {
    const tombstones = this.#tombstones.get(key);
    tombstones?.delete(uid);
    if (tombstones?.size === 0) this.#tombstones.delete(key);
  }
}
