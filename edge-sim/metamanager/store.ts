// What an edge keeps: each object under its wire path, as the cloud sent it.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import type { StoreRows } from "./store-file.ts";

/**
 * The store of one edge. It lives in memory as long as the edge's object does, also while the edge is stopped; with rows in a
 * file it begins with what was there, and each change is in the file before listeners are called.
 */
export class EdgeStore {
  readonly #objects: Map<string, KubeObject>;
  readonly #node: string;
  readonly #rows: StoreRows | undefined;
  /** The disk is full: what the cloud sends can be neither stored nor deleted. */
  isFull = false;

  constructor(node = "", rows?: StoreRows) {
    this.#node = node;
    this.#rows = rows;
    this.#objects = new Map(rows?.load(node));
  }

  get(path: string): KubeObject | undefined {
    return this.#objects.get(path);
  }

  put(path: string, object: KubeObject): void {
    this.#rows?.put(this.#node, path, object);
    this.#objects.set(path, object);
  }

  delete(path: string): void {
    this.#rows?.delete(this.#node, path);
    this.#objects.delete(path);
  }

  /** `[path, object]` of everything, or of one type. */
  *entries(type?: string): Generator<readonly [path: string, object: KubeObject]> {
    for (const entry of this.#objects) if (type === undefined || entry[0].split("/")[1] === type) yield entry;
  }

  get size(): number {
    return this.#objects.size;
  }

  clear(): void {
    this.#rows?.clear(this.#node);
    this.#objects.clear();
  }
}
