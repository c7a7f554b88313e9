// Services to every connected node of v1.1; today's edges ask a metaserver for them.
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import type { DownstreamDeps } from "../downstream/downstream.ts";
import { ObjectFollower } from "../downstream/object.ts";
import { connectedOfV11 } from "./service-lists.ts";

export function serviceFollower(deps: DownstreamDeps): ObjectFollower {
  return new ObjectFollower(deps, {
    resource: resources.services,
    type: resourceTypes.service,
    firstOperation: operations.insert,
    unneeded: "no node of KubeEdge v1.1 is connected",
    nodesOf: () => connectedOfV11(deps),
  });
}
