// Endpoints to every connected node of v1.1, each followed by the list of the pods behind it.
import { keyOf, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { DownstreamDeps, Follower } from "../downstream/downstream.ts";
import { ObjectFollower } from "../downstream/object.ts";
import type { ServiceIndex } from "./service-index.ts";
import { connectedOfV11, sendPodList } from "./service-lists.ts";

export class EndpointsFollower implements Follower {
  readonly #deps: DownstreamDeps;
  readonly #index: ServiceIndex;
  readonly #objects: ObjectFollower;
  readonly #lists: WorkQueue;
  /** By key: the uids of the pods that were last sent as the ones behind the endpoints. */
  readonly #lastSent = new Map<string, string>();

  constructor(deps: DownstreamDeps, index: ServiceIndex) {
    this.#deps = deps;
    this.#index = index;
    this.#lists = new WorkQueue("pod lists", deps, (key) => this.#reconcileList(key));
    this.#objects = new ObjectFollower(deps, {
      resource: resources.endpoints,
      type: resourceTypes.endpoints,
      firstOperation: operations.insert,
      unneeded: "no node of KubeEdge v1.1 is connected",
      nodesOf: () => connectedOfV11(deps),
      isUpdated: isEndpointsUpdated,
      sent: (endpoints) => this.#tell(endpoints),
    });
  }

  start(): void {
    this.#objects.start();
    this.#deps.caches.of(resources.endpoints).subscribe(({ object, type }) => {
      if (type === "deleted") this.#lastSent.delete(keyOf(object));
    });
    // Pods and services have watches of their own: what was sent too early is sent again when the rest is cached.
    this.#index.onMembers((namespace) => {
      for (const endpoints of this.#index.endpoints) {
        if (endpoints.metadata.namespace === namespace && this.#lastSent.has(keyOf(endpoints))) {
          this.#lists.add(keyOf(endpoints));
        }
      }
    });
  }

  stop(): void {
    this.#objects.stop();
    this.#lists.stop();
  }

  async #reconcileList(key: string): Promise<void> {
    const [namespace = "", name = ""] = key.split("/");
    const endpoints = this.#deps.caches.of(resources.endpoints).get(namespace, name);
    const pods = endpoints === undefined ? undefined : this.#index.podsBehind(endpoints);
    if (endpoints !== undefined && pods !== undefined && this.#lastSent.get(key) !== uidsOf(pods)) {
      await this.#tell(endpoints);
    }
  }

  async #tell(endpoints: KubeObject): Promise<void> {
    const pods = this.#index.podsBehind(endpoints);
    this.#lastSent.set(keyOf(endpoints), uidsOf(pods ?? []));
    if (pods === undefined) return;
    for (const node of connectedOfV11(this.#deps)) await sendPodList(this.#deps, node, endpoints, pods);
  }
}

function uidsOf(pods: readonly KubeObject[]): string {
  return pods.map(({ metadata }) => metadata.uid ?? "").sort().join(" ");
}

/** Metadata or subsets differ, leaving versions, generation and annotations aside (KubeEdge `IsEndpointsUpdated`). */
export function isEndpointsUpdated(old: KubeObject, endpoints: KubeObject): boolean {
  const comparable = ({ metadata, subsets }: KubeObject) => {
    const { annotations: _a, generation: _g, managedFields: _m, resourceVersion: _v, ...rest } = metadata;
    return JSON.stringify([rest, subsets]);
  };
  return comparable(old) !== comparable(endpoints);
}
