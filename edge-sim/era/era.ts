// What differs at an edge between KubeEdge's eras: one object, chosen where the edge is created.
import { today } from "./today.ts";
import type { EdgeEra } from "./edge-era.ts";
import { v11 } from "./v1.1.ts";

/** The version of KubeEdge an edge simulates. */
export type EdgeVersion = "v1.1" | "v1.23";

/** What an edge of a version does. */
export function eraOf(version: EdgeVersion = "v1.23"): EdgeEra {
  return version === "v1.1" ? v11 : today;
}
