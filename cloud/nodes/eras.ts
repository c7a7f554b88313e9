// Which nodes run a KubeEdge of another era, by the labels of their Nodes.
import type { EraRule } from "../../protocol/apis/cloudcore-config.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Caches } from "../kube/caches.ts";
import type { Informer } from "../kube/informer.ts";
import { resources } from "../kube/resource.ts";

/** All others run today's. */
export class Eras {
  readonly #rules: readonly EraRule[];
  readonly #nodes: Informer;

  constructor(caches: Caches, rules: readonly EraRule[]) {
    this.#rules = rules;
    this.#nodes = caches.of(resources.nodes);
  }

  /** Whether any node may be of v1.1. */
  get hasV11(): boolean {
    return this.#rules.length > 0;
  }

  /** Whether a node runs KubeEdge v1.1; one without a Node does not. */
  isV11(node: string): boolean {
    return this.hasV11 && this.isV11Node(this.#nodes.get("", node));
  }

  /** As isV11, for a Node object. */
  isV11Node(node: KubeObject | undefined): boolean {
    const labels = node?.metadata.labels;
    return labels !== undefined &&
      this.#rules.some(({ nodeSelector }) =>
        Object.entries(nodeSelector).every(([label, value]) => labels[label] === value)
      );
  }
}
