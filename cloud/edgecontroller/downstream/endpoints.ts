// Endpoints to every node of v1.1, each followed by the list of the pods behind it.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import type { DownstreamWorld } from "./downstream.ts";
import { ObjectFollower } from "./object.ts";
import { podsBehind, sendPodList } from "./service-lists.ts";

export function endpointsFollower(world: DownstreamWorld): ObjectFollower {
  return new ObjectFollower(world, {
    resource: resources.endpoints,
    type: resourceTypes.endpoints,
    firstOperation: operations.insert,
    nodesOf: () => world.eras.v11Nodes(),
    isUpdated: isEndpointsUpdated,
    async sent(endpoints) {
      const pods = podsBehind(world, endpoints);
      if (pods === undefined) return;
      for (const node of world.eras.v11Nodes()) await sendPodList(world, node, endpoints, pods);
    },
  });
}

/** Metadata or subsets differ, leaving versions, generation and annotations aside (KubeEdge `IsEndpointsUpdated`). */
export function isEndpointsUpdated(old: KubeObject, endpoints: KubeObject): boolean {
  const comparable = ({ metadata, subsets }: KubeObject) => {
    const { annotations: _a, generation: _g, managedFields: _m, resourceVersion: _v, ...rest } = metadata;
    return JSON.stringify([rest, subsets]);
  };
  return comparable(old) !== comparable(endpoints);
}
