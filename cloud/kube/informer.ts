// A local copy of all objects of a kind, kept up to date by a watch that survives 410, resets and restarts.
import "./deno-shim.ts";
import { type KubernetesListObject, type KubernetesObject, ListWatch } from "@kubernetes/client-node";
import { Backoff } from "../../base/backoff/backoff.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep, type Timer } from "../../base/time/clock.ts";
import { keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import type { KubeClient } from "./client.ts";
import { JsonWatch } from "./json-watch.ts";
import { pathOf, type Resource } from "./resource.ts";

/** A change of the cache. An object that was deleted and recreated between two looks causes both. */
export type CacheEvent =
  | { readonly type: "added"; readonly object: KubeObject }
  | { readonly type: "modified"; readonly object: KubeObject; readonly previous: KubeObject }
  | { readonly type: "deleted"; readonly object: KubeObject };

/** Injected dependencies. */
export interface InformerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** First wait after a failure, doubled up to the cap. A watch that ended without an event waits as long. */
const RETRY = { initial: 100, factor: 2, cap: 5000, jitter: 0.2 } as const;

/** What is followed of a kind, and kept. */
export interface InformerOptions {
  /** Labels that objects must have. Default: all objects. */
  readonly labelSelector?: string;
  /** Whether objects are kept without `managedFields`, which are half of what a small one takes. Default: false. */
  readonly isLean?: boolean;
}

/** Objects in the cache are shared with every reader: never change one. */
export class Informer {
  readonly resource: Resource;
  readonly #deps: InformerDeps;
  readonly #watch: ListWatch<KubernetesObject>;
  readonly #backoff: Backoff;
  readonly #objects = new Map<string, KubeObject>();
  /** By index name: the function that computes an object's value, and the objects by value and key. */
  readonly #indices = new Map<string, Index>();
  readonly #handlers: ((event: CacheEvent) => void)[] = [];
  readonly #synced = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #isLean: boolean;
  #isSynced = false;
  #lastError: string | undefined;
  #retry: Timer | undefined;

  constructor(client: KubeClient, resource: Resource, deps: InformerDeps, options: InformerOptions = {}) {
    const { isLean = false, labelSelector } = options;
    this.resource = resource;
    this.#isLean = isLean;
    this.#deps = { ...deps, logger: deps.logger.with({ informer: resource.plural }) };
    this.#backoff = new Backoff(RETRY, deps.random.stream(`informer/${resource.plural}`));
    this.#synced.promise.catch(() => {});
    const list = async () => {
      const found = await client.list(resource, labelSelector === undefined ? {} : { labelSelector });
      // The cache is filled once client-node has handled the list, which is right after this returns.
      setImmediate(() => {
        this.#isSynced = true;
        this.#lastError = undefined;
        this.#synced.resolve();
      });
      this.#backoff.reset();
      return found as unknown as KubernetesListObject<KubernetesObject>;
    };
    const retry = {
      delayFn: (ms: number) => sleep(deps.clock, Math.min(ms, RETRY.cap), this.#stop.signal).catch(() => {}),
    };
    this.#watch = new ListWatch(
      pathOf(resource),
      new JsonWatch(client.config.config, () => this.#lastError = undefined),
      list,
      false,
      labelSelector,
      undefined,
      retry,
    );
    this.#watch.on("add", (object) => this.#put(plain(object)));
    this.#watch.on("update", (object) => this.#put(plain(object)));
    this.#watch.on("delete", (object) => this.#remove(plain(object)));
    this.#watch.on("error", (error) => this.#failed(error));
  }

  /** Begins to list and watch; settles when the cache has been filled once, or rejects when `stop` came first. */
  start(): Promise<void> {
    this.#watchAgain();
    return this.#synced.promise;
  }

  /** Whether the cache has been filled once: before, what is not in it may well be there. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Why the cache can't be filled, or follow, at this time; undefined where it does. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(namespace === "" ? name : `${namespace}/${name}`);
  }

  /** The objects of the cache at this moment. */
  list(): KubeObject[] {
    return [...this.#objects.values()];
  }

  /**
   * Keeps the objects by a value of theirs from now on, such as their node, so that finding them does not walk over all of them. An empty
   * value is not kept. The same name again changes nothing.
   */
  indexBy(name: string, valueOf: (object: KubeObject) => string): void {
    if (this.#indices.has(name)) return;
    const index: Index = { valueOf, entries: new Map() };
    this.#indices.set(name, index);
    for (const [key, object] of this.#objects) putInto(index, key, object);
  }

  /** The objects with that value, of an index that `indexBy` has made. */
  indexed(name: string, value: string): KubeObject[] {
    return [...this.#indices.get(name)?.entries.get(value)?.values() ?? []];
  }

  /** Calls back for every change, beginning with everything that is already there. */
  subscribe(handler: (event: CacheEvent) => void): void {
    for (const object of this.#objects.values()) handler({ type: "added", object });
    this.#handlers.push(handler);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#retry?.cancel();
    this.#synced.reject(new Error(`the informer of ${this.resource.plural} was stopped`));
    await this.#watch.stop();
  }

  #put(found: KubeObject): void {
    // client-node keeps the same object.
    if (this.#isLean) (found.metadata as { managedFields?: unknown }).managedFields = undefined;
    const object = found.kind === undefined
      ? { kind: this.resource.kind, apiVersion: this.resource.apiVersion, ...found }
      : found;
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    this.#backoff.reset();
    this.#objects.set(key, object);
    for (const index of this.#indices.values()) {
      // A place that stays the same keeps its order.
      if (previous !== undefined && index.valueOf(previous) !== index.valueOf(object)) takeFrom(index, key, previous);
      putInto(index, key, object);
    }
    if (previous === undefined) this.#tell({ type: "added", object });
    else if (previous.metadata.uid === object.metadata.uid) this.#tell({ type: "modified", object, previous });
    else {
      this.#tell({ type: "deleted", object: previous });
      this.#tell({ type: "added", object });
    }
  }

  #remove(found: KubeObject): void {
    const key = keyOf(found);
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    for (const index of this.#indices.values()) takeFrom(index, key, previous);
    this.#tell({ type: "deleted", object: { ...previous, ...found } });
  }

  #tell(event: CacheEvent): void {
    for (const handler of this.#handlers) handler(event);
  }

  #failed(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#lastError = reasonOf(error);
    const wait = this.#backoff.next();
    this.#deps.logger.debug("the watch failed; trying again", { error: this.#lastError, wait: Math.round(wait) });
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.after(wait, () => this.#watchAgain());
  }

  #watchAgain(): void {
    this.#watch.start().catch((error) => this.#failed(error));
  }
}

interface Index {
  readonly valueOf: (object: KubeObject) => string;
  readonly entries: Map<string, Map<string, KubeObject>>;
}

function putInto({ entries, valueOf }: Index, key: string, object: KubeObject): void {
  const value = valueOf(object);
  if (value === "") return;
  const found = entries.get(value) ?? new Map<string, KubeObject>();
  entries.set(value, found.set(key, object));
}

function takeFrom({ entries, valueOf }: Index, key: string, object: KubeObject): void {
  const value = valueOf(object);
  const found = entries.get(value);
  found?.delete(key);
  if (found?.size === 0) entries.delete(value);
}

/** client-node's type says Date where its watches and our list hold the plain JSON. */
function plain(object: KubernetesObject): KubeObject {
  return object as unknown as KubeObject;
}
