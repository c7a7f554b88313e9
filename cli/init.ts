// `skep init`: a first scenario to change, targets to run it on, both with the line by which editors complete, and a workflow that does so.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { reasonOf } from "../base/log/logger.ts";
import { exitCodes, UsageError } from "./failure.ts";

const schemas = {
  scenario: fileURLToPath(new URL("../scenarios/scenario.schema.json", import.meta.url)),
  target: fileURLToPath(new URL("../scenarios/target.schema.json", import.meta.url)),
};

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

const firstTargets =
  `# Where scenarios are run: skep run --target NAME. Without one: all in this process, on skep's own Kubernetes API.
# yaml-language-server: $schema=SCHEMA
skep: 1
targets:
  # skep's cloudcore in a process of its own.
  process:
    cloudcore: { ours: process }
  # KubeEdge's own program on skep's Kubernetes API.
  # go: { cloudcore: { go: /usr/local/bin/cloudcore } }
  # A cluster, with skep's cloudcore.
  # cluster: { kubernetes: { kubeconfig: ~/.kube/config, context: staging } }
  # A cluster with the cloudcore that serves it; its token is read from the cluster.
  # staging: { kubernetes: { kubeconfig: ~/.kube/config }, cloudcore: { host: 192.0.2.10 } }
matrix: [embedded, process]
`;

const workflow = `name: scenarios
on: [push, pull_request]
jobs:
  skep:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 24 }
      - run: npm install skep
      - run: npx skep run FOLDER --retries 1 --record
      - uses: actions/upload-artifact@v4
        if: \${{ !cancelled() }}
        with: { name: skep-report, path: skep-report }
`;

export interface InitFlags {
  /** Only the scenario. */
  readonly bare?: boolean;
}

/** Writes them. A scenario of that name is an error; targets and a workflow that are there are left alone. Resolves with the exit code. */
export async function initCommand(file: string, { bare = false }: InitFlags = {}): Promise<number> {
  const schemaFor = (target: string, schema: string) =>
    relative(resolve(dirname(target)), schema).replaceAll("\\", "/");
  if (!await write(file, firstScenario.replace("SCHEMA", schemaFor(file, schemas.scenario)))) {
    throw new UsageError(`${file} is there already; name another file`);
  }
  process.stdout.write(`wrote ${file}\n`);
  if (!bare) {
    const others = {
      "skep.yaml": firstTargets.replace("SCHEMA", schemaFor("skep.yaml", schemas.target)),
      [join(".github", "workflows", "skep.yaml")]: workflow.replace(
        "FOLDER",
        dirname(file) === "." ? file : dirname(file),
      ),
    };
    for (const [name, text] of Object.entries(others)) {
      process.stdout.write(
        await write(name, text) ? `wrote ${name}\n` : `${name} is there already, and was left alone\n`,
      );
    }
  }
  process.stdout.write(`run it with: skep run ${join(file)}\n`);
  return exitCodes.passed;
}

/** False where there is something of that name. Rejects with UsageError where it can't be written. */
async function write(file: string, text: string): Promise<boolean> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new UsageError(`can't write ${file}: ${reasonOf(error)}`);
  }
}
