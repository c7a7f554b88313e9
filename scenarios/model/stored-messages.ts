// What became of messages that had to be stored: acknowledged ones at edges, reports of devices in the API.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { WasDisturbed } from "./link-faults.ts";

/** What edges have acknowledged without storing it, in words; undefined where the hops don't show both. */
export function ackedWithoutStoring(hops: readonly HopRecord[]): string[] | undefined {
  if (!hops.some(({ hop }) => hop === "edge.store") || !hops.some(({ hop }) => hop === "hub.ack")) return undefined;
  const stored = new Set<string>();
  const nodes = new Set(hops.filter(({ hop }) => hop.startsWith("edge.")).map(({ node }) => node));
  const wrong: string[] = [];
  for (const hop of hops) {
    if (hop.hop === "edge.store") stored.add(`${hop.node} ${hop.id}`);
    if (hop.hop !== "hub.ack" || !nodes.has(hop.node)) continue;
    // Answers are stored by who asked, without a hop of their own. The deletion of a former pod leaves the present one of its name.
    if (hop.operation === "response" || hop.operation === "delete") continue;
    if (!stored.has(`${hop.node} ${hop.id}`)) {
      wrong.push(`${hop.node} acknowledged ${hop.resource} (${hop.id}) without storing it`);
    }
  }
  return wrong;
}

/** Reports of one device: as its edge wrote them, and those of them that were stored in the API. */
export interface DeviceReports {
  /** As in `device/default/thermo-1/twin/edge_updated`. */
  readonly resource: string;
  /** In the order of their times: hops of several processes come in batches. */
  readonly hops: readonly HopRecord[];
}

/** By device; undefined where the hops don't show what is written to the API. */
export function deviceReportsIn(hops: readonly HopRecord[]): DeviceReports[] | undefined {
  const reports = hops.filter(({ resource }) => /^device\/.+\/twin\/edge_updated$/.test(resource));
  if (!reports.some(({ hop }) => hop === "edge.write") || !hops.some(({ hop }) => hop === "kube.write")) {
    return undefined;
  }
  return [...Map.groupBy(reports, ({ resource }) => resource)].map(([resource, each]) => ({
    resource,
    hops: each.filter((hop) => hop.hop === "edge.write" || isStored(hop)).sort((one, other) => one.time - other.time),
  }));
}

/** Whether cloudcore has stored a report in the API. */
export function isStored({ hop, outcome }: HopRecord): boolean {
  return hop === "kube.write" && outcome.startsWith("stored");
}

/**
 * Reports that were stored after later ones, in words. One that is sent again takes its place anew, as what it reports may have been
 * overtaken by another property's.
 */
export function storedTooLate({ hops, resource }: DeviceReports, wasDisturbed: WasDisturbed): string[] {
  const place = new Map<string, number>();
  const wrong: string[] = [];
  const seen = new Set<string>();
  let newest = -1;
  let count = 0;
  for (const hop of hops) {
    if (hop.hop === "edge.write") {
      place.set(hop.id, count++);
      continue;
    }
    const at = place.get(hop.id);
    if (at === undefined || seen.has(hop.id) || wasDisturbed(hop)) continue;
    seen.add(hop.id);
    if (at < newest) wrong.push(`${resource}: the report ${hop.id} was stored after a later one`);
    newest = Math.max(newest, at);
  }
  return wrong;
}
