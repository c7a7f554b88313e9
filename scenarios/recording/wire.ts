// The messages of a recording: each once, as it stood on the wire, from the hop that shows most of them.
import type { HopRecord } from "../../base/hop/hop.ts";

/** A pair of hops where every message of both directions is seen. The hub sees what no edge has read; an edge what is left of that. */
const views = [["hub.write", "hub.read"], ["proxy.down", "proxy.up"], ["edge.read", "edge.write"]] as const;

/** The messages of both directions in their order, without resends. Empty where the recording has no hop of the wire. */
export function wireOf(hops: readonly HopRecord[]): HopRecord[] {
  const seen = new Set(hops.map(({ hop }) => hop));
  const view = views.find(([down, up]) => seen.has(down) || seen.has(up));
  if (view === undefined) return [];
  const ids = new Set<string>();
  return hops.filter((hop) => {
    if (hop.hop !== view[0] && hop.hop !== view[1]) return false;
    // A resend has the id of the first copy; messages without an id can't be told apart.
    const key = `${hop.direction} ${hop.node} ${hop.id}`;
    if (hop.id !== "" && ids.has(key)) return false;
    ids.add(key);
    return true;
  });
}

/** The hop that a recording's messages are seen at, for a sentence. */
export function viewOf(hops: readonly HopRecord[]): string {
  const seen = new Set(hops.map(({ hop }) => hop));
  return views.find(([down, up]) => seen.has(down) || seen.has(up))?.join(" and ") ?? "none";
}
