// Objects that an edge was sent again after their deletion: never right, but for devices, which leave a node and come back.
import type { HopRecord } from "../../base/hop/hop.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { parseJson } from "../../protocol/json.ts";
import type { WasDisturbed } from "./link-faults.ts";

/** What is wrong in what edges have got, oldest first, in words. Hops without their messages show nothing. */
export function deletedThatCameAgain(got: readonly HopRecord[], wasDisturbed: WasDisturbed): string[] {
  const wrong: string[] = [];
  const deleted = new Map<string, string>();
  for (const hop of got) {
    const key = `${hop.node} ${hop.resource}`;
    if (hop.operation === "delete") deleted.set(key, uidIn(hop));
    if (hop.operation !== "insert" && hop.operation !== "update" || !deleted.has(key) || wasDisturbed(hop)) continue;
    const uid = uidIn(hop);
    // Devices leave a node and come back as the same object.
    const mayComeBack = /^[^/]+\/(device|devicemodel)\//.test(hop.resource);
    if (!mayComeBack && uid !== "" && deleted.get(key) === uid) {
      wrong.push(`${hop.node} got ${hop.resource} again after its deletion (uid ${uid})`);
    }
  }
  return wrong;
}

/** The content of a hop's message; undefined where it has none. */
export function contentOf({ text }: HopRecord): unknown {
  try {
    return (parseJson(text) as { readonly content?: unknown } | null)?.content;
  } catch {
    return undefined;
  }
}

/** The uid of the object inside; empty where there is none. */
export function uidIn(hop: HopRecord): string {
  return hop.text === "" ? "" : textAt(contentOf(hop), "metadata", "uid");
}
