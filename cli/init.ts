// `skep init`: a first scenario to change, with the line by which editors complete.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { reasonOf } from "../base/log/logger.ts";
import { exitCodes, UsageError } from "./failure.ts";

const schema = fileURLToPath(new URL("../scenarios/scenario.schema.json", import.meta.url));

const firstScenario = `# Does a configmap reach the edge whose pod uses it?
# yaml-language-server: $schema=SCHEMA
skep: 1
name: a configmap reaches the edge whose pod uses it
tags: [mine]
fleet: [{ cohort: gw, count: 2 }]
steps:
  - name: a configmap, and a pod on gw-0 that uses it
    apply:
      - { apiVersion: v1, kind: ConfigMap, metadata: { name: app }, data: { level: info } }
      - apiVersion: v1
        kind: Pod
        metadata: { name: web }
        spec:
          nodeName: gw-0
          containers: [{ name: web, image: "nginx:1", envFrom: [{ configMapRef: { name: app } }] }]
  - name: the pod runs
    expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: web }, match: { status: { phase: Running } } }
  - name: the edge has the configmap
    expect: { at: edge/gw-0, object: { apiVersion: v1, kind: ConfigMap, name: app }, match: { data: { level: info } } }
catch:
  - show: messages
`;

/** Writes it, unless there is something of that name. Resolves with the exit code. */
export async function initCommand(file: string): Promise<number> {
  const where = relative(resolve(dirname(file)), schema).replaceAll("\\", "/");
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, firstScenario.replace("SCHEMA", where), { flag: "wx" });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new UsageError(
      isThere ? `${file} is there already; name another file` : `can't write ${file}: ${reasonOf(error)}`,
    );
  }
  process.stdout.write(`wrote ${file}\nrun it with: skep run ${join(file)}\n`);
  return exitCodes.passed;
}
