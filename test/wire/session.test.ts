// Scenarios as code: a world in a few lines, the steps of files as functions.
import { expect, test } from "vitest";
import { start, StepFailure, type StepFunctions } from "../../index.ts";
import { stepTable } from "../../scenarios/steps/table.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web" },
  spec: { nodeName: "gw-0", containers: [{ name: "c", image: "nginx:1" }] },
};

test("a pod runs in a world of a few lines, and the invariants hold at its end", async () => {
  await using skep = await start({ fleet: [{ cohort: "gw", count: 2 }] });
  await skep.apply(pod);
  const running = await skep.expect({
    at: "kube",
    object: { apiVersion: "v1", kind: "Pod", name: "web" },
    match: { status: { phase: "Running" } },
  });
  expect(running).toMatchObject({ metadata: { name: "web" } });
  expect(skep.fleet.totals().podsRunning).toBe(1);
  expect(skep.messages('hop == "edge.store" && resource.endsWith("/pod/web")').length).toBeGreaterThan(0);
  const invariants = await skep.judge();
  expect(invariants.filter(({ verdict }) => verdict !== "held")).toEqual([]);
});

test("a step that does not hold rejects with the difference; wrong arguments are refused before anything happens", async () => {
  await using skep = await start({ fleet: [{ cohort: "gw", count: 1 }] });
  const failing = skep.expect({ at: "edge/gw-0", match: { ready: false }, within: "50ms" });
  const error = await failing.catch((caught: Error) => caught.cause);
  expect(error).toBeInstanceOf(StepFailure);
  expect((error as StepFailure).details).toEqual(["ready: expected false, found true"]);
  await expect(skep.expect({ at: "nowhere" })).rejects.toThrow(/expect\/at must match pattern/);
});

test("there is a function for every step that code has no word of its own for", async () => {
  await using skep = await start({ fleet: [{ cohort: "gw", count: 1 }] });
  const missing = [...stepTable.keys()].filter((name) => typeof skep[name as keyof StepFunctions] !== "function");
  expect(missing).toEqual(["repeat", "parallel", "run"]);
});
