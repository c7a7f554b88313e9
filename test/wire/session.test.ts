// Scenarios as code: a world in a few lines, the steps of files as functions.
import { expect, test } from "vitest";
import { scenario, start, StepFailure, type StepFunctions } from "../../index.ts";
import { scenarioFromCode } from "../../scenarios/suite/session.ts";
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
  expect(missing).toEqual(["repeat", "parallel"]);
});

test("an edge that was restarted renews its certificate like any other", async () => {
  await using skep = await start({ fleet: [{ cohort: "gw", count: 1 }], cloudcore: { edgeCertLifetime: "40s" } });
  await skep.edge({ restart: "gw-0" });
  await skep.expect({ at: "edge/gw-0", match: { ready: true, certificates: 1 }, within: "3s" });
  await skep.expect({ at: "edge/gw-0", match: { certificates: 2 }, within: "6s" });
});

test("what can't be done to this cloudcore is a failure and not a thing that holds", async () => {
  await using skep = await start({ fleet: [{ cohort: "gw", count: 1 }] });
  await expect(skep.restart({ what: "cloudcore", kill: true })).rejects.toThrow(/process: true/);
  await expect(skep.restart({ what: "apiserver", down: "1s" })).rejects.toThrow(/leave `down` out/);
});

test("stopping waits for what goes on in the background", async () => {
  const skep = await start({ fleet: [{ cohort: "gw", count: 1 }] });
  await skep.restart({ what: "cloudcore", down: "30s", wait: false });
  await skep.stop();
});

test("wrong options are refused by name; a fleet that can't start leaves nothing running", async () => {
  const coded = scenario("x", { timeout: "10 s" }, () => Promise.resolve());
  expect(() => scenarioFromCode(coded, "x.ts")).toThrow(/x\.ts:1:1: scenario\/timeout must match pattern/);
  const devices = [{ model: "nope", perEdge: 1 }];
  await expect(start({ fleet: [{ cohort: "gw", count: 20, devices }] })).rejects.toThrow(/nope/);
});
