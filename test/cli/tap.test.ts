// `skep tap`, `diff` and `judge` as a user types them, beside a `skep up` that runs.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { until } from "../support/until.ts";

const folder = workFolder();
const runs = join(folder.path, ".skep", "run");
let up: Command;
let kube: KubeClient;

beforeAll(async () => {
  up = new Command(folder.path, ["up", "--edges", "2", "--port", "0"]);
  await up.says("ready", 60_000);
  kube = new KubeClient(loadKubeConfig(join(folder.path, "skep-report", "kubeconfig")));
  const data = { level: "info" };
  await kube.create(resources.configmaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "app", namespace: "default" },
    data,
  });
  await kube.create(resources.secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "key", namespace: "default" },
    stringData: { password: "hunter2" },
  });
  const volumes = [{ name: "c", configMap: { name: "app" } }, { name: "s", secret: { secretName: "key" } }];
  const spec = { nodeName: "edge-0", containers: [{ name: "c", image: "i" }], volumes };
  await kube.create(resources.pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec,
  });
  await until(
    "the edge has the configmap",
    async () => (await tap("--why", "cm/app", "--edge", "edge-0")).code === 0,
    60_000,
  );
});
afterAll(async () => {
  await kube?.close();
  await up?.interrupt();
  folder.remove();
});

const tap = (...args: string[]) => skep(folder.path, "tap", ...args);

describe("a skep that runs", () => {
  test("says where its console is, and can be found by its file", async () => {
    const console = /^console +(\S+)$/m.exec(up.out)?.[1] ?? "";
    expect((await tap("--console")).out).toBe(`${console}\n`);
    expect(up.out).toMatch(/^console +http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}$/m);
    expect(readdirSync(runs).filter((name) => name.endsWith(".json"))).toHaveLength(1);
  });

  test("is followed with short filters", async () => {
    const { code, out } = await tap(
      "--once",
      "--edge",
      "edge-0",
      "--kind",
      "cm",
      "--name",
      "app",
      "--down",
      "--hop",
      "hub",
    );
    expect(code).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.every((line) => / hub\.\w+ +edge-0 +response default\/configmap\/app/.test(line))).toBe(true);
  });

  test("shows an object through all its hops", async () => {
    const { code, out } = await tap("--follow", "configmap/default/app", "--edge", "edge-0");
    expect(code).toBe(0);
    for (
      const hop of [
        "kube.event",
        "controller.drop",
        "edge.write",
        "hub.read",
        "kube.write",
        "hub.write",
        "edge.read",
        "hub.ack",
      ]
    ) {
      expect(out).toContain(hop);
    }
    expect(out).toMatch(/no pod on any edge uses it/);
    expect(out).toMatch(/\d+ ms {2}in all/);
  });

  test("shows a report from the device to the DeviceStatus", async () => {
    const args = ["--once", "--json", "--hop", "edge.write", "--where", 'resource.contains("edge_updated")'];
    const last = await until(
      "a device has reported",
      async () => (await tap(...args)).out.trimEnd().split("\n").at(-1),
      30_000,
    );
    const { id } = JSON.parse(last) as { id: string };
    const chain = (await tap("--follow", id)).out;
    const order = [
      "device.report",
      "twin.update",
      "edge.write",
      "hub.read",
      "controller.receive",
      "kube.write",
      "hub.write",
      "edge.read",
    ];
    const places = order.map((hop) => chain.indexOf(hop));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  test("says why something is not there, and what to try", async () => {
    const { code, out } = await tap("--why", "cm/default/app", "--edge", "edge-1");
    expect(code).toBe(1);
    expect(out).toMatch(/^edge-1 is not sent configmap default\/app: no pod on edge-1 uses it\n/);
    expect(out).toMatch(/ try: cloudcore sends a configmap only to edges whose pods use it/);
    const { reason } = JSON.parse((await tap("--why", "cm/default/app", "--edge", "edge-1", "--json")).out);
    expect(reason).toBe("not used");
  });

  test("is counted by kind and edge", async () => {
    const { out } = await tap("--stats", "--once");
    expect(out).toMatch(/^EDGE +KIND +DOWN +UP/);
    expect(out).toMatch(/^edge-0 +configmap +[1-9]/m);
  });

  test("shows no secret, unless it is asked to", async () => {
    const about = ["--once", "--json", "--kind", "secret", "--last", "1000"];
    const [masked, revealed] = [await tap(...about), await tap(...about, "--reveal")];
    expect(masked.out).toContain("(masked)");
    expect(masked.out).not.toMatch(/aHVudGVyMg|hunter2/);
    expect(revealed.out).toContain("aHVudGVyMg==");
  });

  test.each([["flow.jsonl"], ["flow.jsonl.gz"]])(
    "is recorded into %s, which can be looked at, compared and judged",
    async (file) => {
      expect((await tap("--once", "-o", file)).err).toMatch(/\d+ hops are in flow/);
      const listed = await tap(file, "--kind", "configmap", "--edge", "edge-0");
      expect(listed.out).toContain("default/configmap/app");
      expect((await tap(file, "--follow", "cm/app")).out).toContain("kube.event");
      const judged = await skep(folder.path, "judge", file);
      expect(judged.out).toContain("✓ no version went backwards: held");
      expect(judged.code).toBe(0);
      const same = await skep(folder.path, "diff", file, file);
      expect(same).toMatchObject({ code: 0 });
      expect(same.out).toMatch(/nothing differs/);
      await tap(file, "--where", 'kind != "configmap"', "-o", "less.jsonl");
      const less = await skep(folder.path, "diff", file, "less.jsonl");
      expect(less.code).toBe(1);
      expect(less.out).toMatch(/^- missing +edge-0 down response default\/configmap\/app$/m);
    },
  );

  test("beside another is told apart from it, and joined where that is asked for", async () => {
    const other = new Command(folder.path, [
      "fleet",
      "--cloudcore",
      hubOf(up.out),
      "--enrolment-port",
      enrolmentOf(up.out),
      "--edges",
      "1",
      "--prefix",
      "far",
    ], { SKEP_TOKEN: await tokenOf(kube) });
    try {
      await until(
        "the second one has its file",
        () => readdirSync(runs).filter((name) => name.endsWith(".json")).length === 2,
        30_000,
      );
      const several = await tap("--once");
      expect(several.code).toBe(2);
      expect(several.err).toMatch(/several run here: choose one, or --all to join them\n +up .*\n +fleet /);
      await until(
        "its node is there",
        async () => (await tap("--why", "node/far-0", "--edge", "far-0", "--all")).code === 0,
        60_000,
      );
      const joined = await tap("--follow", "node/far-0", "--all");
      expect(joined.out).toMatch(/hub\.write +far-0/);
      expect(joined.out).toMatch(/edge\.store +far-0/);
    } finally {
      await other.interrupt();
    }
  });
});

test("the processes of a load run are seen as one: its hub's hops and its edges', while somebody looks", async () => {
  const { path, remove } = workFolder();
  const load = new Command(path, [
    "load",
    "deploy",
    "--edges",
    "4",
    "--processes",
    "2",
    "--duration",
    "20s",
    "--report",
    "rep",
  ]);
  try {
    await load.says("console: http", 60_000);
    const looking = new Command(path, ["tap", "--kind", "pod"]);
    await until(
      "hops of both ends are there",
      () => ["hub.write", "edge.store", "kube.event"].every((hop) => looking.out.includes(` ${hop}`)),
      60_000,
    );
    // Both processes of the fleet, whose edges take turns.
    await until(
      "edges of both processes are there",
      () => /edge\.store +\S+-0 /.test(looking.out) && /edge\.store +\S+-1 /.test(looking.out),
      30_000,
    );
    await looking.interrupt();
  } finally {
    await load.interrupt();
    remove();
  }
});

describe("what can't be done", () => {
  test.each([
    [["tap", "--where", "nod == 1"], /fields are time/],
    [["tap", "--why", "cm/app"], /--why needs --edge NODE/],
    [["tap", "--why", "x", "--edge", "e"], /KIND\/NAMESPACE\/NAME is needed/],
    [["tap", "--at", "nowhere"], /an address such as/],
    [["tap", "--at", "http://127.0.0.1:1"], /its token is needed/],
    [["tap", "--pid", "1"], /no skep with the number 1 runs/],
    [["tap", "none.jsonl"], /none\.jsonl: .*ENOENT/],
    [["diff", "none.jsonl", "none.jsonl"], /none\.jsonl: .*ENOENT/],
    [["judge", "bad.jsonl"], /bad\.jsonl, line 1: it is no recording/],
  ])("%j is refused with what to do", async (args, reason) => {
    writeFileSync(join(folder.path, "bad.jsonl"), "{}\n");
    const { code, err } = await skep(folder.path, ...args);
    expect(code).toBe(2);
    expect(err).toMatch(reason);
  });

  test("where nothing runs, it says so", async () => {
    const empty = workFolder();
    const { code, err } = await skep(empty.path, "tap");
    expect(code).toBe(2);
    expect(err).toMatch(/no skep runs from this folder .*start one, such as `skep up`/);
    empty.remove();
  });

  test("a scenario that fails leaves a recording where that is asked for, and the report leads to it", async () => {
    writeFileSync(
      join(folder.path, "fails.yaml"),
      `skep: 1
name: a pod never fails
fleet: [{ cohort: gw, count: 1 }]
steps:
  - apply: { apiVersion: v1, kind: Secret, metadata: { name: key }, stringData: { password: hunter2 } }
  - apply: { apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { nodeName: gw-0, containers: [{ name: c, image: i }], volumes: [{ name: s, secret: { secretName: key } }] } }
  - expect: { at: edge/gw-0, object: { apiVersion: v1, kind: Secret, name: key } }
  - expect: { at: kube, object: { apiVersion: v1, kind: Pod, name: web }, match: { status: { phase: Failed } }, within: 1s }
`,
    );
    const { code, out } = await skep(folder.path, "run", "fails.yaml", "--record", "--report", "rep");
    expect(code).toBe(1);
    expect(out).toMatch(/messages: recordings\/1-a-pod-never-fails\.jsonl\.gz/);
    const shown = await skep(folder.path, "tap", "rep/recordings/1-a-pod-never-fails.jsonl.gz", "--follow", "pod/web");
    expect(shown.out).toMatch(/edge\.store +gw-0/);
    const recorded = (await skep(folder.path, "tap", "rep/recordings/1-a-pod-never-fails.jsonl.gz", "--json")).out;
    expect(recorded).toContain("(masked)");
    for (
      const text of [
        recorded,
        ...["report.json", "report.html", "junit.xml"].map((name) =>
          readFileSync(join(folder.path, "rep", name), "utf8")
        ),
      ]
    ) {
      expect(text).not.toMatch(/hunter2|aHVudGVyMg/);
    }
  });
});

test("a skep that has ended, or was killed, is not found any more", async () => {
  const { path, remove } = workFolder();
  const brief = new Command(path, ["up", "--edges", "1", "--port", "0"]);
  await brief.says("ready", 60_000);
  expect(readdirSync(join(path, ".skep", "run"))).toHaveLength(1);
  await brief.interrupt();
  expect(existsSync(join(path, ".skep"))).toBe(false);
  const killed = new Command(path, ["up", "--edges", "1", "--port", "0"]);
  await killed.says("ready", 60_000);
  const [name = ""] = readdirSync(join(path, ".skep", "run"));
  process.kill(Number(name.replace(".json", "")), "SIGKILL");
  await killed.ended();
  expect((await skep(path, "tap")).err).toMatch(/no skep runs/);
  expect(existsSync(join(path, ".skep", "run", name))).toBe(false);
  remove();
});

function hubOf(out: string): string {
  return `127.0.0.1:${/^websocket .*:(\d+)$/m.exec(out)?.[1]}`;
}

function enrolmentOf(out: string): string {
  return /^enrolment .*:(\d+)$/m.exec(out)?.[1] ?? "";
}

async function tokenOf(client: KubeClient): Promise<string> {
  const secret = await client.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
  return Buffer.from((secret.data as { tokendata: string }).tokendata, "base64").toString("utf8");
}
