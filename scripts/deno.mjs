// Runs the clone's own Deno with its cache inside the clone: nothing is written to the home folder.
// Plain JavaScript for any Node ≥ 18, as npm may run it on.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const inClone = (path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url));
const child = spawn(inClone(".bin/deno"), process.argv.slice(2), {
  stdio: "inherit",
  shell: process.platform === "win32",
  env: {
    ...process.env,
    DENO_DIR: process.env.DENO_DIR ?? inClone(".cache/deno"),
    SKEP_STARTED_AT: process.env.SKEP_STARTED_AT ?? String(Math.round(performance.timeOrigin)),
  },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
