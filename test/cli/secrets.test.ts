// Values of secrets, and tokens, never leave: searched for, with marked values, in everything that a run writes and an endpoint serves.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { Command, workFolder } from "../support/command.ts";
import { startProxied } from "../support/proxied-run.ts";
import { until } from "../support/until.ts";

const marked = "marked-value-7f3a91";
/** The value as it may be written: itself, and in base64, whose letters depend on what stands before it. */
const forms = [
  marked,
  ...[0, 1, 2].map((at) => Buffer.from(`${"x".repeat(at)}${marked}`).toString("base64").slice(at === 0 ? 0 : 4, -4)),
];

const scenario = `skep: 1
name: a secret is used, and a step about it fails
fleet: [{ cohort: gw, count: 1 }]
steps:
  - apply: { apiVersion: v1, kind: Secret, metadata: { name: key }, stringData: { password: ${marked} } }
  - apply: { apiVersion: v1, kind: Secret, metadata: { name: raw }, data: { password: ${
  Buffer.from(marked).toString("base64")
} } }
  - apply: { apiVersion: v1, kind: Pod, metadata: { name: reader }, spec: { nodeName: gw-0, containers: [{ name: c, image: i, envFrom: [{ secretRef: { name: key } }, { secretRef: { name: raw } }] }] } }
  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: reader }, match: { status: { phase: Running } } }
  - expect: { at: edge/gw-0, object: { apiVersion: v1, kind: Secret, name: key } }
  - expect: { at: edge/gw-0, object: { apiVersion: v1, kind: Secret, name: key }, match: { data: { password: other } }, within: 200ms }
catch:
  - show: { at: edge/gw-0, object: { apiVersion: v1, kind: Secret, name: key } }
  - show: { at: kube, object: { apiVersion: v1, kind: Secret, name: raw } }
`;

function folderOfTest(): string {
  const folder = workFolder();
  onTestFinished(() => folder.remove());
  return folder.path;
}

/** A private key in PEM, as it is or in base64, or one of an elliptic curve in DER; a token of three parts, signed. */
const always = [
  /-----BEGIN [A-Z ]*PRIVATE KEY/,
  /LS0tLS1CRUdJTiB(QUklW|FQyBQUklW|SU0EgUFJJV)/,
  /MHcCAQEE[\w+/]{40}|MIGHAgEAMBMGByqGSM49/,
  /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}/,
];

/** Where any of the texts stands, a key or a token, with what is around it. */
function leaks(where: string, text: string, secrets: readonly string[]): string[] {
  const found = [
    ...secrets.map((secret) => text.indexOf(secret)),
    ...always.map((pattern) => text.search(pattern)),
  ];
  return found.filter((at) => at >= 0).map((at) => `${where}: …${text.slice(Math.max(0, at - 120), at + 40)}`);
}

test("what is searched for is found", () => {
  const token = ["HS256 here", "claims of it", "signature of it"].map((part) =>
    Buffer.from(`{"${part}`).toString("base64url")
  );
  const key = "-----BEGIN EC PRIVATE KEY-----";
  for (const text of [`a ${marked}`, `b ${token.join(".")}`, `c ${key}`, `d ${Buffer.from(key).toString("base64")}`]) {
    expect(leaks("here", text, forms), text).toHaveLength(1);
  }
  expect(leaks("here", "a certificate: -----BEGIN CERTIFICATE-----", forms)).toEqual([]);
});

test("a run that fails about a secret says nothing of its value, in no output, report or recording", async () => {
  const folder = folderOfTest();
  writeFileSync(join(folder, "secret.yaml"), scenario);
  const run = new Command(folder, [
    "run",
    "secret.yaml",
    "--record",
    "--verbose",
    "--report",
    "report",
  ]);
  const { code, err, out } = await run.ended();
  expect(code, out + err).toBe(1);
  const found = leaks("output", out + err, forms);
  const files = readdirSync(join(folder, "report"), { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.\w+$/.test(name)
  );
  expect(files.some((name) => name.startsWith("recordings"))).toBe(true);
  for (const name of files) {
    const bytes = readFileSync(join(folder, "report", name));
    found.push(...leaks(name, (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8"), forms));
  }
  expect(found).toEqual([]);
}, 60_000);

test(
  "a running skep shows neither secrets nor its token: not in its log, messages, edges or objects",
  async () => {
    const folder = folderOfTest();
    const up = new Command(folder, [
      "up",
      "--edges",
      "1",
      "--port",
      "0",
      "--write-kubeconfig",
      "kc",
      "--log",
      "debug",
      "--json",
    ]);
    onTestFinished(async () => void await up.interrupt());
    await up.says('"ready":true');
    const kube = new KubeClient(loadKubeConfig(join(folder, "kc")));
    onTestFinished(() => kube.close());
    await kube.create(resources.secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "key", namespace: "default" },
      stringData: { password: marked },
    } as never);
    await kube.create(resources.pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "reader", namespace: "default" },
      spec: { nodeName: "edge-0", containers: [{ name: "c", image: "i", envFrom: [{ secretRef: { name: "key" } }] }] },
    } as never);
    const pod = { resource: resources.pods, namespace: "default", name: "reader" };
    await until("the pod runs", async () => textAt(await kube.get(pod), "status", "phase") === "Running", 20_000);
    const token = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
    const bootstrap = Buffer.from(textAt(token, "data", "tokendata"), "base64").toString();
    const runs = JSON.parse(
      readFileSync(join(folder, ".skep", "run", readdirSync(join(folder, ".skep", "run"))[0] as string), "utf8"),
    );
    const secrets = [...forms, bootstrap];
    const ask = async (path: string) => {
      const answer = await fetch(`${new URL(runs.url).origin}${path}`, {
        headers: { authorization: `Bearer ${runs.token}` },
      });
      expect(answer.status, path).toBe(200);
      return await answer.text();
    };
    const found: string[] = [];
    for (
      const path of [
        "/api/hops?last=100000&follow=no",
        "/api/edges",
        "/api/edges/edge-0",
        "/api/objects",
        "/api/gauges",
        "/api/where?object=secret/key",
        "/api/where?object=secret/key&edge=edge-0",
        "/api/why?object=secret/key&edge=edge-0",
        "/api/history?object=secret/key",
      ]
    ) {
      found.push(...leaks(path, await ask(path), secrets));
    }
    found.push(...leaks("log", up.err, secrets));
    // The token is told once, to the user who starts it.
    found.push(...leaks("output", up.out.replace(bootstrap, ""), secrets));
    expect(found).toEqual([]);
  },
  60_000,
);

test("a cloudcore and a proxy show neither: not in metrics, logs, nor what the proxy records", async () => {
  await using proxied = await startProxied("--log", "debug");
  writeFileSync(join(proxied.folder, "secret.yaml"), scenario);
  const { code, err, out } = await proxied.run("run", "secret.yaml");
  expect(code, out + err).toBe(1);
  await proxied.tap("--once", "--last", "1000000", "-o", "flow.jsonl.gz");
  const flow = gunzipSync(readFileSync(join(proxied.folder, "flow.jsonl.gz"))).toString("utf8");
  expect(flow).toContain("/secret/key");
  const metrics = await (await fetch(proxied.metrics)).text();
  expect(metrics).toContain("# TYPE");
  const texts = { output: out + err, flow, metrics, printed: proxied.printed() };
  const secrets = [...forms, proxied.token];
  expect(Object.entries(texts).flatMap(([where, text]) => leaks(where, text, secrets))).toEqual([]);
}, 60_000);
