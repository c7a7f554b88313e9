// Secrets: KubeEdge sends even a new one as `update`.
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import type { DownstreamWorld, Follower } from "./downstream.ts";
import { ReferencedFollower } from "./referenced.ts";

export function secretFollower(world: DownstreamWorld): Follower {
  return new ReferencedFollower(world, resources.secrets, resourceTypes.secret, operations.update);
}
