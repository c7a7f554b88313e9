// Makes the configmaps of 2-large.yaml: what a file of data would only say with a megabyte of text.
import type { StepContext } from "../../model/context.ts";
import { resources } from "../../../cloud/kube/resource.ts";

export default async function large({ environment: { kube, namespace } }: StepContext): Promise<void> {
  for (const kilobytes of [40, 900]) {
    await kube.create(resources.configmaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `large-${kilobytes}`, namespace },
      data: { text: "x".repeat(kilobytes * 1024) },
    });
  }
}
