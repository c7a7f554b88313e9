// `skep cloudcore resync`: has a cloudcore send everything to nodes again, whatever its records say.
import { atOnce } from "../base/queue/at-once.ts";
import { hasCode, KubeClient } from "../cloud/kube/client.ts";
import { loadKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { resources } from "../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../protocol/apis/kube-object.ts";
import { isAcknowledgedVersion, parseSyncName, resetPatch } from "../protocol/apis/reliablesyncs.ts";
import { UsageError } from "./failure.ts";

export interface ResyncFlags {
  readonly kubeconfig?: string;
}

const AT_ONCE = 20;

/** Resets the versions in the ObjectSyncs and ClusterObjectSyncs of these nodes. Our cloudcore and Go's resend objects without one. */
export async function resyncCommand(nodes: readonly string[], { kubeconfig }: ResyncFlags): Promise<number> {
  if (kubeconfig === undefined) {
    throw new UsageError("--kubeconfig FILE is needed: the cluster that the nodes belong to");
  }
  const kube = new KubeClient(loadKubeConfig(kubeconfig));
  try {
    for (const node of nodes) {
      if (await kube.find({ resource: resources.nodes, name: node }) === undefined) {
        throw new UsageError(`there is no Node ${node} in this cluster; \`kubectl get nodes\` lists them`);
      }
    }
    const wanted = new Set(nodes);
    const counts = new Map(nodes.map((node) => [node, 0]));
    for (const resource of [resources.objectsyncs, resources.clusterobjectsyncs]) {
      const { items } = await kube.list(resource);
      const records = items.filter((record) => wanted.has(nodeOf(record)) && isAcknowledged(record));
      await atOnce(records, AT_ONCE, async (record) => {
        const { name, namespace } = record.metadata;
        const ref = { resource, name, ...(namespace === undefined ? {} : { namespace }) };
        await kube.patch(ref, "merge", resetPatch, "status").catch((error) => {
          if (!hasCode(error, 404)) throw error;
        });
        counts.set(nodeOf(record), (counts.get(nodeOf(record)) ?? 0) + 1);
      });
    }
    for (const [node, count] of counts) {
      process.stdout.write(`${node}: ${count} objects will be sent again, at once or when it connects\n`);
    }
  } finally {
    await kube.close();
  }
  return 0;
}

function nodeOf(record: KubeObject): string {
  return parseSyncName(record.metadata.name).node;
}

function isAcknowledged(record: KubeObject): boolean {
  return isAcknowledgedVersion(textAt(record, "status", "objectResourceVersion"));
}
