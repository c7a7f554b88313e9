// ConfigMaps to the nodes whose pods use them. A new one is sent as `insert`.
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import type { DownstreamDeps, Follower } from "./downstream.ts";
import { ReferencedFollower } from "./referenced.ts";

export function configMapFollower(deps: DownstreamDeps): Follower {
  return new ReferencedFollower(deps, resources.configmaps, resourceTypes.configmap, operations.insert);
}
