// Messages whose order, number or text a fault of a link has changed: what becomes of them says nothing about a cloudcore.
import type { HopRecord } from "../../base/hop/hop.ts";

/** Whether a fault has sent this message late, twice or with another byte. */
export type WasDisturbed = (hop: HopRecord) => boolean;

/** Reads them once. */
export function disturbedIn(hops: Iterable<HopRecord>): WasDisturbed {
  const found = new Set<string>();
  for (const hop of hops) if (isAltered(hop) && hop.id !== "") found.add(`${hop.node} ${hop.id}`);
  return ({ id, node }) => found.has(`${node} ${id}`);
}

/** Whether it tells of what a fault did to a message. Of one that is corrupted it has what came of it. */
export function isAltered({ hop }: HopRecord): boolean {
  return hop === "link.alter" || hop === "proxy.alter";
}
