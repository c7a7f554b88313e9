// What must hold of everything that has happened in a scenario, judged once at its end.
import type { HopRecord } from "../../base/hop/hop.ts";
import { modules, resourceTypes } from "../../protocol/message/names.ts";
import { noNamespace, wirePath } from "../../protocol/resource/path.ts";
import { deletedThatCameAgain } from "../model/deleted-again.ts";
import type { Environment } from "../model/environment.ts";
import { disturbedIn, type WasDisturbed } from "../model/link-faults.ts";
import { ackedWithoutStoring, deviceReportsIn, storedTooLate } from "../model/stored-messages.ts";
import { versionsBackwards } from "../model/versions-at-edges.ts";
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

export function noVersionBackwards(environment: Environment, { hops, wasDisturbed }: History): Judgement {
  if (!showsEdges(environment)) return "not judged";
  const mayBeSpread = environment.cloudcores > 1;
  return versionsBackwards(hops, wasDisturbed, {
    connect: "edge.connect",
    got: "edge.store",
    mayBeSpread,
    mayBeginAnew: false,
  });
}

export function deliveredToOwners(environment: Environment, { hops, wasDisturbed }: History): Judgement {
  if (!showsEdges(environment)) return "not judged";
  const wrong = new Set<string>();
  for (const record of hops) {
    if (record.hop !== "edge.read" || record.operation === "delete" || record.operation === "response") continue;
    if (!mirrored.has(record.resource.split("/")[1] ?? "") || record.source === modules.dynamiccontroller) continue;
    // A byte of its name may be another one.
    if (wasDisturbed(record)) continue;
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
