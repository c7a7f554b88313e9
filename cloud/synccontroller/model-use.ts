// Which nodes have devices of which model: an index over the devices.
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { Caches } from "../kube/caches.ts";
import { resources } from "../kube/resource.ts";

/** Follows devices. */
export class ModelUse {
  readonly #counts = new Map<string, number>();
  readonly #uses = new Map<string, string>();

  constructor(caches: Caches) {
    caches.of(resources.devices).subscribe(({ type, object }) => {
      const uid = object.metadata.uid ?? "";
      this.#count(this.#uses.get(uid), -1);
      this.#uses.delete(uid);
      if (type === "deleted") return;
      const { namespace = "" } = object.metadata;
      const use = useOf(
        textAt(object, "spec", "nodeName"),
        namespace,
        textAt(object, "spec", "deviceModelRef", "name"),
      );
      this.#uses.set(uid, use);
      this.#count(use, 1);
    });
  }

  /** Whether a device on that node is of the model. */
  has(node: string, { metadata: { name, namespace = "" } }: KubeObject): boolean {
    return this.#counts.has(useOf(node, namespace, name));
  }

  #count(use: string | undefined, by: number): void {
    if (use === undefined) return;
    const count = (this.#counts.get(use) ?? 0) + by;
    if (count > 0) this.#counts.set(use, count);
    else this.#counts.delete(use);
  }
}

function useOf(node: string, namespace: string, model: string): string {
  return `${node}/${namespace}/${model}`;
}
