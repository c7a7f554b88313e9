// The console's files: a page, its modules and styles, and the two libraries it uses, from an allow-list.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PageFile } from "../../base/control/server.ts";

const own = (name: string) => fileURLToPath(new URL(`./page/${name}`, import.meta.url));
const from = (library: string, file: string) => {
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(resolve(library)), file);
};

const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";

/** Path → type, and where the file is. Nothing else is served. */
const files: Readonly<Record<string, readonly [type: string, find: () => string]>> = {
  "/": ["text/html; charset=utf-8", () => own("index.html")],
  "/console.css": [style, () => own("console.css")],
  "/favicon.svg": ["image/svg+xml", () => own("favicon.svg")],
  ...Object.fromEntries(
    ["main", "api", "parts", "messages", "sequence", "edges", "edge", "objects", "run", "plot", "change"].map((
      name,
    ) => [
      `/${name}.js`,
      [script, () => own(`${name}.js`)] as const,
    ]),
  ),
  "/preact.js": [script, () => from("htm/preact", "standalone.module.js")],
  "/uplot.js": [script, () => from("uplot", "uPlot.esm.js")],
  "/uplot.css": [style, () => from("uplot", "uPlot.min.css")],
};

/** A file of the console; undefined where there is none of that path. */
export async function consoleFile(path: string): Promise<PageFile | undefined> {
  const file = Object.hasOwn(files, path) ? files[path] : undefined;
  if (file === undefined) return undefined;
  const [type, find] = file;
  return { type, body: await readFile(find()) };
}
