// `skep cloudcore` with KubeEdge's own file: what it prints, what it serves, how it fails and how it ends.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import type { HopRecord } from "../../base/hop/hop.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { parseCloudCoreFile } from "../../cloud/config/file.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { createAuthority } from "../../protocol/pki/ca.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";
import { startApi } from "../support/start.ts";

const folder = workFolder();
const cleanup = new AsyncDisposableStack();
let kube: KubeClient;
let started: Awaited<ReturnType<typeof startApi>>;
const kubeconfig = join(folder.path, "kubeconfig");

beforeAll(async () => {
  started = await startApi();
  cleanup.use(started.api);
  await writeKubeconfig(kubeconfig, started.api.access);
  kube = new KubeClient(tokenKubeConfig(started.api.access));
  cleanup.defer(() => kube.close());
});
afterAll(async () => {
  await cleanup.disposeAsync();
  folder.remove();
});

type Tree = { [key: string]: unknown };

/** A file with ports of its own, and changes to it. */
async function file(name: string, change: (hub: Tree, whole: Tree) => void = () => {}) {
  const [websocket = 0, https = 0, monitor = 0] = await freePorts(3);
  const hub: Tree = {
    advertiseAddress: ["127.0.0.1"],
    websocket: { address: "127.0.0.1", port: websocket },
    https: { address: "127.0.0.1", port: https },
    unixsocket: { address: `unix://${join(folder.path, `${name}.sock`)}` },
  };
  const whole: Tree = {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha1",
    kind: "CloudCore",
    commonConfig: { monitorServer: { bindAddress: `127.0.0.1:${monitor}` } },
    kubeAPIConfig: { kubeConfig: kubeconfig },
    modules: { cloudHub: hub },
  };
  change(hub, whole);
  const path = join(folder.path, `${name}.yaml`);
  writeFileSync(path, stringify(whole));
  return { path, websocket, https, monitor };
}

function edges(at: { websocket: number; https: number }, token: string) {
  const fleet = new Fleet({
    cohorts: [{ cohort: "filed", count: 2 }],
    hub: { host: "127.0.0.1", websocketPort: at.websocket, httpsPort: at.https, token },
    timings: scaledTimings(edgecoreTimings, 10),
    clock: started.clock,
    random: new Random(1),
    logger: silentLogger,
  });
  return fleet;
}

async function token(): Promise<string> {
  const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
  return Buffer.from(textAt(secret, "data", "tokendata"), "base64").toString("utf8");
}

describe("skep cloudcore --config", () => {
  test("prints its files, which it can read", async () => {
    const { out, code } = await skep(folder.path, "cloudcore", "--defaultconfig");
    expect(code).toBe(0);
    expect(parse(out)).toMatchObject({
      kind: "CloudCore",
      modules: { cloudHub: { nodeLimit: 500 } },
      skep: { ackWindow: 32 },
    });
    const { out: min } = await skep(folder.path, "cloudcore", "--minconfig");
    expect(parse(min)).toMatchObject({ kubeAPIConfig: { kubeConfig: "" }, modules: { cloudHub: { nodeLimit: 1000 } } });
  });

  test("prints the definitions of its kinds, which a cluster takes", { timeout: 60_000 }, async () => {
    const versions = async (...flags: string[]) => {
      const { code, out } = await skep(folder.path, "cloudcore", "--crds", ...flags);
      const [devices] = parseAllDocuments(out).map((d) => d.toJS() as { spec: { versions: { name: string }[] } });
      return [code, devices?.spec.versions.map(({ name }) => name)];
    };
    expect(await versions()).toEqual([0, ["v1beta1"]]);
    expect(await versions("v1.1")).toEqual([0, ["v1beta1", "v1alpha1"]]);
    expect((await skep(folder.path, "cloudcore", "--crds", "v2")).err).toContain(
      "--crds v2: it takes v1.1, or nothing",
    );
    const crds = await skep(folder.path, "cloudcore", "--crds", "v1.1");
    const names = parseAllDocuments(crds.out).map((document) => (document.toJS() as KubeObject).metadata.name);
    expect([crds.code, names.length]).toEqual([0, 7]);
    const { api } = await startApi({ seed: parseAllDocuments(crds.out).map((d) => d.toJS() as KubeObject) });
    await api.stop();
  });

  test("prints what a conf folder of v1.1 says, which it can read", { timeout: 60_000 }, async () => {
    const conf = join(folder.path, "conf");
    mkdirSync(conf);
    writeFileSync(join(conf, "controller.yaml"), "cloudhub: { port: 10000, node-limit: 10 }");
    const seed = await skep(folder.path, "cloudcore", "--seed-conf", folder.path);
    expect(seed.code).toBe(0);
    expect(parseCloudCoreFile(seed.out, "f").config.nodeLimit).toBe(10);
    writeFileSync(join(conf, "controller.yaml"), "cloudhub: { port: none }");
    const wrong = await skep(folder.path, "cloudcore", "--seed-conf", conf);
    expect([wrong.code, wrong.out]).toEqual([2, ""]);
    expect(wrong.err).toMatch(/controller\.yaml: cloudhub\.port: it is "none"; it must be a port/);
  });

  test("serves edges, the CSI driver and the monitor where the file says, nowhere else, and tells what has no effect", async () => {
    const at = await file("serves", (_hub, whole) => (whole.modules as Tree).dynamicController = { enable: true });
    const messages = join(folder.path, "hops.jsonl");
    const command = new Command(folder.path, [
      "cloudcore",
      "--config",
      at.path,
      "--json",
      "--messages",
      messages,
      "--time-scale",
      "10",
    ]);
    await command.says('"ready":true');
    expect(JSON.parse(command.out)).toMatchObject({
      websocket: `wss://127.0.0.1:${at.websocket}`,
      enrolment: `https://127.0.0.1:${at.https}`,
      metrics: `http://127.0.0.1:${at.monitor}/metrics`,
    });
    expect(command.err).toContain("modules.dynamicController.enable: no effect here, and ignored");
    expect(existsSync(join(folder.path, "serves.sock"))).toBe(true);
    const fleet = edges(at, await token());
    await fleet.start();
    await until("both are Ready", () => fleet.edges().every((edge) => edge.isReady));
    const metrics = await (await fetch(`http://127.0.0.1:${at.monitor}/metrics`)).text();
    expect(metrics).toContain("KubeEdge_CloudHub_connected_nodes 2");
    const { code } = await command.interrupt("SIGTERM");
    expect(code).toBe(143);
    await fleet.stop();
    const hops = readFileSync(messages, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as HopRecord);
    expect(new Set(hops.map(({ hop }) => hop))).toContain("hub.record");
  });

  test.each(["SIGINT", "SIGTERM"] as const)("%s ends it soon, edges connected, one of them mute", async (signal) => {
    const at = await file(`stops-${signal}`);
    const command = new Command(folder.path, ["cloudcore", "--config", at.path, "--quiet"]);
    await command.says("ready");
    const fleet = edges(at, await token());
    await fleet.start();
    await until("both are Ready", () => fleet.edges().every((edge) => edge.isReady));
    // Its acknowledgements take longer than a stop may.
    fleet.get("filed-0")?.link.setQuality("up", { latency: 20_000 });
    await kube.patch({ resource: resources.nodes, name: "filed-0" }, "merge", { metadata: { labels: { signal } } });
    command.child.kill(signal);
    // Five seconds are promised; a busy machine gets twice that.
    await until("it has ended", () => command.child.exitCode !== null, 10_000);
    const { code, err } = await command.ended();
    expect(code).toBe(signal === "SIGINT" ? 130 : 143);
    expect(err).not.toContain("bug of skep");
    await fleet.stop();
  });

  test("serves QUIC where the file switches it on; a fleet comes by it", async () => {
    const [port = 0] = await freePorts(1);
    const at = await file("quic", (hub) => {
      hub.websocket = { enable: false };
      hub.quic = { enable: true, address: "127.0.0.1", port };
    });
    const command = new Command(folder.path, ["cloudcore", "--config", at.path, "--json", "--time-scale", "10"]);
    await command.says('"ready":true');
    const facts = JSON.parse(command.out);
    expect([facts.quic, facts.websocket]).toEqual([`127.0.0.1:${port}/udp`, undefined]);
    const args = ["--quic-port", String(port), "--enrolment-port", String(at.https), "--edges", "2", "--prefix", "udp"];
    const fleet = new Command(folder.path, ["fleet", "--cloudcore", "127.0.0.1", ...args, "--time-scale", "10"], {
      SKEP_TOKEN: await token(),
    });
    await fleet.says("2 edges: 2 connected, 2 Ready");
    expect((await fleet.interrupt()).code).toBe(130);
    expect((await command.interrupt()).code).toBe(130);
  });

  test.runIf(existsSync("/dev/full"))(
    "a full disk under --messages is told once, and costs the messages only",
    async () => {
      const at = await file("full");
      const command = new Command(folder.path, [
        "cloudcore",
        "--config",
        at.path,
        "--messages",
        "/dev/full",
        "--time-scale",
        "10",
      ]);
      await command.says("ready");
      const fleet = edges(at, await token());
      await fleet.start();
      await until("both are Ready", () => fleet.edges().every((edge) => edge.isReady));
      await fleet.stop();
      const { code, out, err } = await command.interrupt();
      expect(code).toBe(130);
      expect((out + err).match(/messages are not written down any more/g)).toHaveLength(1);
    },
  );

  test("flags go before the file: --port, --bind, --kubeconfig, --node-limit", async () => {
    const at = await file("flags", (_hub, whole) => whole.kubeAPIConfig = { kubeConfig: "/nowhere/kubeconfig" });
    const [first = 0] = await freePorts(1);
    const args = ["--kubeconfig", kubeconfig, "--port", String(first), "--node-limit", "1", "--json", "--quiet"];
    const command = new Command(folder.path, ["cloudcore", "--config", at.path, ...args]);
    await command.says('"ready":true');
    expect(JSON.parse(command.out)).toMatchObject({ websocket: `wss://127.0.0.1:${first + 1}` });
    await command.interrupt();
  });

  describe("a start that fails ends with one clear message and code 2", () => {
    const cases: [string, (hub: Tree, whole: Tree) => void | Promise<void>, RegExp][] = [
      [
        "a wrong value",
        (hub) => void (hub.nodeLimit = "many"),
        /^skep: .*wrong-value\.yaml:\d+:\d+: modules\.cloudHub\.nodeLimit: it is "many"; it must be a whole number above 0$/,
      ],
      [
        "no kubeconfig",
        (_hub, whole) => void (whole.kubeAPIConfig = {}),
        /^skep: kubeAPIConfig\.kubeConfig is empty, and this is not inside a cluster/,
      ],
      [
        "a kubeconfig that is not there",
        (_hub, whole) => void (whole.kubeAPIConfig = { kubeConfig: "/nowhere/kubeconfig" }),
        /^skep: can't read the kubeconfig \/nowhere\/kubeconfig/,
      ],
      [
        "half a pair of certificates",
        (hub) => void Object.assign(hub, { tlsCAFile: kubeconfig, tlsCAKeyFile: "/nowhere/ca.key" }),
        /tlsCAFile and tlsCAKeyFile must both be there, or neither: \/nowhere\/ca\.key is missing/,
      ],
      [
        "a CA that is none",
        (hub) => void Object.assign(hub, { tlsCAFile: kubeconfig, tlsCAKeyFile: kubeconfig }),
        /there is no PEM block for it/,
      ],
      [
        "a socket path that can't be used",
        (hub) => void (hub.unixsocket = { address: "unix:///dev/null/x/y.sock" }),
        /can't listen on unix:\/\/\/dev\/null/,
      ],
      [
        "a port in use",
        (hub) => void (hub.websocket = { address: "127.0.0.1", port: started.api.port }),
        /can't listen on 127\.0\.0\.1:\d+: it is in use/,
      ],
    ];
    test.each(cases)("%s", async (name, change, message) => {
      const at = await file(name.replaceAll(" ", "-").replace("a-", ""), change as (hub: Tree, whole: Tree) => void);
      const { code, err, out } = await skep(folder.path, "cloudcore", "--config", at.path, "--quiet");
      const [first, second, ...others] = err.trimEnd().split("\n");
      expect(first).toMatch(message);
      expect(second).toMatch(/^ {2}\S.* \(SKEP_[A-Z_]+\)$/);
      expect(others).toEqual([]);
      expect(out).toBe("");
      expect(code).toBe(2);
    });
  });

  test("a CA from files signs, and stands in the secret where tokens come from", async () => {
    const { certPem, keyPem, certDer } = await createAuthority("KubeEdge", Date.now());
    const [ca, key] = [join(folder.path, "rootCA.crt"), join(folder.path, "rootCA.key")];
    writeFileSync(ca, certPem);
    // Go's own code labels SEC1 keys so.
    writeFileSync(key, keyPem.replaceAll("EC PRIVATE KEY", "PRIVATE KEY"));
    const at = await file("own-ca", (hub) => Object.assign(hub, { tlsCAFile: ca, tlsCAKeyFile: key }));
    const command = new Command(folder.path, ["cloudcore", "--config", at.path, "--quiet"]);
    await command.says("ready");
    const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "casecret" });
    expect(textAt(secret, "data", "cadata")).toBe(Buffer.from(certDer).toString("base64"));
    const fleet = edges(at, await token());
    await fleet.start();
    await until("both are connected", () => fleet.edges().every((edge) => edge.hub.isConnected));
    expect(fleet.get("filed-0")?.hub.credentials?.ca.replaceAll("\n", "")).toBe(certPem.replaceAll("\n", ""));
    await fleet.stop();
    await command.interrupt();
  });
});

describe("KubeEdge's own arguments", () => {
  test("its flags are taken, so that a unit file stays as it is", async () => {
    const flags = ["--v=2", "-v", "4", "--vmodule=hub=9", "--logtostderr", "--alsologtostderr=false", "--log_dir=/tmp"];
    const { path } = await file("flags");
    const args = ["--config", path, ...flags, "--log-flush-frequency=5s", "--feature-gates=requireAuthorization=true"];
    const core = new Command(folder.path, ["cloudcore", ...args]);
    await core.says("ready");
    expect((await core.interrupt()).code).toBe(130);
    expect(core.err).toContain("feature gates have no effect here");
  });

  test("--version tells KubeEdge's version; --minconfig=true is --minconfig; wrong ones end with 2", async () => {
    const cloudcore = (...words: string[]) => skep(folder.path, "cloudcore", ...words);
    for (
      const shown of await Promise.all(["--version", "--version=true", "--version=raw"].map((word) => cloudcore(word)))
    ) {
      expect(shown).toMatchObject({ code: 0, out: expect.stringMatching(/^KubeEdge v1\.23\.\d+ \(skep \d/) });
    }
    for (const { out } of await Promise.all(["true", "1", "T"].map((yes) => cloudcore(`--minconfig=${yes}`)))) {
      expect(out).toContain("kind: CloudCore");
    }
    // A switch takes nothing after it: Go's cloudcore refuses words that belong to no flag.
    const word = await cloudcore("--logtostderr", "word");
    expect(word).toMatchObject({ code: 2, err: expect.stringContaining("too many arguments") });
    const wrongs = [["--feature-gates=a"], ["-v", "much"], ["--nosuch"], ["--defaultconfig=maybe"]];
    const refused = await Promise.all(wrongs.map((words) => cloudcore(...words)));
    for (const [i, { code, err }] of refused.entries()) {
      expect(code).toBe(2);
      expect(err).toContain(wrongs[i]?.[0]?.replace(/=.*/, ""));
    }
  }, 60_000);

  test("called by a link of that name it is KubeEdge's binary", async () => {
    const link = join(folder.path, "cloudcore");
    symlinkSync(fileURLToPath(new URL("../../bin/skep.mjs", import.meta.url)), link);
    const { stdout } = await promisify(execFile)(process.execPath, [link, "--version"]);
    expect(stdout).toMatch(/^KubeEdge v1\.23/);
  });
});
