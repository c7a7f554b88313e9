// Real edges in the place of simulated ones: Nodes that are there, chosen by their labels, under the names that a scenario writes.
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeName } from "../../edge-sim/fleet/fleet.ts";
import { type KubeObject, listAt, textAt } from "../../protocol/apis/kube-object.ts";
import type { Scenario } from "../model/scenario.ts";
import { LackingError } from "../model/target.ts";

/** By the scenario's name of an edge, such as `gw-0`: the Node. */
export type NodeNames = ReadonlyMap<string, string>;

/** Whether a Node is Ready; false where there is none. */
export function isReady(node: KubeObject | undefined): boolean {
  return listAt(node, "status", "conditions").some((condition) =>
    textAt(condition, "type") === "Ready" && textAt(condition, "status") === "True"
  );
}

/** Chooses a Node that is Ready for each edge of a scenario, none twice. Rejects with LackingError where there are too few. */
export async function chooseNodes(
  kube: KubeClient,
  { fleet }: Pick<Scenario, "fleet">,
  selectors: Readonly<Record<string, string>>,
): Promise<NodeNames> {
  const chosen = new Map<string, string>();
  const taken = new Set<string>();
  for (const { cohort, count = 1 } of fleet) {
    const labelSelector = selectors[cohort] ?? selectors["*"];
    if (labelSelector === undefined) {
      throw new LackingError(
        `the target says no Nodes for the cohort ${cohort}; it has ${Object.keys(selectors).join(", ")}`,
      );
    }
    const { items } = await kube.list(resources.nodes, { labelSelector });
    const ready = items.filter(isReady).map(({ metadata }) => metadata.name).filter((name) => !taken.has(name)).sort();
    if (ready.length < count) {
      throw new LackingError(
        `the cohort ${cohort} needs ${count} Nodes with ${labelSelector}; ${ready.length} are free and Ready`,
      );
    }
    for (let i = 0; i < count; i++) {
      const node = ready[i] as string;
      taken.add(node);
      chosen.set(edgeName(cohort, i), node);
    }
  }
  return chosen;
}

/** A value with these names in its texts. Variables must have been replaced: `gw-$i` is nobody's name. */
export function withNodeNames<T>(value: T, names: NodeNames): T {
  if (names.size === 0) return value;
  const longestFirst = [...names.keys()].sort((one, other) => other.length - one.length).map((name) =>
    RegExp.escape(name)
  );
  const pattern = new RegExp(`(?<![A-Za-z0-9])(?:${longestFirst.join("|")})(?![A-Za-z0-9])`, "g");
  const text = (given: string) => given.replace(pattern, (name) => names.get(name) as string);
  const renamed = (inner: unknown): unknown => {
    if (typeof inner === "string") return text(inner);
    if (Array.isArray(inner)) return inner.map(renamed);
    if (typeof inner !== "object" || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, each]) => [text(key), renamed(each)]));
  };
  return renamed(value) as T;
}
