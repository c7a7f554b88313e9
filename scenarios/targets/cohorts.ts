// Cohorts in the words of a scenario, and as the fleet takes them.
import { hasCode, type KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { EdgeCredentials } from "../../edge-sim/edgehub/enrolment.ts";
import type { Cohort } from "../../edge-sim/fleet/fleet.ts";
import { v11Rule } from "../../protocol/apis/cloudcore-config.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { milliseconds } from "../engine/duration.ts";
import type { ScenarioCohort } from "../engine/scenario.ts";
import { behavioursOf } from "./behaviours.ts";

/** `file` is what models and tables stand beside; `legacy` the certificate that edges of v1.1 share. Throws StepFailure. */
export async function cohortOf(written: ScenarioCohort, file: string, legacy?: EdgeCredentials): Promise<Cohort> {
  const { cohort, count = 1, labels, link, pods, stages = [], transport, version } = written;
  return {
    cohort,
    count,
    behaviours: await behavioursOf(written, file),
    ...(pods === undefined ? {} : { pods }),
    // CEL takes a while to load: only where there are stages.
    ...(stages.length === 0 ? {} : { stages: await (await import("./stages.ts")).readStages(stages, file) }),
    ...(version === undefined ? {} : { version }),
    ...(version === "v1.1" && legacy !== undefined ? { credentials: legacy } : {}),
    ...(labels === undefined ? {} : { labels }),
    ...(transport === undefined ? {} : { transport }),
    ...(link === undefined ? {} : {
      link: {
        ...(link.latency === undefined ? {} : { latency: milliseconds(link.latency) }),
        ...(link.jitter === undefined ? {} : { jitter: milliseconds(link.jitter) }),
      },
    }),
  };
}

/** Edges of v1.1 can't register: their Nodes are made beforehand, as their operators do; one that a former run left is used. */
export async function makeNodesOfV11(kube: KubeClient, fleet: readonly ScenarioCohort[]): Promise<void> {
  for (const { cohort, count = 1, labels, version } of fleet) {
    if (version !== "v1.1") continue;
    const metadata = { labels: { ...labels, [edgeNodeLabel]: "", ...v11Rule.nodeSelector } };
    await Promise.all(Array.from({ length: count }, async (_, i) => {
      const name = `${cohort}-${i}`;
      try {
        await kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { ...metadata, name } });
      } catch (error) {
        if (!hasCode(error, 409)) throw error;
        await kube.patch({ resource: resources.nodes, name }, "merge", { metadata });
      }
    }));
  }
}
