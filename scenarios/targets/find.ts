// Finds the target that a person means: a file, or a name in the `skep.yaml` of this folder or of one above it.
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { readText } from "../files/yaml-document.ts";
import { embeddedTarget, parseTargets, type TargetDescription, type TargetsFile } from "./description.ts";
import { TargetError } from "./target-error.ts";

/** What the file of a project's targets is called. */
export const targetsFileName = "skep.yaml";

/** The nearest `skep.yaml`, from a folder upward; undefined where there is none. */
export function nearestTargetsFile(folder: string): string | undefined {
  for (let at = resolve(folder);; at = dirname(at)) {
    const file = join(at, targetsFileName);
    if (existsSync(file)) return file;
    if (dirname(at) === at) return undefined;
  }
}

/** The targets of the nearest `skep.yaml`; only the embedded one where there is none. Rejects with ScenarioError. */
export async function knownTargets(folder: string): Promise<TargetsFile & { readonly file: string | undefined }> {
  const file = nearestTargetsFile(folder);
  const read = file === undefined ? undefined : parseTargets(await readText(file), file);
  const targets = new Map(read?.targets);
  if (!targets.has(embeddedTarget.name)) targets.set(embeddedTarget.name, embeddedTarget);
  return { targets, matrix: read?.matrix ?? [], file };
}

/** The target of that name, or in that file. Rejects with TargetError or ScenarioError. */
export async function findTarget(wanted: string, folder: string): Promise<TargetDescription> {
  if (/[/\\]|\.ya?ml$/.test(wanted)) {
    const file = resolve(folder, wanted);
    if (!existsSync(file) || statSync(file).isDirectory()) {
      throw new TargetError(`there is no file ${wanted}`);
    }
    const { targets } = parseTargets(await readText(file), wanted);
    const [only, second] = targets.values();
    if (second !== undefined || only === undefined) {
      throw new TargetError(`${wanted} describes ${targets.size} targets: name one, in a folder below the file`);
    }
    return { ...only, position: { ...only.position, file } };
  }
  const { file, targets } = await knownTargets(folder);
  const found = targets.get(wanted);
  if (found !== undefined) return found;
  const where = file === undefined
    ? `there is no ${targetsFileName} in this folder or above it`
    : `${file} has ${[...targets.keys()].join(", ")}`;
  throw new TargetError(`there is no target ${wanted}: ${where}`);
}
