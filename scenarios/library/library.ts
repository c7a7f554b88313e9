// The scenarios we ship, in the order a newcomer needs them.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Folders in reading order. */
const subjects = ["nodes", "pods", "configmaps", "volumes", "services", "devices", "links", "bootstrap", "robustness"];

/** Scenario files by their numbers. */
function inOrder(names: readonly string[]): string[] {
  return names.filter((name) => /^\d.*\.yaml$/.test(name)).sort((a, b) => parseInt(a) - parseInt(b));
}

/** The files of the library. */
export async function libraryFiles(): Promise<string[]> {
  const files: string[] = [];
  for (const subject of subjects) {
    const names = await readdir(join(root, subject)).catch(() => []);
    files.push(...inOrder(names).map((name) => join(root, subject, name)));
  }
  return files;
}
