// What runs have left in a cluster, found by their label in every kind there is, and removed.
import { atOnce } from "../../base/queue/at-once.ts";
import type { Clock } from "../../base/time/clock.ts";
import { hasCode, type KubeClient, type ObjectRef } from "../../cloud/kube/client.ts";
import { at, type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { runLabel } from "../model/run-label.ts";
import { forceEmpty, ignoringMissing, removeNamespace } from "./shared-cluster.ts";

/** One object that a run has made. */
export interface LeftOver {
  readonly ref: ObjectRef;
  readonly run: string;
  /** When it was made, Unix milliseconds. */
  readonly since: number;
}

/** Calls of the API at the same time. */
const AT_ONCE = 10;

/** All objects with the label of a run, or of any; kinds that may not be listed are passed over. */
export async function leftOvers(kube: KubeClient, run?: string): Promise<LeftOver[]> {
  const labelSelector = run === undefined ? runLabel : `${runLabel}=${run}`;
  const found: LeftOver[] = [];
  await atOnce(await kube.removableKinds(), AT_ONCE, async (resource) => {
    const { items } = await kube.list(resource, { labelSelector }).catch((error) => {
      if (hasCode(error, 403) || hasCode(error, 404) || hasCode(error, 405)) return { items: [] as KubeObject[] };
      throw error;
    });
    for (const object of items) {
      const { name, namespace } = object.metadata;
      found.push({
        ref: { resource, name, ...(namespace === undefined ? {} : { namespace }) },
        run: textAt(object, "metadata", "labels", runLabel),
        since: Date.parse(String(at(object, "metadata", "creationTimestamp") ?? "")) || 0,
      });
    }
  });
  return found;
}

/** Those of runs that began longer ago than so many milliseconds. */
export function olderThan(found: readonly LeftOver[], ms: number, now: number): LeftOver[] {
  const began = new Map<string, number>();
  for (const { run, since } of found) began.set(run, Math.min(since, began.get(run) ?? Infinity));
  return found.filter(({ run }) => (began.get(run) ?? now) < now - ms);
}

/** Removes them: what is in namespaces of theirs goes with these, Nodes come last. Pods are removed by force: their edges are gone. */
export async function removeLeftOvers(kube: KubeClient, found: readonly LeftOver[], clock: Clock): Promise<void> {
  const of = (plural: string) =>
    found.filter(({ ref }) => ref.resource.plural === plural && ref.resource.apiVersion === "v1");
  const namespaces = of("namespaces").map(({ ref }) => ref.name);
  const nodes = new Set(of("nodes"));
  const others = found.filter((each) =>
    !nodes.has(each) && each.ref.resource.plural !== "namespaces" && !namespaces.includes(each.ref.namespace ?? "")
  );
  const remove = async ({ ref }: LeftOver) => {
    await ignoringMissing(kube.delete(ref, ref.resource.plural === "pods" ? { gracePeriodSeconds: 0 } : {}));
  };
  await atOnce(others, AT_ONCE, remove);
  await atOnce(namespaces, AT_ONCE, async (name) => {
    await forceEmpty(kube, name);
    await removeNamespace(kube, name, clock, 1);
  });
  await atOnce([...nodes], AT_ONCE, remove);
}
