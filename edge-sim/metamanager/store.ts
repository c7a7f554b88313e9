// What an edge keeps: each object under its wire path, as the cloud sent it.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

/** The store of one edge. It lives in memory as long as the edge's object does, also while the edge is stopped. */
export class EdgeStore {
  readonly #objects = new Map<string, KubeObject>();

  get(path: string): KubeObject | undefined {
    return this.#objects.get(path);
  }

  put(path: string, object: KubeObject): void {
    this.#objects.set(path, object);
  }

  delete(path: string): void {
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
    this.#objects.clear();
  }
}
