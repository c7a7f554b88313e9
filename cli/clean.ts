// `skep clean`: removes from a cluster what `skep fleet` has made there, or what runs that were killed have left.
import { atOnce } from "../base/queue/at-once.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { hasCode, KubeClient, type ObjectRef } from "../cloud/kube/client.ts";
import { loadKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { type Resource, resources } from "../cloud/kube/resource.ts";
import { fleetLabel } from "../edge-sim/fleet/fleet.ts";
import { ignoringMissing } from "../scenarios/targets/shared-cluster.ts";
import { UsageError } from "./failure.ts";

export interface CleanFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly dryRun?: boolean;
  readonly run?: string;
  readonly olderThan?: string;
}

/** Deletion order: devices before their models and Nodes. Garbage collection deletes their dependents. */
const kinds: readonly Resource[] = [resources.devices, resources.devicemodels, resources.nodes];
const AT_ONCE = 20;

export async function cleanCommand(flags: CleanFlags): Promise<number> {
  const { context, dryRun = false, kubeconfig, olderThan, run } = flags;
  if (kubeconfig === undefined) throw new UsageError("--kubeconfig FILE is needed: the cluster to clean");
  const kube = new KubeClient(loadKubeConfig(kubeconfig, context));
  try {
    const removed = run === undefined && olderThan === undefined
      ? await cleanFleets(kube, dryRun)
      : await cleanRuns(kube, flags);
    process.stdout.write(`${dryRun ? "would remove" : "removed"} ${removed}\n`);
  } finally {
    await kube.close();
  }
  return 0;
}

async function cleanFleets(kube: KubeClient, isDry: boolean): Promise<string> {
  const removed: string[] = [];
  for (const resource of kinds) {
    const found = await ours(kube, resource);
    removed.push(`${found.length} ${resource.plural}`);
    if (!isDry) await removeAll(kube, found);
  }
  return removed.join(", ");
}

async function cleanRuns(kube: KubeClient, { dryRun, olderThan: age, run }: CleanFlags): Promise<string> {
  const { leftOvers, olderThan, removeLeftOvers } = await import("../scenarios/targets/leftovers.ts");
  const { milliseconds } = await import("../scenarios/files/duration.ts");
  const all = await leftOvers(kube, run);
  const found = age === undefined ? all : olderThan(all, milliseconds(age), Date.now());
  if (dryRun !== true) await removeLeftOvers(kube, found, new TimerWheel());
  const counts = new Map<string, number>();
  for (const { ref: { resource: { plural } } } of found) counts.set(plural, (counts.get(plural) ?? 0) + 1);
  const runs = new Set(found.map((each) => each.run));
  if (found.length === 0) return "nothing: there is nothing of such a run";
  return `${[...counts].map(([plural, count]) => `${count} ${plural}`).join(", ")} of ${[...runs].join(", ")}`;
}

/** Objects with the fleet's label; empty if the cluster does not serve the kind. */
async function ours(kube: KubeClient, resource: Resource): Promise<ObjectRef[]> {
  try {
    const { items } = await kube.list(resource, { labelSelector: fleetLabel });
    return items.map(({ metadata: { name, namespace } }) => ({
      resource,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    }));
  } catch (error) {
    if (hasCode(error, 404)) return [];
    throw error;
  }
}

async function removeAll(kube: KubeClient, objects: readonly ObjectRef[]): Promise<void> {
  await atOnce(objects, AT_ONCE, (object) => ignoringMissing(kube.delete(object)));
}
