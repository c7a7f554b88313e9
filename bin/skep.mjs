#!/usr/bin/env node
// The launcher: starts skep on a Node that can run it. Plain JavaScript for any Node ≥ 18.
// skep's source is TypeScript run directly, and `await using`, which need Node ≥ 24; a clone brings one in node_modules/.bin.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const [major] = process.versions.node.split(".").map(Number);
// A clone has the source, an installed package what was compiled of it.
const [main] = ["../cli/main.ts", "../dist/cli/main.js"].map((path) => new URL(path, import.meta.url))
  .filter((url) => existsSync(url));
const startedAt = process.env.SKEP_STARTED_AT ?? String(Math.round(performance.timeOrigin));

if (major >= 24) {
  process.env.SKEP_STARTED_AT = startedAt;
  module.enableCompileCache?.();
  await import(main);
} else {
  const node = fileURLToPath(new URL("../node_modules/.bin/node", import.meta.url));
  if (!existsSync(node)) {
    console.error(
      `skep: Node ${process.versions.node} is too old (24 or later is needed) and the clone's own is missing.`,
    );
    console.error("skep: run `npm ci` in the clone, or install a newer Node.");
    process.exit(2);
  }
  // Its own name, which may be a link's, says which command is meant.
  const child = spawn(node, process.argv.slice(1), {
    stdio: "inherit",
    env: { ...process.env, SKEP_STARTED_AT: startedAt },
  });
  // A Ctrl-C at a terminal reaches the child by itself (same process group); a signal sent to us alone does not.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on(
    "exit",
    (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 1)),
  );
}
