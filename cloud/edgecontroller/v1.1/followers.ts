// What only nodes of v1.1 are sent: services, endpoints, and lists of them.
import type { DownstreamDeps, Follower } from "../downstream/downstream.ts";
import { EndpointsFollower } from "./endpoints.ts";
import { serviceFollower } from "./service.ts";
import { ServiceIndex } from "./service-index.ts";
import { ServiceListsFollower } from "./service-lists.ts";

export function followersOfV11(deps: DownstreamDeps): Follower[] {
  const index = new ServiceIndex(deps.caches);
  return [serviceFollower(deps), new EndpointsFollower(deps, index), new ServiceListsFollower(deps, index)];
}
