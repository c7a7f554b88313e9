// Judges a recording alone: what must hold of every history of messages, as far as its hops show it.
import type { HopRecord } from "../../base/hop/hop.ts";
import { closedHere } from "../../base/transport/message-socket.ts";
import { listAt, textAt } from "../../protocol/apis/kube-object.ts";
import { contentOf, deletedThatCameAgain } from "../model/deleted-again.ts";
import { disturbedIn } from "../model/link-faults.ts";
import { ackedWithoutStoring, deviceReportsIn, isStored, storedTooLate } from "../model/stored-messages.ts";
import { versionsBackwards } from "../model/versions-at-edges.ts";
import { needsRecordedAck } from "./acknowledged.ts";
import type { InvariantResult } from "../model/result.ts";

/** A rule: what is wrong, in words; undefined where the recording doesn't show what it needs. */
interface Rule {
  readonly name: string;
  judge(hops: readonly HopRecord[]): string[] | undefined;
}

const DETAILS = 10;
/** Milliseconds that an acknowledgement may take. */
const UNDER_WAY_MS = 2000;

const rules: readonly Rule[] = [
  { name: "what is acknowledged has been stored", judge: ackedWithoutStoring },
  { name: "no version went backwards", judge: noVersionBackwards },
  { name: "a deleted object stays deleted", judge: deletedStays },
  { name: "nothing was delivered to a node that doesn't own it", judge: deliveredToOwners },
  { name: "reports of a device are stored in their order, the last one always", judge: reportsStored },
  { name: "a device takes the value that was last desired of it", judge: desiresTaken },
  { name: "every message was acknowledged, or replaced, by the end", judge: allAcknowledged },
];

export function judgeRecording(recorded: readonly HopRecord[]): InvariantResult[] {
  // Hops of several processes come in batches: their order is that of their times.
  const hops = recorded.toSorted((one, other) => one.time - other.time);
  return rules.map(({ judge, name }) => {
    const found = judge(hops);
    if (found === undefined) return { name, verdict: "not judged", details: [] };
    return { name, verdict: found.length === 0 ? "held" : "broken", details: found.slice(0, DETAILS) };
  });
}

/** Where it shows best what edges got: nearest to them. */
function deliveryHop(hops: readonly HopRecord[]): string | undefined {
  return ["edge.read", "proxy.down", "hub.write"].find((name) => hops.some(({ hop }) => hop === name));
}

/** What edges got there. */
function deliveries(hops: readonly HopRecord[]): HopRecord[] | undefined {
  const name = deliveryHop(hops);
  return name === undefined ? undefined : hops.filter(({ hop }) => hop === name);
}

function noVersionBackwards(hops: readonly HopRecord[]): string[] | undefined {
  const got = hops.some(({ hop }) => hop === "edge.store") ? "edge.store" : deliveryHop(hops);
  if (got === undefined) return undefined;
  const connect = `${got.split(".")[0]}.connect`;
  // A recording doesn't say how many cloudcores there were.
  return versionsBackwards(hops, disturbedIn(hops), { connect, got, mayBeSpread: true, mayBeginAnew: true });
}

function deletedStays(hops: readonly HopRecord[]): string[] | undefined {
  const got = deliveries(hops);
  if (got === undefined || !got.some(({ text }) => text !== "")) return undefined;
  return deletedThatCameAgain(got, disturbedIn(hops));
}

function deliveredToOwners(hops: readonly HopRecord[]): string[] | undefined {
  const got = deliveries(hops)?.filter((hop) =>
    /^[^/]+\/(pod|device)\//.test(hop.resource) && (hop.operation === "insert" || hop.operation === "update")
  );
  if (got === undefined || !got.some(({ text }) => text !== "")) return undefined;
  const wrong: string[] = [];
  const wasDisturbed = disturbedIn(hops);
  for (const hop of got) {
    if (hop.text === "" || wasDisturbed(hop)) continue;
    const owner = textAt(contentOf(hop), "spec", "nodeName");
    if (owner !== hop.node) {
      wrong.push(`${hop.node} got ${hop.resource}, which is bound to ${owner === "" ? "no node" : owner}`);
    }
  }
  return wrong;
}

function reportsStored(hops: readonly HopRecord[]): string[] | undefined {
  const devices = deviceReportsIn(hops);
  if (devices === undefined) return undefined;
  const lastLost = losses(hops);
  const until = (hops.at(-1)?.time ?? 0) - UNDER_WAY_MS;
  const wasDisturbed = disturbedIn(hops);
  return devices.flatMap((device) => {
    const wrong = storedTooLate(device, wasDisturbed);
    const last = device.hops.findLast(({ hop }) => hop === "edge.write");
    if (last === undefined || last.time > until || device.hops.some((hop) => isStored(hop) && hop.id === last.id)) {
      return wrong;
    }
    const isLost = hops.lastIndexOf(last) < (lastLost.get(last.node) ?? -1);
    return isLost ? wrong : [...wrong, `${device.resource}: the last report (${last.id}) was never stored`];
  });
}

/** What each device was last sent, and what it took: seen where devices are simulated. */
function desiresTaken(hops: readonly HopRecord[]): string[] | undefined {
  const sent = hops.filter(({ hop, operation, resource, text }) =>
    hop === "edge.read" && (operation === "insert" || operation === "update") && text !== "" &&
    /^[^/]+\/device\//.test(resource)
  );
  const taken = hops.filter(({ hop }) => hop === "device.apply");
  if (sent.length === 0 || taken.length === 0) return undefined;
  const wrong: string[] = [];
  const until = (hops.at(-1)?.time ?? 0) - UNDER_WAY_MS;
  const values = new Map<string, string>();
  for (const { outcome, resource } of taken) values.set(resource, outcome);
  const last = new Map(sent.map((hop) => [`${hop.node} ${hop.resource}`, hop]));
  for (const hop of last.values()) {
    const [namespace, , name] = hop.resource.split("/");
    for (const property of listAt(contentOf(hop), "spec", "properties")) {
      const wanted = textAt(property, "desired", "value");
      const found = values.get(`device/${namespace}/${name}/${textAt(property, "name")}`);
      // What a device never took is read-only, or was its own already.
      if (wanted === "" || found === undefined || found === wanted || hop.time > until) continue;
      wrong.push(`${namespace}/${name} was last asked for ${textAt(property, "name")} ${wanted}, and took ${found}`);
    }
  }
  return wrong;
}

/**
 * By node: the place of the last end of its connection. A cloudcore that was killed says nothing of it, the edge does; one that its edge
 * has closed, as at the end of a run, loses nothing that this edge was to acknowledge before.
 */
function losses(hops: readonly HopRecord[]): Map<string, number> {
  const last = new Map<string, number>();
  hops.forEach(({ hop, node, outcome }, i) => {
    const isLost = hop === "hub.disconnect" || hop === "proxy.disconnect" ||
      hop === "edge.disconnect" && outcome !== closedHere;
    if (isLost) last.set(node, i);
  });
  return last;
}

function allAcknowledged(hops: readonly HopRecord[]): string[] | undefined {
  const sent = hops.filter(({ hop }) => hop === "hub.write" || hop === "proxy.down");
  if (sent.length === 0) return undefined;
  const acked = new Set(
    hops.filter(({ hop, operation }) => operation === "response" && (hop === "hub.read" || hop === "proxy.up")).map((
      hop,
    ) => `${hop.node} ${hop.parent}`),
  );
  // What was sent last to an edge may still be under way, and what an edge lost with its connection is sent again.
  const lastLost = losses(hops);
  // What was written just before the end may be acknowledged after it.
  const until = (hops.at(-1)?.time ?? 0) - UNDER_WAY_MS;
  const later = new Set<string>();
  const wrong: string[] = [];
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = hops[i] as HopRecord;
    if (hop.hop !== "hub.write" && hop.hop !== "proxy.down") continue;
    const key = `${hop.node} ${hop.resource}`;
    const isReplaced = later.has(key) || i < (lastLost.get(hop.node) ?? -1);
    later.add(key);
    if (hop.time <= until && needsRecordedAck(hop) && !isReplaced && !acked.has(`${hop.node} ${hop.id}`)) {
      wrong.push(`${hop.node} has not acknowledged ${hop.operation} ${hop.resource} (${hop.id})`);
    }
  }
  return wrong.reverse();
}
