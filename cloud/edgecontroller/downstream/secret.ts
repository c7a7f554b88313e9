// Secrets: KubeEdge sends even a new one as `update`.
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import type { DownstreamDeps, Follower } from "./downstream.ts";
import { ReferencedFollower } from "./referenced.ts";

export function secretFollower(deps: DownstreamDeps): Follower {
  return new ReferencedFollower(deps, resources.secrets, resourceTypes.secret, operations.update);
}
