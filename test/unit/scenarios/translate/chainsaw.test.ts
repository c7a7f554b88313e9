// Tests of Chainsaw as scenarios: what maps, and what is said of the rest.
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseScenarios } from "../../../../scenarios/engine/parse.ts";
import { stepTable } from "../../../../scenarios/steps/table.ts";
import { importChainsaw } from "../../../../scenarios/translate/chainsaw.ts";

const head = "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: { name: quick }\n";
const made = (spec: object) => importChainsaw(`${head}spec: ${JSON.stringify(spec)}\n`, "chainsaw-test.yaml");

test("operations become steps, with the time limits of the test", () => {
  const { left, text } = made({
    timeouts: { assert: "7s" },
    steps: [{
      name: "first",
      try: [
        { apply: { file: "a.yaml" } },
        { create: { resource: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } } } },
        { assert: { file: "b.yaml" } },
        { error: { file: "c.yaml", timeout: "1s" } },
        { sleep: { duration: "2s" } },
        { script: { content: "echo a" } },
        { command: { entrypoint: "ls", args: ["-l"] } },
        { delete: { ref: { apiVersion: "v1", kind: "ConfigMap", name: "c" } } },
      ],
      catch: [{ podLogs: {} }],
      finally: [{ delete: { file: "a.yaml" } }],
    }],
  });
  expect(left).toEqual(["spec.steps[0].catch[0].podLogs: {}"]);
  const scenario = parse(text);
  expect(scenario.steps).toEqual([
    { name: "first", apply: "a.yaml" },
    { apply: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } } },
    { assert: { objects: "b.yaml", within: "7s" } },
    { assert: { objects: "c.yaml", absent: true, within: "1s" } },
    { wait: "2s" },
    { exec: { command: ["sh", "-c", "echo a"] } },
    { exec: { command: ["ls", "-l"] } },
    { delete: { object: { apiVersion: "v1", kind: "ConfigMap", name: "c" } } },
  ]);
  expect(scenario.catch).toEqual([{ show: "messages" }]);
  expect(scenario.finally).toEqual([{ delete: "a.yaml" }]);
  expect(parseScenarios(text, "scenario.yaml", stepTable)).toHaveLength(1);
});

test("what has no equal is listed, in the scenario, too", () => {
  const { left, text } = made({
    bindings: [{ name: "a", value: "b" }],
    steps: [{
      try: [
        { script: { content: "echo", check: { "($stdout)": "a" } } },
        { assert: { resource: { apiVersion: "v1", kind: "Pod", spec: { "(length(containers))": 1 } } } },
        { wait: { apiVersion: "v1" } },
        { command: { entrypoint: "ls", env: [] }, outputs: [] },
        { delete: { ref: { apiVersion: "v1", kind: "Pod", name: "p", namespace: "other" } } },
      ],
    }],
  });
  expect(left.map((line) => line.split(":")[0])).toEqual([
    "spec.bindings",
    "spec.steps[0].try[0].script",
    "spec.steps[0].try[1].assert",
    "spec.steps[0].try[2].wait",
    "spec.steps[0].try[3].command.env",
    "spec.steps[0].try[3].outputs",
  ]);
  expect(text).toContain("namespace: other");
  expect(text).toContain("# Not translated:\n#   spec.bindings");
  expect(parseScenarios(text, "scenario.yaml", stepTable)).toHaveLength(1);
});

test.each(["a: 1\n", "apiVersion: v1\nkind: Test\n", ""])("%j is refused", (text) => {
  expect(() => importChainsaw(text, "x.yaml")).toThrow(/x\.yaml:1:1: this is no Test of chainsaw/);
});
