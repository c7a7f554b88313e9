// One message through all its hops, or all that happened to one object: the records that belong together, in their order.
import { objectName, objectOf } from "../../base/hop/about.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import type { ObjectRef } from "../../cloud/inspector.ts";

/** Milliseconds between a hop without a message and the message that it led to, or came from, at most. */
const NEAR_MS = 2000;

/**
 * The hops of a message, with its answer or the message it answers, and what came before and after it where there was no message:
 * the API's event, the device's report, the value that the device took. With `node` only of that edge.
 */
export function chainOf(records: Iterable<HopRecord>, id: string, node = ""): HopRecord[] {
  const all = [...records];
  const isOfNode = (hop: HopRecord) => node === "" || hop.node === node || hop.node === "";
  const first = all.find((hop) => hop.id === id);
  const ids = new Set([id]);
  // The request of an answer, and from there the answers of the request.
  for (const hop of all) if (hop.id === id && hop.parent !== "") ids.add(hop.parent);
  const own = all.filter((hop) => (ids.has(hop.id) || ids.has(hop.parent)) && isOfNode(hop));
  if (first === undefined) return own;
  const about = objectName(objectOf(first.resource));
  const from = own[0]?.time ?? first.time;
  const to = own.at(-1)?.time ?? first.time;
  const near = all.filter((hop) => {
    if (hop.id !== "" || hop.resource === "" || objectName(objectOf(hop.resource)) !== about || !isOfNode(hop)) {
      return false;
    }
    if (hop.hop === "kube.event") return hop.version !== "" && hop.version === first.version && hop.time <= to;
    if (hop.hop === "device.apply" || (hop.hop === "twin.update" && hop.direction === "down")) {
      return first.direction === "down" && hop.time >= from && hop.time <= to + NEAR_MS;
    }
    const [, , , property] = hop.resource.split("/");
    const isInIt = property === undefined || first.text === "" || first.text.includes(`"${property}"`);
    return first.direction === "up" && isInIt && hop.time <= from && hop.time >= from - NEAR_MS;
  });
  return sorted([...nearestOnly(near, first.direction), ...own]);
}

/** All hops about an object, oldest first. */
export function historyOf(records: Iterable<HopRecord>, { kind, name, namespace }: ObjectRef): HopRecord[] {
  return [...records].filter((hop) => {
    if (hop.resource === "") return false;
    const about = objectOf(hop.resource);
    return about.kind === kind && about.name === name && (about.namespace === namespace || about.namespace === "");
  });
}

/** Of several reports that came before a message, those of the last moment; of the values taken after it, the first. */
function nearestOnly(near: readonly HopRecord[], direction: HopRecord["direction"]): HopRecord[] {
  const found = new Map<string, HopRecord>();
  for (const hop of near) {
    const key = `${hop.hop} ${hop.node} ${hop.resource}`;
    if (direction === "down" && found.has(key)) continue;
    // The later one has the later one's place.
    found.delete(key);
    found.set(key, hop);
  }
  return [...found.values()];
}

/** By time; hops of the same millisecond keep their order. */
export function sorted(records: readonly HopRecord[]): HopRecord[] {
  return records.map((record, i) => ({ record, i })).sort((a, b) => a.record.time - b.record.time || a.i - b.i).map((
    each,
  ) => each.record);
}
