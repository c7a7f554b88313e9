// Whether a cluster is another cloudcore's: two kinds of them must not serve the same edges without anybody having said so.
import { SkepError } from "../../base/error/skep-error.ts";
import { at } from "../../protocol/apis/kube-object.ts";
import { CA_SECRET, managedBy, SECRETS_NAMESPACE } from "./certificates.ts";
import { KubeClient } from "../kube/client.ts";
import type { PooledKubeConfig } from "../kube/kubeconfig.ts";
import { resources } from "../kube/resource.ts";

/** A cluster with a cloudcore that is not ours, or with the CA of one. */
export class TakenClusterError extends SkepError {
  readonly code = "SKEP_TAKEN_CLUSTER";
}

/** The labels of cloudcore's pods in KubeEdge's manifests and chart. */
const CLOUDCORE_PODS = "kubeedge=cloudcore";

/**
 * Rejects with TakenClusterError where the cluster's `casecret` was not made by skep, or where there is none and a pod of KubeEdge's cloudcore runs. With
 * `takeOver` it marks the secret as ours instead, so that this has to be said once.
 */
export async function refuseTakenCluster(kubeconfig: PooledKubeConfig, takeOver: boolean): Promise<void> {
  await withClient(kubeconfig, async (kube) => {
    const ref = { resource: resources.secrets, namespace: SECRETS_NAMESPACE, name: CA_SECRET };
    const secret = await kube.find(ref);
    const isForeign = secret !== undefined &&
      Object.entries(managedBy).some(([key, value]) => at(secret, "metadata", "labels", key) !== value);
    if (takeOver) {
      if (isForeign) await kube.patch(ref, "merge", { metadata: { labels: managedBy } });
      return;
    }
    // Where the CA is ours, cloudcore's pods are ours, too, or it has been taken over.
    if (secret !== undefined && !isForeign) return;
    await refusePods(kube);
    if (!isForeign) return;
    throw new TakenClusterError(
      `this cluster has the CA of another cloudcore: secret ${SECRETS_NAMESPACE}/${CA_SECRET} was not made by skep`,
    );
  });
}

/** Rejects with TakenClusterError where a pod of KubeEdge's cloudcore runs: for one that is KubeEdge's, too, and shares its CA. */
export async function refuseRunningCloudcore(kubeconfig: PooledKubeConfig, takeOver: boolean): Promise<void> {
  if (!takeOver) await withClient(kubeconfig, refusePods);
}

async function refusePods(kube: KubeClient): Promise<void> {
  const { items } = await kube.list(resources.pods, { namespace: SECRETS_NAMESPACE, labelSelector: CLOUDCORE_PODS });
  // In the place of KubeEdge's image we are such a pod ourselves.
  const running = items.find((pod) =>
    at(pod, "status", "phase") === "Running" && pod.metadata.name !== process.env.HOSTNAME
  );
  if (running === undefined) return;
  throw new TakenClusterError(`a cloudcore runs in this cluster: pod ${SECRETS_NAMESPACE}/${running.metadata.name}`);
}

async function withClient(kubeconfig: PooledKubeConfig, work: (kube: KubeClient) => Promise<void>): Promise<void> {
  const kube = new KubeClient(kubeconfig);
  try {
    await work(kube);
  } finally {
    await kube.close();
  }
}
