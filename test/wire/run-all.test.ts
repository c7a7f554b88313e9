// Many scenarios in one run: what has run is reported, whatever fails besides.
import { expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { parseScenarios } from "../../scenarios/engine/parse.ts";
import { runAll, type RunAllOptions } from "../../scenarios/engine/run-all.ts";
import { stepTable } from "../../scenarios/steps/table.ts";
import { wrongFiles } from "../../scenarios/suite/named-files.ts";
import { localTarget } from "../../scenarios/targets/local.ts";

const target = localTarget({ logger: silentLogger, timeScale: 10, bind: "127.0.0.1" });

const run = (step: string, options: Partial<RunAllOptions> = {}) =>
  runAll(
    parseScenarios(`skep: 1\nname: one\nfleet: [{ cohort: gw, count: 1 }]\nsteps: [${step}]`, "one.yaml", stepTable),
    {
      steps: stepTable,
      wrongFiles,
      target,
      seed: 1,
      forceSeed: false,
      signal: new AbortController().signal,
      progress: {},
      ...options,
    },
  );

test("a target that can't be closed takes away no result, and is named", async () => {
  const close = () => Promise.reject(new Error("the container can't be stopped"));
  const { impossible, run: { scenarios } } = await run("{ wait: 1ms }", { target: { ...target, close } });
  expect(scenarios.map(({ verdict }) => verdict)).toEqual(["passed"]);
  expect(impossible).toMatchObject({ message: "the container can't be stopped" });
});

test("a scenario that failed is reported also where its recording can't be written", async () => {
  const record = () => Promise.reject(new Error("no space left on device"));
  const { run: { scenarios } } = await run("{ edge: { stop: none } }", { record });
  expect(scenarios[0]?.failures.map(({ message }) => message)).toEqual([
    expect.stringMatching(/none/),
    "its recording could not be written: no space left on device",
  ]);
});

test("an edge that is there can't join once more", async () => {
  const { run: { scenarios } } = await run("{ edge: { join: gw-0 } }");
  const messages = scenarios[0]?.failures.map(({ message }) => message) ?? [];
  expect(messages).toEqual([expect.stringMatching(/there is an edge "gw-0" already/)]);
});
