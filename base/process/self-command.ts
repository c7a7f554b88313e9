// How this program is started again, on whichever runtime it runs.
import { fileURLToPath } from "node:url";

/** The program and its first arguments; a command's name and flags follow. */
export function selfCommand(): [program: string, ...args: string[]] {
  const here = import.meta.url;
  const main = fileURLToPath(new URL(`../../cli/main${here.endsWith(".ts") ? ".ts" : ".js"}`, here));
  return "Deno" in globalThis ? [process.execPath, "run", "-A", main] : [process.execPath, main];
}
