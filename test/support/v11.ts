// A cloud for nodes of KubeEdge v1.1, and edges of that era by hand.
import { resources } from "../../cloud/kube/resource.ts";
import type { CloudCoreConfig } from "../../cloud/config/config.ts";
import { kubeedgeCrdsOfBothEras } from "../../protocol/apis/crds.ts";
import { legacySubject } from "../../protocol/pki/legacy.ts";
import { addNode, edgeLabels } from "./nodes.ts";
import { type RawEdge, rawEdge } from "./raw-edge.ts";
import { type Cloud, startCloud } from "./start.ts";

/** What tells nodes of v1.1 in tests. */
const eraLabel = { era: "old" };

/** A cloudcore with `eras` over an API that serves v1alpha1 too; nobody looks after nodes. Timers as in startCloud. */
export function startCloudOfBothEras(config: Partial<CloudCoreConfig> = {}): Promise<Cloud> {
  const eras = [{ nodeSelector: eraLabel, era: "v1.1" as const }];
  return startCloud({
    config: { eras, keepaliveInterval: 60_000, ...config },
    api: { controllers: false, seed: kubeedgeCrdsOfBothEras },
  });
}

/** Makes the Node of an edge of v1.1, as its operator does. */
export async function makeNodeOfV11({ kube }: Cloud, name: string): Promise<void> {
  await addNode(kube, name, { labels: { ...edgeLabels, ...eraLabel } });
}

/** Connects with the certificate that all edges of v1.1 share. The Node must be there, and known to the cloud. */
export async function rawEdgeOfV11(cloud: Cloud, name: string): Promise<RawEdge> {
  for (let tried = 1;; tried++) {
    try {
      return await rawEdge(cloud, name, {}, legacySubject);
    } catch (error) {
      // The cloud's cache may lag behind the Node's creation for a moment.
      if (tried === 100 || !(error as Error).message.includes("403")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Sets a node's Ready condition. */
export async function setReady({ kube }: Cloud, name: string, status: "True" | "False"): Promise<void> {
  const conditions = [{ type: "Ready", status }];
  await kube.patch({ resource: resources.nodes, name }, "merge", { status: { conditions } }, "status");
}
