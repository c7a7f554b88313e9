// What follows from a scenario for its target, without being said.
import { expect, test } from "vitest";
import { needsOf, stepsIn } from "../../../../scenarios/engine/needs.ts";
import { parseScenarios } from "../../../../scenarios/engine/parse.ts";
import type { Scenario } from "../../../../scenarios/model/scenario.ts";
import { stepTable } from "../../../../scenarios/steps/table.ts";

const scenarioOf = (rest: string) => parseScenarios(`skep: 1\nname: n\n${rest}`, "f.yaml", stepTable)[0] as Scenario;

test.each([
  ["steps: [{ wait: 1ms }]", []],
  ["needs: [pods]\nsteps: [{ wait: 1ms }]", ["pods"]],
  ["steps: [{ fault: { edge: gw-0, cut: both } }]", ["link-faults"]],
  ["steps: [{ edge: { stop: gw-0 } }]", ["edge-control"]],
  ["steps: [{ report: { device: d, temperature: 1 } }]", ["device-twins"]],
  ["steps: [{ restart: cloudcore }]", ["cloudcore-restart"]],
  ["steps: [{ restart: { what: cloudcore, kill: true } }]", ["cloudcore-kill"]],
  ["steps: [{ restart: apiserver }]", ["apiserver-restart"]],
  ["steps: [{ exec: { command: [ls] } }]", ["exec"]],
  ["steps: [{ expect: { at: edge/gw-0 } }]", ["edge-stores"]],
  ["steps: [{ expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: p } } }]", []],
  ["steps: [{ expect: { at: messages, where: 'direction == \"up\"' } }]", ["edge-messages"]],
  ["steps: [{ never: { at: messages, where: 'hop == \"hub.write\"', for: 1s } }]", ["cloud-messages"]],
  ["steps: [{ expect: { at: metrics } }]", ["cloud-metrics"]],
  ["cloudcore: { process: true }\nsteps: [{ wait: 1ms }]", ["cloudcore-kill"]],
  ["cloudcore: { nodeLimit: 2 }\nsteps: [{ wait: 1ms }]", ["cloudcore-settings"]],
  ["fleet: [{ cohort: old, version: v1.1 }]\nsteps: [{ wait: 1ms }]", ["legacy-edges"]],
  ["steps: [{ repeat: { times: 2, steps: [{ parallel: [{ fault: { edge: gw-0, heal: true } }] }] } }]", [
    "link-faults",
  ]],
])("%s needs %j", (rest, needs) => {
  expect([...needsOf(scenarioOf(rest), stepTable)]).toEqual(needs);
});

test("steps inside steps are found", () => {
  const { steps } = scenarioOf(
    "steps: [{ repeat: { times: 2, steps: [{ parallel: [{ wait: 1ms }, { wait: 2ms }] }] } }]",
  );
  expect(stepsIn(steps).map(({ kind }) => kind)).toEqual(["repeat", "parallel", "wait", "wait"]);
});
