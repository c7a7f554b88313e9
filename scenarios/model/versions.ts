// What ran something: skep, the runtime, the machine.
import { availableParallelism, cpus, totalmem } from "node:os";
import { version } from "../../base/version.ts";
import type { Versions } from "./result.ts";

export function versionsOf(): Versions {
  const deno = (globalThis as { Deno?: { version: { deno: string } } }).Deno;
  const [processor] = cpus();
  return {
    skep: version,
    runtime: deno === undefined ? `Node ${process.versions.node}` : `Deno ${deno.version.deno}`,
    machine: [
      `${process.platform} ${process.arch}`,
      `${availableParallelism()} cores${processor === undefined ? "" : ` (${processor.model.trim()})`}`,
      `${Math.round(totalmem() / 2 ** 30)} GiB`,
    ].join(", "),
  };
}
