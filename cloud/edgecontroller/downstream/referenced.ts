// Configmaps and secrets to the nodes whose pods use them; to no other.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { type Referenced, referencesOf } from "../../../protocol/apis/pod.ts";
import { type Resource, resources } from "../../kube/resource.ts";
import type { DownstreamDeps, Follower } from "./downstream.ts";
import { ObjectFollower } from "./object.ts";

/**
 * An object goes to the nodes that use it by the pods on them, and to those that have it by the sync records. A pod that
 * comes does not bring its configmaps along: the edge asks for them, as edgecore does.
 */
export class ReferencedFollower implements Follower {
  readonly #deps: DownstreamDeps;
  readonly #type: Referenced;
  readonly #resource: Resource;
  readonly #objects: ObjectFollower;

  constructor(deps: DownstreamDeps, resource: Resource, type: Referenced, firstOperation: string) {
    this.#deps = deps;
    this.#type = type;
    this.#resource = resource;
    this.#objects = new ObjectFollower(deps, {
      resource,
      type,
      firstOperation,
      nodesOf: (object) => this.#nodesOf(object),
      unneeded: "no pod on any edge uses it",
    });
  }

  start(): void {
    this.#objects.start();
  }

  /**
   * What the node lacks although it has a pod that uses it: the object was made while the node was away. A node of v1.1 has
   * no records: it is sent all of them as they are now.
   */
  connected(node: string): void {
    const { caches, eras, index } = this.#deps;
    const isV11 = eras.isV11(node);
    const holds = (object: KubeObject) => index.holds(node, object.metadata.uid ?? "");
    for (const pod of caches.on(node, resources.pods)) {
      if (!isV11 && !holds(pod)) continue;
      for (const reference of referencesOf(pod)) {
        const [type, namespace = "", name = ""] = reference.split("/");
        const object = type === this.#type ? caches.of(this.#resource).get(namespace, name) : undefined;
        if (object !== undefined && !holds(object)) this.#objects.lacks(node, object);
      }
    }
  }

  stop(): void {
    this.#objects.stop();
  }

  #nodesOf({ metadata: { namespace = "", name, uid = "" } }: KubeObject): string[] {
    const { location, index } = this.#deps;
    return [...new Set([...location.nodesOf(this.#type, namespace, name), ...index.holders(uid)])];
  }
}
