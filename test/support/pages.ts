// The pages that people read, and the blocks of code in them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the whole project. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** The README and the guides. */
export const pages: readonly string[] = [
  "README.md",
  ...readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];

export const read = (name: string) => readFileSync(join(root, name), "utf8");

/** The texts of a page's blocks of one language. */
export function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(new RegExp("```" + language + "\\n([\\s\\S]*?)```", "g"))].map((match) =>
    match[1] as string
  );
}
