// The conf folder of a cloudcore of KubeEdge v1.1, read: what it becomes, and what is wrong with it.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseCloudCoreFile } from "../../../../cloud/config/file.ts";
import { fromSeedConf } from "../../../../cloud/config/seed-conf.ts";

let dir = "";
beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), "skep-seed-"))));
afterAll(() => rm(dir, { recursive: true }));

/** A folder with these files; gives what it becomes. */
async function become(files: Readonly<Record<string, string>>, below = "conf"): Promise<string> {
  const folder = await mkdtemp(join(dir, "case-"));
  await mkdir(join(folder, below), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, below, name), text);
  return await fromSeedConf(folder);
}

/** As the release of v1.1 ships it. */
const shipped = {
  "controller.yaml": `
controller:
  kube:
    master:
    namespace: ""
    content_type: "application/vnd.kubernetes.protobuf"
    qps: 5
    burst: 10
    node_update_frequency: 10
    kubeconfig: "~/.kube/config"
cloudhub:
  protocol_websocket: true
  port: 10000
  protocol_quic: true
  quic_port: 10001
  max_incomingstreams: 10000
  enable_uds: true
  uds_address: unix:///var/lib/kubeedge/kubeedge.sock
  address: 0.0.0.0
  ca: /etc/kubeedge/ca/rootCA.crt
  cert: /etc/kubeedge/certs/edge.crt
  key: /etc/kubeedge/certs/edge.key
  keepalive-interval: 30
  write-timeout: 30
  node-limit: 10
devicecontroller:
  kube: { master: , kubeconfig: "/root/.kube/config", qps: 5, burst: 10 }
`,
  "modules.yaml": "modules: { enabled: [devicecontroller, edgecontroller, cloudhub] }",
};

describe("the shipped folder", () => {
  test("becomes a cloudcore.yaml that means the same", async () => {
    const text = await become(shipped);
    const { config, kubeconfig, servers } = parseCloudCoreFile(text, "cloudcore.yaml");
    expect(config).toMatchObject({
      nodeLimit: 10,
      keepaliveInterval: 30_000,
      legacyCaFile: "/etc/kubeedge/ca/rootCA.crt",
      eras: [{ nodeSelector: { "node-role.kubernetes.io/edge": "" }, era: "v1.1" }],
    });
    expect([...config.controllers].sort()).toEqual(["deviceController", "edgeController", "syncController"]);
    expect(kubeconfig.file).toBe(join(homedir(), ".kube/config"));
    expect(servers.websocket).toEqual({ host: "0.0.0.0", port: 10000 });
    expect(servers.unixsocket).toBe("/var/lib/kubeedge/kubeedge.sock");
    expect(servers.quic, "Google's QUIC of then is spoken by nobody").toBeUndefined();
  });

  test("keys that have no place any more are named, with the reason", async () => {
    const text = await become(shipped);
    expect(text).toMatch(/^#\s+cloudhub\.cert: the hub makes an EC certificate/m);
    expect(text).toMatch(/^#\s+cloudhub\.protocol_quic: no current edge has/m);
    expect(text).toMatch(/^#\s+devicecontroller\.kube\.qps: there is one client/m);
    expect(text).toMatch(/^#\s+controller\.kube\.namespace: not known here/m);
  });
});

test("buffers and workers keep their numbers under today's names; dotted keys are taken, too; the folder itself may be named", async () => {
  const text = await become({
    "a.yaml": "controller: { buffer: { update-pod-status: 7, query-service: 9, pod-event: 3 } }",
    "b.yml": "controller.load.query-configmap-workers: 11\ncontroller.load.update-pod-status-workers: 2",
    "notes.txt": "not: [yaml",
  }, "");
  const { edgeController } = (parse(text) as { modules: Record<string, { buffer: object; load: object }> }).modules;
  expect(edgeController).toEqual({
    buffer: { updatePodStatus: 7, podEvent: 3 },
    load: { queryConfigMapWorkers: 11, updatePodStatusWorkers: 2 },
  });
  expect(text).toMatch(/^#\s+controller\.buffer\.query-service: asked for together with configmaps/m);
  expect(() => parseCloudCoreFile(text, "cloudcore.yaml")).not.toThrow();
});

test("modules that were not enabled are switched off", async () => {
  const text = await become({ "modules.yaml": "modules: { enabled: [edgecontroller, cloudhub] }" });
  const { config } = parseCloudCoreFile(text, "cloudcore.yaml");
  expect([...config.controllers].sort()).toEqual(["edgeController", "syncController"]);
});

/** Each list holds the one before nine times. */
const bomb = [..."abcdefghij"].map((name, i, all) =>
  `${name}: &${name} [${Array.from({ length: 9 }, () => i === 0 ? "x" : `*${all[i - 1]}`).join(", ")}]`
).join("\n");

test("a folder named like a file is named; a key of two lines stays in its comment; WebSocket is never switched off", async () => {
  const folder = await mkdtemp(join(dir, "case-"));
  await mkdir(join(folder, "x.yaml"));
  await expect(fromSeedConf(folder)).rejects.toThrow(/x\.yaml: can't be read: EISDIR/);
  const text = await become({
    "c.yaml": '"a\\nkind: Other": 1\ncloudhub: { protocol_websocket: false, protocol_quic: true }',
  });
  expect((parse(text) as { kind: string }).kind).toBe("CloudCore");
  expect(text).toContain("protocol_websocket: WebSocket is the only transport");
  expect(parseCloudCoreFile(text, "f").servers.websocket).toBeDefined();
});

describe("what is wrong is named with its file, and nothing is printed", () => {
  const wrong: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    [
      "a port that is none",
      { "c.yaml": "cloudhub: { port: 70000 }" },
      /c\.yaml: cloudhub\.port: it is 70000; it must be a port/,
    ],
    [
      "several mistakes at once",
      { "c.yaml": "cloudhub: { node-limit: many, keepalive-interval: [] }" },
      /node-limit: it is "many".*\n.*keepalive-interval: it is \[\]/,
    ],
    ["modules that are no list", { "m.yaml": "modules: { enabled: all }" }, /m\.yaml: modules\.enabled: it is "all"/],
    ["no YAML", { "c.yaml": "cloudhub: [" }, /c\.yaml: not YAML: /],
    ["no mapping", { "c.yaml": "- a" }, /c\.yaml: a mapping of keys was expected/],
    [
      "an address that is none, once",
      { "c.yaml": "cloudhub: { address: here }" },
      /^[^\n]*c\.yaml: cloudhub\.address: it is "here"[^\n]*$/,
    ],
    ["aliases of aliases", { "c.yaml": bomb }, /c\.yaml: not usable: /],
    ["what holds itself", { "c.yaml": "a: &a { b: *a }" }, /c\.yaml: not usable: /],
    ["what is too deep", { "c.yaml": `${"a: {".repeat(30)} b: 1 ${"}".repeat(30)}` }, /c\.yaml: a\.a\..*too deep/],
    ["an empty folder", {}, /there is no \*\.yaml in /],
  ];
  test.each(wrong)("%s", async (_name, files, message) => {
    await expect(become(files)).rejects.toThrow(message);
  });

  test("a folder that is not there", async () => {
    await expect(fromSeedConf(join(dir, "nowhere"))).rejects.toThrow(/nowhere: can't read the folder: ENOENT/);
  });
});
