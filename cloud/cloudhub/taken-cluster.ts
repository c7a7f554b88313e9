// Whether a cluster is another cloudcore's: two kinds of them must not serve the same edges without anybody having said so.
import { SkepError } from "../../base/error/skep-error.ts";
import { at } from "../../protocol/apis/kube-object.ts";
import { CA_SECRET, managedBy, SECRETS_NAMESPACE } from "./certificates.ts";
import { hasCode, KubeClient } from "../kube/client.ts";
import type { PooledKubeConfig } from "../kube/kubeconfig.ts";
import { resources } from "../kube/resource.ts";

/** A cluster with a cloudcore that is not ours, or with the CA of one. */
export class TakenClusterError extends SkepError {
  readonly code = "SKEP_TAKEN_CLUSTER";
}

/** The labels of cloudcore's pods in KubeEdge's manifests and chart. */
const CLOUDCORE_PODS = "kubeedge=cloudcore";

/**
 * Rejects with TakenClusterError where the cluster's `casecret` was not made by skep, or a pod of KubeEdge's cloudcore runs. With
 * `takeOver` it marks the secret as ours instead, so that this has to be said once.
 */
export async function refuseTakenCluster(kubeconfig: PooledKubeConfig, takeOver: boolean): Promise<void> {
  const kube = new KubeClient(kubeconfig);
  try {
    const ref = { resource: resources.secrets, namespace: SECRETS_NAMESPACE, name: CA_SECRET };
    const [secret, pods] = await Promise.all([
      kube.find(ref),
      kube.list(resources.pods, { namespace: SECRETS_NAMESPACE, labelSelector: CLOUDCORE_PODS }),
    ]);
    const isForeign = secret !== undefined &&
      Object.entries(managedBy).some(([key, value]) => at(secret, "metadata", "labels", key) !== value);
    const running = pods.items.filter((pod) => at(pod, "status", "phase") === "Running");
    if (takeOver) {
      if (isForeign) await kube.patch(ref, "merge", { metadata: { labels: managedBy } });
      return;
    }
    if (running[0] !== undefined) {
      throw new TakenClusterError(
        `a cloudcore runs in this cluster: pod ${SECRETS_NAMESPACE}/${running[0].metadata.name}`,
      );
    }
    if (isForeign) {
      throw new TakenClusterError(
        `this cluster has the CA of another cloudcore: secret ${SECRETS_NAMESPACE}/${CA_SECRET} was not made by skep`,
      );
    }
  } catch (error) {
    // Without the namespace there is no cloudcore, and no secret.
    if (!hasCode(error, 404)) throw error;
  } finally {
    await kube.close();
  }
}
