import { stepTable } from "../../../../scenarios/steps/table.ts";
import { describe, expect, test } from "vitest";
import { parseScenarios } from "../../../../scenarios/engine/parse.ts";
import { loadScenarios } from "../../../../scenarios/suite/load.ts";
import { ScenarioError } from "../../../../scenarios/files/position.ts";
import { libraryFiles } from "../../../../scenarios/library/library.ts";

const head = "skep: 1\nname: a test\n";

describe("a scenario file", () => {
  test("keeps whole numbers in its steps digit for digit", () => {
    const [scenario] = parseScenarios(
      `${head}seed: 7\nsteps:\n  - apply: { apiVersion: v1, kind: Odd, metadata: { name: a }, spec: { serial: 9007199254740993, n: 3 } }\n`,
      "f.yaml",
      stepTable,
    );
    expect(scenario?.seed).toBe(7);
    expect(JSON.stringify(scenario?.steps[0]?.args)).toContain('{"serial":9007199254740993,"n":3}');
    expect(() => parseScenarios(`${head}seed: 7.5\nsteps: []\n`, "f.yaml", stepTable)).toThrow("seed must be integer");
  });

  test("is read with the words that steps may carry", () => {
    const [scenario] = parseScenarios(
      `${head}tags: [a]\nfleet: [{ cohort: gw, count: 2 }]\nsteps:\n  - name: wait a bit\n    id: w\n    wait: 1s\n  - repeat: { times: 2, steps: [{ wait: 5ms }] }\n`,
      "f.yaml",
      stepTable,
    );
    expect(scenario).toMatchObject({
      name: "a test",
      tags: ["a"],
      timeout: "60s",
      fleet: [{ cohort: "gw", count: 2 }],
    });
    expect(scenario?.steps[0]).toMatchObject({
      kind: "wait",
      args: "1s",
      name: "wait a bit",
      id: "w",
      position: { line: 8 },
    });
    expect(scenario?.steps[1]?.args).toMatchObject({ times: 2, steps: [{ kind: "wait", args: "5ms" }] });
  });

  test("may hold several", () => {
    const text = `${head}steps: [{ wait: 1s }]\n---\nskep: 1\nname: another\nsteps: [{ wait: 1s }]\n`;
    expect(parseScenarios(text, "f.yaml", stepTable).map(({ name }) => name)).toEqual(["a test", "another"]);
  });
});

describe("a wrong file is refused with the place, what was found and what is allowed", () => {
  const cases: [string, string, RegExp][] = [
    ["no YAML", `${head}steps: [`, /^f\.yaml:3:\d+: not YAML: /],
    ["nothing in it", "# nothing\n", /^f\.yaml:1:1: the file holds no scenario/],
    [
      "another version of the format",
      `skep: 2\nname: x\nsteps: [{ wait: 1s }]`,
      /^f\.yaml:1:7: skep must be 1, found 2/,
    ],
    ["a missing field", `skep: 1\nname: x\n`, /^f\.yaml:1:1: "steps" is missing/],
    [
      "an unknown field",
      `${head}colour: red\nsteps: [{ wait: 1s }]`,
      /^f\.yaml:3:1: unknown field "colour"; allowed are skep, name, tags, needs/,
    ],
    [
      "an unknown step",
      `${head}steps:\n  - wiat: 1s\n`,
      /^f\.yaml:4:5: unknown step "wiat"; steps are apply, patch, delete, scale/,
    ],
    [
      "two steps in one",
      `${head}steps:\n  - wait: 1s\n    apply: x.yaml\n`,
      /^f\.yaml:5:5: a step does one thing: this is already "wait"/,
    ],
    [
      "an unknown word at a step",
      `${head}steps:\n  - wait: 1s\n    nmae: x\n`,
      /^f\.yaml:5:5: unknown field "nmae"; a step has wait and may have name, id/,
    ],
    ["no step at all", `${head}steps:\n  - name: x\n`, /^f\.yaml:4:5: the step does nothing/],
    [
      "an unknown field of a step",
      `${head}steps:\n  - fault: { edge: a, cut: both, form: 1s }\n`,
      /^f\.yaml:4:34: unknown field "form"; allowed are edge, cohort, cut, halfOpen/,
    ],
    [
      "a duration that is none",
      `${head}steps:\n  - wait: 5 seconds\n`,
      /^f\.yaml:4:11: wait must be a duration such as 500ms, 2s or 1m30s, found "5 seconds"/,
    ],
    [
      "a wrong type",
      `${head}fleet: [{ cohort: gw, count: many }]\nsteps: [{ wait: 1s }]`,
      /^f\.yaml:3:30: count must be integer, found "many"/,
    ],
    [
      "an unknown capability",
      `${head}needs: [magic]\nsteps: [{ wait: 1s }]`,
      /^f\.yaml:3:9: needs\[0\] must be one of pods, configmaps/,
    ],
    [
      "a filter that is no CEL",
      `${head}steps:\n  - expect: { at: messages, where: nod == "x" }\n`,
      /^f\.yaml:4:36: filter `nod == "x"`: .*fields are time, hop/s,
    ],
    [
      "a place that is none",
      `${head}steps:\n  - expect: { at: moon }\n`,
      /^f\.yaml:4:19: at must be kube, edge\/NAME, device\/NAME, mqtt\/NAME, messages or metrics, found "moon"/,
    ],
    [
      "a fault in a nested step",
      `${head}steps:\n  - repeat:\n      times: 2\n      steps:\n        - wait: now\n`,
      /^f\.yaml:7:17: wait must be a duration/,
    ],
  ];
  test.each(cases)("%s", (_name, text, message) => {
    expect(() => parseScenarios(text, "f.yaml", stepTable)).toThrow(ScenarioError);
    expect(() => parseScenarios(text, "f.yaml", stepTable)).toThrow(message);
  });

  test("a file that isn't there", async () => {
    await expect(loadScenarios("nowhere.yaml")).rejects.toThrow(/nowhere\.yaml:1:1: can't read the file/);
  });
});

test("every file of the library is right, and opens with a line on what it answers", async () => {
  const { readFile } = await import("node:fs/promises");
  const files = await libraryFiles();
  expect(files.length).toBeGreaterThanOrEqual(9);
  for (const file of files) {
    expect((await loadScenarios(file)).length).toBeGreaterThan(0);
    expect(await readFile(file, "utf8")).toMatch(/^# .*\?\n/);
  }
});
