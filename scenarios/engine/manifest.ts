// Kubernetes manifests that a scenario names: files beside it, or objects in it.
import { access, readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { reasonOf } from "../../base/log/logger.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { StepFailure } from "../steps/step.ts";
import type { StepContext, Variables } from "./context.ts";
import type { Manifest } from "./scenario.ts";
import { substitute } from "./variables.ts";

/** The objects, in order. Files are looked for beside the scenario; `$variables` in them stand for their values. */
export async function loadManifest(
  manifest: Manifest,
  context: Pick<StepContext, "scenario" | "variables">,
): Promise<KubeObject[]> {
  const parts = Array.isArray(manifest)
    ? manifest as readonly (string | KubeObject)[]
    : [manifest as string | KubeObject];
  const found: KubeObject[] = [];
  for (const part of parts) {
    if (typeof part !== "string") found.push(part);
    else found.push(...await readManifest(resolve(dirname(context.scenario.position.file), part), context.variables));
  }
  return found;
}

/** NAME.yaml beside a scenario, or else in a folder of what is shipped. */
export async function besideOrShipped(name: string, scenarioFile: string, shipped: string): Promise<string> {
  const beside = resolve(dirname(scenarioFile), `${name}.yaml`);
  return await access(beside).then(() => beside, () => resolve(shipped, `${name}.yaml`));
}

/** The objects of a file. Throws StepFailure where it can't be read or holds something else. */
export async function readManifest(file: string, variables: Variables): Promise<KubeObject[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new StepFailure(`can't read the manifest ${file}`, [reasonOf(error)]);
  }
  const documents = parseAllDocuments(text);
  const objects: KubeObject[] = [];
  for (const document of "empty" in documents ? [] : documents) {
    if (document.errors.length > 0) {
      throw new StepFailure(
        `the manifest ${file} is not YAML`,
        document.errors.map((e) => e.message),
      );
    }
    const value = substitute(document.toJS(), variables) as KubeObject | null;
    if (value === null) continue;
    if (typeof value !== "object" || typeof value.kind !== "string" || typeof value.metadata?.name !== "string") {
      throw new StepFailure(
        `the manifest ${file} holds something that is no Kubernetes object: kind and metadata.name are needed`,
      );
    }
    objects.push(value);
  }
  return objects;
}
