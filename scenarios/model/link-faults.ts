// Messages whose order or number a fault of a link has changed: what becomes of them says nothing about a cloudcore.
import type { HopRecord } from "../../base/hop/hop.ts";

/** Whether a fault has sent this message late or twice to its edge. */
export type WasDisturbed = (hop: HopRecord) => boolean;

/** Reads them once. */
export function disturbedIn(hops: Iterable<HopRecord>): WasDisturbed {
  const found = new Set<string>();
  for (const { hop, id, node, outcome } of hops) {
    const isAltered = hop === "link.alter" || hop === "proxy.alter";
    if (isAltered && id !== "" && /^(reordered|duplicated)/.test(outcome)) found.add(`${node} ${id}`);
  }
  return ({ id, node }) => found.has(`${node} ${id}`);
}
