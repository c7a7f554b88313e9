// LocationCache: which nodes use which configmaps and secrets, by the pods that are on them.
import { type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { type Referenced, referencesOf } from "../../../protocol/apis/pod.ts";

/**
 * Follows pods. Unlike Go's cache, which only grows and forgets a re-created object's users, this one is what the pods
 * say now.
 */
export class LocationCache {
  /** Reference → node → how many of its pods use it. */
  readonly #nodes = new Map<string, Map<string, number>>();
  readonly #pods = new Map<string, { readonly node: string; readonly references: ReadonlySet<string> }>();

  put(pod: KubeObject): void {
    const uid = pod.metadata.uid ?? "";
    this.remove(uid);
    const node = textAt(pod, "spec", "nodeName");
    if (node === "") return;
    const references = referencesOf(pod);
    this.#pods.set(uid, { node, references });
    for (const reference of references) {
      const users = this.#nodes.get(reference) ?? new Map<string, number>();
      users.set(node, (users.get(node) ?? 0) + 1);
      this.#nodes.set(reference, users);
    }
  }

  remove(uid: string): void {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    for (const reference of pod.references) {
      const users = this.#nodes.get(reference);
      const left = (users?.get(pod.node) ?? 1) - 1;
      if (left > 0) users?.set(pod.node, left);
      else users?.delete(pod.node);
      if (users?.size === 0) this.#nodes.delete(reference);
    }
  }

  nodesOf(kind: Referenced, namespace: string, name: string): string[] {
    return [...this.#nodes.get(`${kind}/${namespace}/${name}`)?.keys() ?? []];
  }
}
