// `skep clean`: removes from a cluster what `skep fleet` has made there.
import { atOnce } from "../base/queue/at-once.ts";
import { hasCode, KubeClient, type ObjectRef } from "../cloud/kube/client.ts";
import { loadKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { type Resource, resources } from "../cloud/kube/resource.ts";
import { fleetLabel } from "../edge-sim/fleet/fleet.ts";
import { UsageError } from "./failure.ts";

export interface CleanFlags {
  readonly kubeconfig?: string;
  readonly dryRun?: boolean;
}

/** Deletion order: devices before their models and Nodes. Garbage collection deletes their dependents. */
const kinds: readonly Resource[] = [resources.devices, resources.devicemodels, resources.nodes];
const AT_ONCE = 20;

export async function cleanCommand({ dryRun = false, kubeconfig }: CleanFlags): Promise<number> {
  if (kubeconfig === undefined) throw new UsageError("--kubeconfig FILE is needed: the cluster to clean");
  const kube = new KubeClient(loadKubeConfig(kubeconfig));
  try {
    const removed: string[] = [];
    for (const resource of kinds) {
      const found = await ours(kube, resource);
      removed.push(`${found.length} ${resource.plural}`);
      if (!dryRun) await removeAll(kube, found);
    }
    process.stdout.write(`${dryRun ? "would remove" : "removed"} ${removed.join(", ")}\n`);
  } finally {
    await kube.close();
  }
  return 0;
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
  await atOnce(objects, AT_ONCE, async (object) => {
    await kube.delete(object).catch((error) => {
      if (!hasCode(error, 404)) throw error;
    });
  });
}
