// `skep apiserver` as a product of its own: what it keeps in a folder, and what its flags do.
import https from "node:https";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const folder = workFolder();
const running = new Set<Command>();
afterEach(async () => {
  for (const command of running) await command.interrupt("SIGKILL");
  running.clear();
});

/** A server on a port of its own, and a client of it. */
async function start(...flags: string[]) {
  const command = new Command(folder.path, [
    "apiserver",
    "--port",
    "0",
    "--write-kubeconfig",
    "kubeconfig",
    "--json",
    ...flags,
  ]);
  running.add(command);
  await command.says('"ready":true');
  const file = join(folder.path, "kubeconfig");
  const config = loadKubeConfig(file);
  const text = readFileSync(file, "utf8");
  const access = {
    server: /server: (\S+)/.exec(text)?.[1] ?? "",
    token: /token: (\S+)/.exec(text)?.[1] ?? "",
    ca: Buffer.from(/certificate-authority-data: (\S+)/.exec(text)?.[1] ?? "", "base64"),
  };
  const end = async (signal: NodeJS.Signals) => {
    running.delete(command);
    return await command.interrupt(signal);
  };
  const facts = JSON.parse(command.out.slice(command.out.indexOf("{"))) as { readonly api: string };
  return { kube: new KubeClient(config), config, access, end, port: new URL(facts.api).port };
}

const configmap = (name: string, data: Record<string, string> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});

interface Event {
  readonly type: string;
  readonly object: KubeObject;
}

/** The next changes of the configmaps after a version. */
function watched(
  { ca, server, token }: { readonly ca: Buffer; readonly server: string; readonly token: string },
  version: string,
  count: number,
): Promise<Event[]> {
  const url = `${server}/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=${version}`;
  return new Promise((resolve, reject) => {
    const request = https.get(url, { ca, headers: { authorization: `Bearer ${token}` } }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += String(chunk);
        const lines = text.split("\n");
        if (lines.length <= count) return;
        request.destroy();
        resolve(lines.slice(0, count).map((line) => JSON.parse(line) as Event));
      });
    });
    request.on("error", reject);
  });
}

test(
  "a kill loses nothing that was answered; versions go on, watches continue, tokens and certificates stay good",
  async () => {
    const first = await start("--data", "state");
    const answered = new Map<string, string>();
    let isKilled = false;
    const writer = (async () => {
      for (let i = 0; !isKilled; i++) {
        const { metadata } = await first.kube.create(resources.configmaps, configmap(`c-${i}`, { i: String(i) }));
        answered.set(metadata.name, metadata.resourceVersion as string);
      }
    })().catch(() => {});
    await until("a hundred are answered", () => answered.size >= 100);
    const before = {
      uid: (await first.kube.get({ resource: resources.configmaps, namespace: "default", name: "c-0" })).metadata.uid,
      version: answered.get("c-50") as string,
    };
    await first.end("SIGKILL");
    isKilled = true;
    await writer;
    expect(statSync(join(folder.path, "state")).mode & 0o077).toBe(0);
    expect(statSync(join(folder.path, "state", "objects.sqlite")).mode & 0o077).toBe(0);

    const second = await start("--data", "state", "--port", first.port);
    const { items, metadata } = await second.kube.list(resources.configmaps, { namespace: "default" });
    const found = new Map(items.map((item) => [item.metadata.name, item.metadata.resourceVersion]));
    for (const [name, version] of answered) expect([name, found.get(name)]).toEqual([name, version]);
    expect(items.find((item) => item.metadata.name === "c-0")?.metadata.uid).toBe(before.uid);
    expect(Number(metadata.resourceVersion)).toBeGreaterThanOrEqual(Math.max(...[...answered.values()].map(Number)));
    // The kubeconfig of before is still good: the same CA, the same token; and a watch sees what came after its version.
    const seen = await watched(first.access, before.version, answered.size - 51);
    expect(seen.map(({ object }) => object.metadata.resourceVersion)).toEqual(
      [...answered.values()].filter((version) => Number(version) > Number(before.version)).slice(0, seen.length),
    );
    const created = await new KubeClient(first.config).create(resources.configmaps, configmap("after"));
    expect(Number(created.metadata.resourceVersion)).toBeGreaterThan(Number(metadata.resourceVersion));
  },
  60_000,
);

test("a folder is one server's at a time, and what can't be a folder is refused", async () => {
  await start("--data", "held");
  const { code, err } = await skep(
    folder.path,
    "apiserver",
    "--port",
    "0",
    "--data",
    "held",
    "--write-kubeconfig",
    "other",
  );
  expect(code).not.toBe(0);
  expect(err).toMatch(/the API can't keep its objects in held: another API server uses it/);
  writeFileSync(join(folder.path, "file"), "");
  const broken = await skep(folder.path, "apiserver", "--port", "0", "--data", "file", "--write-kubeconfig", "other");
  expect(broken.code).not.toBe(0);
  expect(broken.err).toMatch(/can't keep its objects in file/);
});

test("everything is exported when the server stops, and imported by another one as it was", async () => {
  const first = await start("--export", "all.yaml");
  const { metadata } = await first.kube.create(resources.configmaps, configmap("kept", { a: "yes", b: "0123" }));
  await first.end("SIGINT");
  expect(statSync(join(folder.path, "all.yaml")).mode & 0o077).toBe(0);
  const second = await start("--import", "all.yaml");
  const kept = await second.kube.get({ resource: resources.configmaps, namespace: "default", name: "kept" });
  expect(kept).toMatchObject({
    data: { a: "yes", b: "0123" },
    metadata: { uid: metadata.uid, creationTimestamp: metadata.creationTimestamp },
  });
  await second.end("SIGINT");
  writeFileSync(
    join(folder.path, "mine.yaml"),
    "apiVersion: v1\nkind: Namespace\nmetadata: { name: mine }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: c, namespace: mine }\n",
  );
  const third = await start("--import", "mine.yaml");
  expect((await third.kube.get({ resource: resources.configmaps, namespace: "mine", name: "c" })).metadata.uid)
    .toBeDefined();
  writeFileSync(join(folder.path, "bad.yaml"), "apiVersion: v1\nkind: Nothing\nmetadata: { name: mine }\n");
  const { code, err } = await skep(
    folder.path,
    "apiserver",
    "--port",
    "0",
    "--import",
    "bad.yaml",
    "--write-kubeconfig",
    "other",
  );
  expect(code).not.toBe(0);
  expect(err).toMatch(/no kind Nothing in v1/);
});

test("controllers are switched off by name, roles on by a flag, and wrong names are refused with those that there are", async () => {
  const { code, err } = await skep(folder.path, "apiserver", "--controllers", "nope");
  expect(code).not.toBe(0);
  expect(err).toMatch(/there is no controller "nope"; there are scheduler, deployment, /);
  const { kube } = await start("--controllers", "*,-root-ca-certificate-publisher", "--rbac");
  expect(await kube.find({ resource: resources.configmaps, namespace: "default", name: "kube-root-ca.crt" }))
    .toBeUndefined();
  const nobody = kube.impersonating("nobody", "people");
  await expect(nobody.list(resources.configmaps)).rejects.toThrow(
    /User "nobody" cannot list resource "configmaps" in API group "" at the cluster scope/,
  );
});
