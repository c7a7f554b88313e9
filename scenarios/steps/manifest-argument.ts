// The objects that the steps `apply` and `delete` are given: files beside the scenario, or objects in it.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { fileBeside, objectsIn, readManifest } from "../files/manifest.ts";
import { positionText } from "../files/position.ts";
import type { StepContext } from "../model/context.ts";
import type { Manifest } from "../model/scenario.ts";

/** The objects, in order. Files are looked for beside the scenario; `$variables` in them are replaced by their values. */
export async function loadManifest(
  manifest: Manifest,
  context: Pick<StepContext, "scenario" | "variables" | "environment">,
): Promise<KubeObject[]> {
  const parts = Array.isArray(manifest)
    ? manifest as readonly (string | KubeObject)[]
    : [manifest as string | KubeObject];
  const { position } = context.scenario;
  const found: KubeObject[] = [];
  for (const part of parts) {
    if (typeof part === "string") {
      found.push(...await readManifest(fileBeside(part, position.file), context.variables, context.environment.named));
    } else found.push(...objectsIn(part, () => positionText(position), []).map(({ object }) => object));
  }
  return found;
}
