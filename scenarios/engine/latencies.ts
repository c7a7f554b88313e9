// How long messages took, by flow: what was sent down until it was acknowledged, what was asked up until it was answered.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { Latencies } from "../model/result.ts";

/** Reads them off the hops. Flows that can't be seen (a cloud that isn't ours) are missing. */
export function latenciesOf(hops: Iterable<HopRecord>): Latencies[] {
  const flows = new Map<string, Map<number, number>>();
  const asked = new Map<string, HopRecord>();
  const count = (flow: string, ms: number) => {
    const counts = flows.get(flow) ?? new Map<number, number>();
    flows.set(flow, counts);
    counts.set(ms, (counts.get(ms) ?? 0) + 1);
  };
  for (const hop of hops) {
    if (hop.hop === "hub.ack") count(`down ${typeOf(hop.resource)}`, Math.round(hop.ack));
    if (hop.hop === "edge.write" && hop.parent === "") asked.set(hop.id, hop);
    const question = hop.hop === "edge.read" && hop.parent !== "" ? asked.get(hop.parent) : undefined;
    if (question === undefined) continue;
    asked.delete(hop.parent);
    count(`up ${question.operation} ${typeOf(question.resource)}`, hop.time - question.time);
  }
  return [...flows].sort(([a], [b]) => a < b ? -1 : 1).map(([flow, counts]) => ({
    flow,
    counts: [...counts].sort(([a], [b]) => a - b),
  }));
}

function typeOf(resource: string): string {
  if (resource.endsWith("/twin/edge_updated")) return "twin";
  if (resource.endsWith("/state/update")) return "device state";
  return resource.split("/")[1] ?? resource;
}
