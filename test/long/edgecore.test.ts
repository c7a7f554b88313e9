// A real edgecore as a target's edges: KubeEdge's program on our cloudcore, its pods in a simulated container runtime.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Command, workFolder } from "../support/command.ts";

const edgecore = process.env.SKEP_EDGECORE ?? "";
const isRoot = process.getuid?.() === 0;
const lacks = edgecore === ""
  ? " [needs an edgecore of KubeEdge v1.23 (SKEP_EDGECORE)]"
  : isRoot
  ? ""
  : " [needs root: edgecore mounts volumes]";

const scenario = `skep: 1
name: a pod with a configmap runs on a real edge, and goes
fleet: [{ cohort: gw, count: 3, labels: { place: north } }]
steps:
  - expect: { at: kube, object: { apiVersion: v1, kind: Node, name: gw-2 }, match: { metadata: { labels: { place: north } } } }
  - apply: { apiVersion: v1, kind: ConfigMap, metadata: { name: app }, data: { a: "1" } }
  - apply:
      apiVersion: v1
      kind: Pod
      metadata: { name: web }
      spec:
        nodeName: gw-0
        containers: [{ name: web, image: nginx, volumeMounts: [{ name: c, mountPath: /c }] }]
        volumes: [{ name: c, configMap: { name: app } }]
  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: web }, match: { status: { phase: Running } }, within: 10s }
  - delete: { object: { apiVersion: v1, kind: Pod, name: web } }
  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: web }, absent: true, within: 10s }
`;

describe.skipIf(lacks !== "")(`a real edgecore${lacks}`, () => {
  test.each([["ours here", "ours"], ["ours in a process of its own", "{ ours: process }"]])(
    "joins the cloudcore that is %s, runs a pod and lets it go",
    async (_, cloudcore) => {
      const folder = workFolder();
      writeFileSync(
        join(folder.path, "skep.yaml"),
        `skep: 1\ntargets: { real: { cloudcore: ${cloudcore}, edges: { edgecore: ${edgecore} } } }\n`,
      );
      writeFileSync(join(folder.path, "pod.yaml"), scenario);
      const run = new Command(folder.path, ["run", "pod.yaml", "--target", "real"]);
      const { code, err, out } = await run.ended();
      expect(code, out + err).toBe(0);
      expect(out).toContain("1 passed, 0 failed, 0 skipped");
      folder.remove();
    },
    120_000,
  );
});
