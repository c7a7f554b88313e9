// What a scenario leaves in a cluster that is not its own.
import { stepTable } from "../../scenarios/steps/table.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { parseScenarios } from "../../scenarios/engine/parse.ts";
import type { Scenario } from "../../scenarios/model/scenario.ts";
import { localTarget } from "../../scenarios/targets/local.ts";
import { until } from "../support/until.ts";
import { startApi } from "../support/world.ts";

const text = `
skep: 1
name: left behind
fleet: [{ cohort: gw, count: 2 }]
steps:
  - wait: 1ms
`;

/** A cluster and a target on it. */
async function clusterOf() {
  const { api, clock } = await startApi();
  const folder = await mkdtemp(join(tmpdir(), "skep-shared-"));
  onTestFinished(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });
  const kubeconfig = join(folder, "kubeconfig");
  await writeKubeconfig(kubeconfig, api.access);
  const names = (table: string) => api.resources.store.list(table).map(({ metadata }) => metadata.name);
  const target = localTarget({ logger: silentLogger, timeScale: 10, bind: "127.0.0.1", kubeconfig });
  return { api, clock, names, target };
}

const [scenario] = parseScenarios(text, "shared.yaml", stepTable) as [Scenario];

test("nothing of a scenario that could not begin is left: neither its namespace nor its Nodes", async () => {
  const { names, target } = await clusterOf();
  const before = names("namespaces");
  const late = new AbortController();
  const opening = target.open(scenario, 1, late.signal);
  const isMade = () => names("namespaces").length > before.length;
  await until("the namespace is made", isMade);
  late.abort(new Error("the run was ended"));
  await expect(opening).rejects.toThrow("the run was ended");
  expect(names("namespaces")).toEqual(before);
  expect(names("nodes")).toEqual([]);
});

test("edges of two runs at the same time are Nodes of their own; what a scenario says of gw-0 is said of its own", async () => {
  const { names, target } = await clusterOf();
  const never = new AbortController().signal;
  const worlds = await Promise.all([1, 2].map((seed) => target.open(scenario, seed, never)));
  const own = worlds.map(({ fleet }) => fleet.cohort("gw").map(({ name }) => name));
  expect(names("nodes")).toEqual(own.flat().sort());
  expect(new Set(own.flat()).size).toBe(4);
  for (const [i, world] of worlds.entries()) {
    const [first = ""] = own[i] as string[];
    expect(first).toMatch(/^gw-0-[0-9a-f]{5}$/);
    expect(world.named({ at: "edge/gw-0", list: ["gw-0-thermometer-1", "away-gw-0"], "gw-0": 1 })).toEqual({
      at: `edge/${first}`,
      list: [`${first}-thermometer-1`, `away-${first}`],
      [first]: 1,
    });
    // Other names, and those that are real already, stay.
    const others = ["gw-0x", "gw", "x1gw-0", `reads-${first}`, "late-1"];
    expect(world.named(others)).toEqual(others);
  }
  for (const world of worlds) expect(await world.stop()).toEqual([]);
  expect(names("nodes")).toEqual([]);
});

test("an edge that joins later has a name of the run's own, too", async () => {
  const { target } = await clusterOf();
  const [joining] = parseScenarios(
    text.replace("- wait: 1ms", "- repeat: { times: 1, steps: [{ edge: { join: late } }] }"),
    "joining.yaml",
    stepTable,
  ) as [Scenario];
  const world = await target.open(joining, 1, new AbortController().signal);
  onTestFinished(async () => void await world.stop());
  const late = world.named("late");
  expect(late).toMatch(/^late-[0-9a-f]{5}$/);
  await world.join(late, {});
  expect(world.fleet.cohort("late").map(({ name }) => name)).toEqual([late]);
  expect(world.named("later")).toBe("later");
});
