// What a scenario leaves in a cluster that is not its own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { parseScenarios } from "../../scenarios/engine/parse.ts";
import type { Scenario } from "../../scenarios/engine/scenario.ts";
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

const [scenario] = parseScenarios(text, "shared.yaml") as [Scenario];

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
