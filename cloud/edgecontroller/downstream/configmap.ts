// ConfigMaps: a new one comes as `insert`.
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import type { DownstreamWorld, Follower } from "./downstream.ts";
import { ReferencedFollower } from "./referenced.ts";

export function configMapFollower(world: DownstreamWorld): Follower {
  return new ReferencedFollower(world, resources.configmaps, resourceTypes.configmap, operations.insert);
}
