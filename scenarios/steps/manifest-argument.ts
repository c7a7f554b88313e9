// The objects that the steps `apply` and `delete` are given: files beside the scenario, or objects in it.
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { fileBeside, objectsIn, readManifest } from "../files/manifest.ts";
import { positionText } from "../files/position.ts";
import { substitute } from "../files/variables.ts";
import type { StepContext } from "../model/context.ts";
import type { Manifest } from "../model/scenario.ts";

/**
 * The objects, in order. Files are looked for beside the scenario; `$variables` in them are replaced by their values. With
 * `isPartial` objects may lack a name.
 */
export async function loadManifest(
  manifest: Manifest,
  context: Pick<StepContext, "scenario" | "variables" | "environment">,
  isPartial = false,
): Promise<KubeObject[]> {
  const parts = Array.isArray(manifest)
    ? manifest as readonly (string | KubeObject)[]
    : [manifest as string | KubeObject];
  const { position } = context.scenario;
  const { environment: { named, namesWhole }, variables } = context;
  const render = (value: unknown) =>
    namesWhole ? named(substitute(value, variables)) : substitute(named(value), variables);
  const found: KubeObject[] = [];
  for (const part of parts) {
    if (typeof part === "string") {
      found.push(...await readManifest(fileBeside(part, position.file), { render, isPartial }));
    } else found.push(...objectsIn(part, () => positionText(position), [], isPartial).map(({ object }) => object));
  }
  return found;
}
