// The parts started alone work together: apiserver, cloudcore, fleet, and a scenario against them.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const folder = workFolder();
const running: Command[] = [];
afterAll(async () => {
  for (const command of running.toReversed()) await command.interrupt();
  folder.remove();
});

function start(...args: string[]): Command {
  const command = new Command(folder.path, args);
  running.push(command);
  return command;
}

test("apiserver, cloudcore and fleet in processes of their own make nodes Ready and pods Running", async () => {
  const api = start("apiserver", "--port", "0", "--write-kubeconfig", "kubeconfig", "--json");
  await api.says('"ready":true');
  const file = join(folder.path, "kubeconfig");
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(api.out + api.err).not.toContain(/token: (\S+)/.exec(readFileSync(file, "utf8"))?.[1]);

  const cloudcore = start("cloudcore", "--kubeconfig", "kubeconfig", "--port", "0", "--json", "--time-scale", "10");
  await cloudcore.says('"ready":true');
  const facts = JSON.parse(cloudcore.out) as { websocket: string; enrolment: string };
  const [hub, enrolment] = [facts.websocket, facts.enrolment].map((url) =>
    new URL(url.replace("wss", "https")).port
  ) as [string, string];

  const config = loadKubeConfig(file);
  const kube = new KubeClient(config);
  const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
  const token = Buffer.from((secret.data as Record<string, string>).tokendata as string, "base64").toString();
  expect(cloudcore.out + cloudcore.err).not.toContain(token);

  const fleet = start(
    "fleet",
    "--cloudcore",
    `127.0.0.1:${hub}`,
    "--enrolment-port",
    enrolment,
    "--token",
    token,
    "--edges",
    "3",
    "--prefix",
    "box",
    "--time-scale",
    "10",
  );
  await fleet.says("ready");
  expect(fleet.out).toContain("3 edges: 3 connected, 3 Ready");
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { nodeName: "box-1", containers: [{ name: "c", image: "nginx" }] },
  };
  await kube.create(resources.pods, pod);
  await until("the pod runs", async () => {
    const found = await kube.get({ resource: resources.pods, namespace: "default", name: "web" });
    return (found.status as { phase?: string }).phase === "Running";
  });
  const { code } = await fleet.interrupt();
  expect(code).toBe(130);
  running.pop();

  // Our edges and checks, their cloudcore and cluster.
  writeFileSync(
    join(folder.path, "theirs.yaml"),
    "skep: 1\nname: theirs\nfleet: [{ cohort: gw, count: 2 }]\nsteps:\n  - apply: { apiVersion: v1, kind: ConfigMap, metadata: { name: a }, data: { x: y } }\n  - apply: { apiVersion: v1, kind: Pod, metadata: { name: p }, spec: { nodeName: gw-1, containers: [{ name: c, image: i, envFrom: [{ configMapRef: { name: a } }] }] } }\n  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: p }, match: { status: { phase: Running } } }\n",
  );
  const at = [
    "--kubeconfig",
    "kubeconfig",
    "--cloudcore",
    `127.0.0.1:${hub}`,
    "--enrolment-port",
    enrolment,
    "--token",
    token,
  ];
  const run = await skep(folder.path, "run", "theirs.yaml", ...at, "--time-scale", "10");
  expect(run.out).toContain("1 passed, 0 failed");
  expect(run.code).toBe(0);
  await until("the scenario's nodes and namespace are gone again", async () => {
    const nodes = (await kube.list(resources.nodes)).items.map((n) => n.metadata.name);
    const namespaces = (await kube.list(resources.namespaces)).items.map((n) => n.metadata.name);
    return !nodes.includes("gw-0") && !namespaces.some((name) => name.startsWith("skep-"));
  });
  await kube.close();
});

test("up says how it is reached, and goes within five seconds", async () => {
  const up = start("up", "--port", "0", "--edges", "2", "--write-kubeconfig", "up/kubeconfig", "--json");
  await up.says('"ready":true');
  expect(JSON.parse(up.out)).toMatchObject({ ready: true, kubeconfig: "up/kubeconfig", edges: 2 });
  const kube = new KubeClient(loadKubeConfig(join(folder.path, "up/kubeconfig")));
  expect((await kube.list(resources.nodes)).items).toHaveLength(2);
  await kube.close();
  const began = performance.now();
  expect((await up.interrupt()).code).toBe(130);
  expect(performance.now() - began).toBeLessThan(5000);
  running.pop();
});
