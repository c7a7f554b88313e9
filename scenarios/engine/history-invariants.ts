// What must hold of everything that has happened in a scenario, judged once at its end.
import type { HopRecord } from "../../base/hop/hop.ts";
import { isNewerVersion } from "../../protocol/apis/kube-object.ts";
import { modules, resourceTypes } from "../../protocol/message/names.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { deletedThatCameAgain } from "../model/deleted-again.ts";
import type { Environment } from "../model/environment.ts";
import { disturbedIn, type WasDisturbed } from "../model/link-faults.ts";
import { ackedWithoutStoring, deviceReportsIn, storedTooLate } from "../model/stored-messages.ts";
import { type Judgement, mirrored } from "./judgement.ts";

/** All that was seen, read once for all invariants. */
export interface History {
  readonly hops: readonly HopRecord[];
  readonly wasDisturbed: WasDisturbed;
}

export function historyOf(environment: Environment): History {
  const hops = [...environment.hops.since(0)];
  return { hops, wasDisturbed: disturbedIn(hops) };
}

export function ackedIsStored(environment: Environment, { hops }: History): Judgement {
  return showsBothEnds(environment) ? ackedWithoutStoring(hops) ?? [] : "not judged";
}

export function reportsInOrder(environment: Environment, { hops, wasDisturbed }: History): Judgement {
  if (!showsBothEnds(environment)) return "not judged";
  return deviceReportsIn(hops)?.flatMap((device) => storedTooLate(device, wasDisturbed)) ?? [];
}

/** Whether every message was seen at edges. */
function showsEdges({ capabilities, hops }: Environment): boolean {
  return hops.lost === 0 && capabilities.has("edge-messages");
}

/** And at cloudcore. */
function showsBothEnds(environment: Environment): boolean {
  return showsEdges(environment) && environment.capabilities.has("cloud-messages");
}

/**
 * Of several cloudcores one may have caches that are behind, as after it was frozen: an edge that comes to it is sent what was true a
 * while ago. Then versions never go backwards over one connection, and the edge is not left with an old one.
 */
export function noVersionBackwards(environment: Environment, { hops, wasDisturbed }: History): Judgement {
  if (!showsEdges(environment)) return "not judged";
  const isSpread = environment.cloudcores > 1;
  const wrong: string[] = [];
  const newest = new Map<string, { readonly version: string; readonly connection: number }>();
  /** By edge and object: the newest version that one from another connection has taken the place of. */
  const replaced = new Map<string, string>();
  const connections = new Map<string, number>();
  for (const record of hops) {
    const { hop, node, operation, resource, version } = record;
    if (hop === "edge.connect") connections.set(node, (connections.get(node) ?? 0) + 1);
    if (hop !== "edge.store" || version === "" || wasDisturbed(record)) continue;
    const key = `${node} ${resource}`;
    const connection = connections.get(node) ?? 0;
    const before = newest.get(key);
    if (before !== undefined && isNewerVersion(before.version, version)) {
      if (!isSpread || before.connection === connection) {
        wrong.push(`${node} stored ${resource} at ${version} after ${before.version}`);
      } else if (!isNewerVersion(replaced.get(key), before.version)) replaced.set(key, before.version);
    }
    newest.set(key, { version, connection });
    if (operation === "delete" || !isNewerVersion(replaced.get(key), version)) replaced.delete(key);
  }
  for (const [key, version] of replaced) {
    const [node, resource = ""] = key.split(" ");
    wrong.push(`${node} is left with ${resource} at ${newest.get(key)?.version}, and had ${version} before`);
  }
  return wrong;
}

export function deliveredToOwners(environment: Environment, { hops }: History): Judgement {
  if (!showsEdges(environment)) return "not judged";
  const wrong = new Set<string>();
  for (const record of hops) {
    if (record.hop !== "edge.read" || record.operation === "delete" || record.operation === "response") continue;
    if (!mirrored.has(record.resource.split("/")[1] ?? "") || record.source === modules.dynamiccontroller) continue;
    if (record.resource === wirePath(noNamespace, resourceTypes.node, record.node)) continue;
    const owners = environment.owners(record.resource);
    if (owners === undefined) return "not judged";
    if (!owners.has(record.node)) {
      wrong.add(
        `${record.node} got ${record.resource}, which was never bound to it, and no pod or device bound to it uses it`,
      );
    }
  }
  return [...wrong];
}

/** An object of a uid that an edge has deleted does not come to it again; devices may leave and come back. */
export function deletedStay(environment: Environment, { hops, wasDisturbed }: History): Judgement {
  if (!showsEdges(environment)) return "not judged";
  return deletedThatCameAgain(hops.filter(({ hop }) => hop === "edge.read"), wasDisturbed);
}
