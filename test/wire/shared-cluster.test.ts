// What a scenario leaves in a cluster that is not its own.
import { stepTable } from "../../scenarios/steps/table.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { reasonOf, silentLogger } from "../../base/log/logger.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { parseScenarios } from "../../scenarios/engine/parse.ts";
import type { Scenario } from "../../scenarios/model/scenario.ts";
import { refuseTakenCluster } from "../../cloud/cloudhub/taken-cluster.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { createAuthority } from "../../protocol/pki/ca.ts";
import { runScenario } from "../../scenarios/engine/run.ts";
import { runLabel } from "../../scenarios/model/run-label.ts";
import { KubeApiError, KubeClient } from "../../cloud/kube/client.ts";
import { isOfTheRun } from "../../scenarios/model/target.ts";
import { EdgeNames } from "../../scenarios/targets/own-names.ts";
import { localTarget } from "../../scenarios/targets/local.ts";
import { until } from "../support/until.ts";
import { startApi } from "../support/start.ts";

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
  return { api, clock, kubeconfig, names, target };
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
  const environments = await Promise.all([1, 2].map((seed) => target.open(scenario, seed, never)));
  const own = environments.map(({ fleet }) => fleet.cohort("gw").map(({ name }) => name));
  expect(names("nodes")).toEqual(own.flat().sort());
  expect(new Set(own.flat()).size).toBe(4);
  for (const [i, environment] of environments.entries()) {
    const [first = ""] = own[i] as string[];
    expect(first).toMatch(/^gw-0-[0-9a-f]{5}$/);
    expect(environment.named({ at: "edge/gw-0", list: ["gw-0-thermometer-1", "away-gw-0"], "gw-0": 1 })).toEqual({
      at: `edge/${first}`,
      list: [`${first}-thermometer-1`, `away-${first}`],
      [first]: 1,
    });
    // Other names, and those that are real already, stay.
    const others = ["gw-0x", "gw", "x1gw-0", `reads-${first}`, "late-1"];
    expect(environment.named(others)).toEqual(others);
  }
  for (const environment of environments) expect(await environment.stop()).toEqual([]);
  expect(names("nodes")).toEqual([]);
});

/** What a scenario's texts become on a cluster that others use; the suffix is `-abcde`. */
function namesIn(fleet: string, steps: string) {
  const [parsed] = parseScenarios(`skep: 1\nname: a\nfleet: ${fleet}\nsteps: ${steps}\n`, "f.yaml", stepTable);
  return new EdgeNames(parsed as Scenario, "-abcde");
}

describe("names of edges", () => {
  test("that a loop counts are renamed where they are written, before the variable has its value", () => {
    const joins = "[{ repeat: { times: 2, steps: [{ edge: { join: late-$i } }] } }]";
    const names = namesIn("[{ cohort: gw, count: 2 }]", joins);
    expect(names.named(["gw-$i", "edge/gw-${i}/x", "late-$i", "late-1", "latest-1", "gw-x"])).toEqual([
      "gw-$i-abcde",
      "edge/gw-${i}-abcde/x",
      "late-$i-abcde",
      "late-1-abcde",
      "latest-1",
      "gw-x",
    ]);
    expect(names.named('EDGE == "gw-0"')).toBe('EDGE == "gw-0-abcde"');
  });

  test("without a number are renamed only where an edge is meant", () => {
    const names = namesIn("[{ cohort: gw }]", "[{ edge: { join: down } }]");
    const said = {
      where: 'direction == "down" && node == "down"',
      at: "edge/down",
      edge: "down",
      data: { state: "down", edge: "up" },
      direction: "down",
    };
    expect(names.named(said)).toEqual({
      where: 'direction == "down" && node == "down-abcde"',
      at: "edge/down-abcde",
      edge: "down-abcde",
      data: { state: "down", edge: "up" },
      direction: "down",
    });
  });

  test("without a number are renamed in every form of a condition or a path", () => {
    const names = namesIn("[{ cohort: gw }]", "[{ edge: { join: copy } }, { edge: { join: $EDGE-twin } }]");
    const renamed = [
      'node != "copy"',
      'node in ["copy", "gw-0"]',
      '"copy" == node',
      'node=="copy"',
      'resource == "node/copy/membership"',
      'resource.endsWith("/copy")',
      "$hw/events/node/copy/membership/updated",
      "edge/copy",
    ].map((text) => names.named(text));
    expect(renamed.filter((text) => !text.includes("copy-abcde"))).toEqual([]);
    const said = { "kubernetes.io/hostname": "copy", data: { join: "kubeadm join", copy: "copy" } };
    expect(names.named(said)).toEqual({ ...said, "kubernetes.io/hostname": "copy-abcde" });
    // `$EDGE` has the suffix already.
    expect(names.named({ join: "$EDGE-twin" })).toEqual({ join: "$EDGE-twin" });
    expect(names.named("edge/$EDGE-twin")).toBe("edge/$EDGE-twin");
  });

  test("stay where a cohort of the same name is meant, and where they are real already", () => {
    const names = namesIn("[{ cohort: gw }, { cohort: gw-1 }]", "[{ wait: 1ms }]");
    expect(names.named({ cohort: "gw-1", at: "edge/gw-1", edge: "gw-1-0" })).toEqual({
      cohort: "gw-1",
      at: "edge/gw-1-abcde",
      edge: "gw-1-0-abcde",
    });
    expect(names.named(["gw-0-abcde", "gw-0-abcde-thermometer-0"])).toEqual(["gw-0-abcde", "gw-0-abcde-thermometer-0"]);
  });

  test("that a scenario in code brings are known from then on", () => {
    const names = namesIn("[{ cohort: gw }]", "[{ wait: 1ms }]");
    expect(names.named("edge/late")).toBe("edge/late");
    expect(names.named({ join: "late" })).toEqual({ join: "late-abcde" });
    expect(names.named("edge/late")).toBe("edge/late-abcde");
  });
});

test("a run that can't make its namespace ends with the reason, not with one of its cleaning up", async () => {
  const { api, target } = await clusterOf();
  const { create } = KubeClient.prototype;
  const refusal = { status: "Failure", message: "namespaces is forbidden", reason: "Forbidden", code: 403 } as const;
  const spies = (["create", "delete"] as const).map((method) =>
    vi.spyOn(KubeClient.prototype, method).mockImplementation(function (this: KubeClient, ...args: unknown[]) {
      const isRefused = JSON.stringify(args[0]).includes('"namespaces"');
      return isRefused
        ? Promise.reject(new KubeApiError(refusal))
        : create.apply(this, args as Parameters<KubeClient["create"]>) as never;
    })
  );
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore();
  });
  const failure = await target.open(scenario, 1, new AbortController().signal).catch((error) => error);
  expect(reasonOf(failure)).toBe("namespaces is forbidden");
  expect(isOfTheRun(failure)).toBe(true);
  expect(api.resources.store.list("nodes")).toEqual([]);
});

test("Nodes of v1.1 go, too, where their edges never came", async () => {
  const { names, target } = await clusterOf();
  const [old] = parseScenarios(
    text.replace("{ cohort: gw, count: 2 }", "{ cohort: old, count: 2, version: v1.1 }"),
    "old.yaml",
    stepTable,
  ) as [Scenario];
  const late = new AbortController();
  const opening = target.open(old, 1, late.signal);
  await until("a Node is made", () => names("nodes").length > 0);
  late.abort(new Error("the run was ended"));
  await expect(opening).rejects.toThrow("the run was ended");
  expect(names("nodes")).toEqual([]);
});

test("an edge that joins later has a name of the run's own, too", async () => {
  const { target } = await clusterOf();
  const [joining] = parseScenarios(
    text.replace("- wait: 1ms", "- repeat: { times: 1, steps: [{ edge: { join: late } }] }"),
    "joining.yaml",
    stepTable,
  ) as [Scenario];
  const environment = await target.open(joining, 1, new AbortController().signal);
  onTestFinished(async () => void await environment.stop());
  const { name: late } = environment.named({ name: "late" });
  expect(late).toMatch(/^late-[0-9a-f]{5}$/);
  await environment.join(late, {});
  expect(environment.fleet.cohort("late").map(({ name }) => name)).toEqual([late]);
  expect(environment.named("later")).toBe("later");
});

describe("what is not the run's own", () => {
  const never = new AbortController().signal;
  const given = (steps: string) =>
    parseScenarios(`${text.replace(/steps:[^]*/, "")}steps: ${steps}\n`, "own.yaml", stepTable)[0] as Scenario;
  const options = {
    steps: stepTable,
    wrongFiles: () => Promise.resolve([]),
    seed: 1,
    forceSeed: false,
    signal: never,
    progress: {},
  };
  const labels = { [runLabel]: "earlier" };

  test("a Node of a name that the run needs is refused before anything is made", async () => {
    const { api, kubeconfig, names } = await clusterOf();
    const kube = new KubeClient(tokenKubeConfig(api.access));
    onTestFinished(() => kube.close());
    await kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "gw-0-taken", labels } });
    const before = names("namespaces");
    const target = localTarget({
      logger: silentLogger,
      timeScale: 10,
      bind: "127.0.0.1",
      kubeconfig,
      run: "mine",
      suffix: () => "-taken",
    });
    await expect(target.open(scenario, 1, never)).rejects.toThrow(
      "the Node gw-0-taken is not this run's: it has no label skep/run=mine",
    );
    expect(names("nodes")).toEqual(["gw-0-taken"]);
    expect(names("namespaces")).toEqual(before);
    expect(names("secrets")).toEqual([]);
  });

  test(
    "an object outside the scenario's namespace is changed only where the run has made it, and is removed at the end",
    async () => {
      const { api, kubeconfig, names } = await clusterOf();
      const kube = new KubeClient(tokenKubeConfig(api.access));
      onTestFinished(() => kube.close());
      const storageClass = (name: string) =>
        `{ apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: { name: ${name} }, provisioner: p }`;
      const resource = await kube.resourceOf({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass" });
      await kube.create(resource, {
        apiVersion: "storage.k8s.io/v1",
        kind: "StorageClass",
        metadata: { name: "theirs" },
        provisioner: "p",
      });
      const target = localTarget({ logger: silentLogger, timeScale: 10, bind: "127.0.0.1", kubeconfig, run: "mine" });
      const own = await runScenario(
        given(
          `[{ apply: ${
            storageClass("ours")
          } }, { patch: { object: { apiVersion: storage.k8s.io/v1, kind: StorageClass, name: ours }, merge: { allowVolumeExpansion: true } } }, { expect: { at: kube, object: { apiVersion: storage.k8s.io/v1, kind: StorageClass, name: ours }, match: { allowVolumeExpansion: true, metadata: { labels: { skep/run: mine } } } } }]`,
        ),
        { ...options, target },
      );
      expect(own.failures).toEqual([]);
      for (
        const step of [
          `apply: ${storageClass("theirs")}`,
          "delete: { object: { apiVersion: storage.k8s.io/v1, kind: StorageClass, name: theirs } }",
          "patch: { object: { apiVersion: storage.k8s.io/v1, kind: StorageClass, name: theirs }, merge: {} }",
        ]
      ) {
        const { failures } = await runScenario(given(`[{ ${step} }]`), { ...options, target });
        expect(failures[0]?.message).toContain("the StorageClass theirs is not this run's");
      }
      expect(names("storageclasses.storage.k8s.io")).toEqual(["theirs"]);
    },
    30_000,
  );
});

describe("a cluster of another cloudcore", () => {
  test("is not served by ours, unless it is taken over, which has to be said once", async () => {
    const { api, kubeconfig, target } = await clusterOf();
    const kube = new KubeClient(tokenKubeConfig(api.access));
    onTestFinished(() => kube.close());
    const { certDer, keyDer } = await createAuthority("KubeEdge", Date.now());
    const data = { cadata: Buffer.from(certDer).toString("base64"), cakeydata: Buffer.from(keyDer).toString("base64") };
    await kube.create(resources.secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "casecret", namespace: "kubeedge" },
      data,
    });
    const never = new AbortController().signal;
    const error = await target.open(scenario, 1, never).catch((reason: unknown) => reason);
    expect(reasonOf(error)).toMatch(/the CA of another cloudcore: secret kubeedge\/casecret was not made by skep/);
    expect(isOfTheRun(error)).toBe(true);
    const taking = localTarget({ logger: silentLogger, timeScale: 10, bind: "127.0.0.1", kubeconfig, takeOver: true });
    expect(await (await taking.open(scenario, 1, never)).stop()).toEqual([]);
    await refuseTakenCluster(tokenKubeConfig(api.access), false);
    await kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "cloudcore-0", namespace: "kubeedge", labels: { kubeedge: "cloudcore" } },
      spec: { containers: [{ name: "c", image: "kubeedge/cloudcore" }] },
    });
    await refuseTakenCluster(tokenKubeConfig(api.access), false);
    const ref = { resource: resources.pods, namespace: "kubeedge", name: "cloudcore-0" };
    await kube.patch(ref, "merge", { status: { phase: "Running" } }, "status");
    // skep in the place of KubeEdge's Deployment has its labels.
    await refuseTakenCluster(tokenKubeConfig(api.access), false);
    await kube.delete({ resource: resources.secrets, namespace: "kubeedge", name: "casecret" });
    await expect(refuseTakenCluster(tokenKubeConfig(api.access), false)).rejects.toThrow(
      "a cloudcore runs in this cluster: pod kubeedge/cloudcore-0",
    );
    await refuseTakenCluster(tokenKubeConfig(api.access), true);
  }, 30_000);
});
