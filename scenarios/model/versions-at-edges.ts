// Versions of objects as they come to edges: where they go backwards.
import type { HopRecord } from "../../base/hop/hop.ts";
import { isNewerVersion } from "../../protocol/apis/kube-object.ts";
import type { WasDisturbed } from "./link-faults.ts";

/** Which hops are read, and how strictly. */
export interface VersionRule {
  /** An edge has connected. */
  readonly connect: string;
  /** It has got an object. */
  readonly got: string;
  /**
   * Of several cloudcores one may have caches that are behind, as after it was frozen: an edge that comes to it is sent what was true a
   * while ago. Then versions never go backwards over one connection, and the edge is not left with an old one.
   */
  readonly mayBeSpread: boolean;
  /** After its deletion an object of the same name may have any version, as of an API server that was begun anew. */
  readonly mayBeginAnew: boolean;
}

/** What went backwards, in words. */
export function versionsBackwards(
  hops: Iterable<HopRecord>,
  wasDisturbed: WasDisturbed,
  { connect, got, mayBeginAnew, mayBeSpread }: VersionRule,
): string[] {
  const wrong: string[] = [];
  const newest = new Map<string, { readonly version: string; readonly connection: number }>();
  /** By edge and object: the newest version that one from another connection has taken the place of. */
  const replaced = new Map<string, string>();
  const connections = new Map<string, number>();
  for (const record of hops) {
    const { hop, node, operation, resource, version } = record;
    if (hop === connect) connections.set(node, (connections.get(node) ?? 0) + 1);
    const isObject = operation === "insert" || operation === "update" || operation === "delete";
    if (hop !== got || !isObject || wasDisturbed(record)) continue;
    const key = `${node} ${resource}`;
    if (operation === "delete") {
      replaced.delete(key);
      if (mayBeginAnew) newest.delete(key);
    }
    if (version === "" || operation === "delete" && mayBeginAnew) continue;
    const connection = connections.get(node) ?? 0;
    const before = newest.get(key);
    if (before !== undefined && isNewerVersion(before.version, version)) {
      if (!mayBeSpread || before.connection === connection) {
        wrong.push(`${node} got ${resource} at ${version} after ${before.version}`);
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
