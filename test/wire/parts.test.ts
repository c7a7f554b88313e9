// What `import … from "skep"` starts: each part by itself, with a default for everything.
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { SkepError, start, startApiServer, startCloudCore, startFleet } from "../../index.ts";

test("an API, a cloudcore on it, and a fleet that is Ready; each stops what it has started", async () => {
  await using api = await startApiServer();
  await using cloudcore = await startCloudCore({ kubeconfig: api, timeScale: 10 });
  {
    await using fleet = await startFleet({ cloudcore, edges: 3, prefix: "gw", timeScale: 10 });
    expect(fleet.totals()).toMatchObject({ edges: 3, connected: 3, ready: 3 });
    expect(fleet.edges().map(({ name }) => name)).toEqual(["gw-0", "gw-1", "gw-2"]);
    expect(cloudcore.metrics()).toMatchObject({ connected_nodes: 3 });
  }
  const { host, token, websocketPort } = cloudcore;
  // Enrolment is two ports further by default only.
  await using again = await startFleet({ cloudcore: { ...cloudcore, host }, token, edges: 1, timeScale: 10 });
  expect(again.totals().ready).toBe(1);
  expect(websocketPort).toBeGreaterThan(0);
});

test("a kubeconfig file is written for its owner alone, and works for a cloudcore", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skep-parts-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "kubeconfig");
  await using api = await startApiServer({ writeKubeconfig: file });
  expect(await readFile(file, "utf8")).toBe(api.kubeconfig);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await using cloudcore = await startCloudCore({ kubeconfig: file });
  expect(cloudcore.token).toMatch(/^[0-9a-f]{64}\./);
});

test("what can't be started rejects with a code and what to do", async () => {
  const failure = await startCloudCore({ kubeconfig: "/nowhere/kubeconfig" }).catch((error) => error);
  expect(failure).toBeInstanceOf(SkepError);
  expect(failure).toMatchObject({ code: "SKEP_KUBECONFIG", advice: expect.stringContaining("--kubeconfig") });
  await expect(startFleet({ cloudcore: "https://host:10000" })).rejects.toMatchObject({ code: "SKEP_HUB_ADDRESS" });
  await using api = await startApiServer();
  await using cloudcore = await startCloudCore({ kubeconfig: api });
  const taken = await startCloudCore({ kubeconfig: api, port: cloudcore.websocketPort - 1 }).catch((e) => e);
  expect(taken.cause).toMatchObject({ code: "SKEP_LISTEN" });
  const late = await startFleet({ cloudcore, token: "not.a.real.token", edges: 1, within: 500 }).catch((e) => e);
  expect(late).toBeInstanceOf(SkepError);
});

test("an API whose kubeconfig can't be written is stopped", async () => {
  const port = await (async () => {
    await using api = await startApiServer();
    return Number(new URL(api.url).port);
  })();
  await expect(startApiServer({ port, writeKubeconfig: "/dev/null/kubeconfig" })).rejects.toThrow();
  // The port is free again.
  await using again = await startApiServer({ port });
  expect(new URL(again.url).port).toBe(String(port));
});

test("an API that keeps its objects in a folder has them again, and takes names of controllers and roles", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skep-parts-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = "/api/v1/namespaces/default/configmaps";
  const bodyOf = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: `${name}-` } });
  const names: string[] = [];
  for (const controllers of [["*"], ["-scheduler"]]) {
    await using api = await startApiServer({ data: folder, controllers, rbac: true });
    const kube = new KubeClient(tokenKubeConfig(api.access));
    const created = await kube.call("POST", path, bodyOf("kept")) as { readonly metadata: { readonly name: string } };
    names.push(created.metadata.name);
    const { items } = await kube.call("GET", path) as {
      readonly items: { readonly metadata: { readonly name: string } }[];
    };
    expect(items.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(names));
    await kube.close();
  }
  expect(new Set(names).size).toBe(2);
  await expect(startApiServer({ controllers: ["nothing"] })).rejects.toThrow(/there is no controller "nothing"/);
});

test("start takes a number of edges for a whole environment", async () => {
  await using skep = await start({ edges: 2 });
  expect(skep.fleet.edges()).toHaveLength(2);
});
