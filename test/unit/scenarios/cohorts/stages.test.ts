import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readStages } from "../../../../scenarios/cohorts/stages.ts";

const folder = mkdtempSync(join(tmpdir(), "skep-stages-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stage = (spec: string, kind = "Stage") =>
  `apiVersion: kwok.x-k8s.io/v1alpha1\nkind: ${kind}\nmetadata: { name: s }\nspec: ${spec}\n`;
const read = (text: string) => {
  writeFileSync(join(folder, "own.yaml"), text);
  return readStages(["own"], join(folder, "scenario.yaml"));
};
const labelled = (labels: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", labels },
});

describe("files of stages", () => {
  test("stand beside the scenario, hold several, and go together with those that are shipped", async () => {
    writeFileSync(
      join(folder, "own.yaml"),
      `${stage("{ selector: { matchLabels: { a: x } }, next: { patch: { status: { phase: Running } } } }")}---\n${
        stage("{ selector: { matchLabels: { b: x } }, next: { patch: { status: { phase: Running } } } }")
      }`,
    );
    const stages = await readStages(["own", "crashing"], join(folder, "scenario.yaml"));
    const selected = [{ a: "x" }, { b: "x" }, { "skep/stage": "crashing" }, { c: "x" }].map((l) =>
      stages.areFor(labelled(l))
    );
    expect(selected).toEqual([true, true, true, false]);
  });

  test("the guide's example is one", async () => {
    const guide = readFileSync(new URL("../../../../docs/fleet.md", import.meta.url), "utf8");
    const stages = await read(/```yaml stage\n([\s\S]*?)```/.exec(guide)?.[1] ?? "");
    expect(stages.areFor(labelled({ app: "tired" }))).toBe(true);
  });

  test.each<[string, string, RegExp]>([
    [
      "a Go template",
      stage("{ next: { statusTemplate: 'phase: Running' } }"),
      /own\.yaml:\d+:\d+: stage s: next\.statusTemplate is a Go template, .*say next\.patch/,
    ],
    ["a deletion", stage("{ next: { delete: true } }"), /next\.delete can't be: an edge does not delete pods/],
    ["another kind", stage("{}", "Deployment"), /own\.yaml:2:7: it is a Deployment; files of stages hold kind: Stage/],
    [
      "stages of nodes",
      stage("{ resourceRef: { apiGroup: v1, kind: Node }, next: { patch: { status: {} } } }"),
      /stage s: it is for a Node; only Pods go through stages here/,
    ],
    ["no effect", stage("{ delay: { durationMilliseconds: 1 } }"), /stage s: spec must have required property 'next'/],
    [
      "an unknown word",
      stage("{ wait: 3, next: { patch: { status: {} } } }"),
      /stage s: spec has no wait/,
    ],
    [
      "a wrong path",
      stage("{ selector: { matchExpressions: [{ key: phase, operator: Exists }] }, next: { patch: { status: {} } } }"),
      /stage s: the key phase is no path/,
    ],
    ["a wrong expression", stage("{ next: { patch: { status: { phase: { $cel: '1 +' } } } } }"), /stage s: 1 \+/],
  ])("with %s are refused", async (_, text, expected) => {
    await expect(read(text)).rejects.toThrow(expected);
  });

  test("that are not there are named", async () => {
    await expect(readStages(["nope"], join(folder, "scenario.yaml"))).rejects.toThrow(
      /there is no stage nope: .*nope\.yaml is not there, and shipped are completing, /,
    );
  });
});
