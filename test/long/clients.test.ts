// Other people's clients on `skep apiserver`: a program of client-go's, Helm, and the Go cloudcore with our edges. Each runs where its
// tool is there: `go`, `helm`, and a cloudcore v1.23 that `SKEP_GO_CLOUDCORE` names.
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { Command, workFolder } from "../support/command.ts";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const isThere = (name: string, ...args: string[]) => spawnSync(name, args).status === 0;
const needs = (has: boolean, what: string) => has ? "" : ` [needs ${what}, which is not on this machine]`;

function folderOfTest(): string {
  const folder = workFolder();
  onTestFinished(() => folder.remove());
  return folder.path;
}

async function startApi(folder: string, ...flags: string[]) {
  const command = new Command(folder, ["apiserver", "--write-kubeconfig", "kubeconfig", ...flags]);
  onTestFinished(async () => void await command.interrupt("SIGKILL"));
  await command.says("\nready\n");
  return { command, kube: new KubeClient(loadKubeConfig(join(folder, "kubeconfig"))) };
}

const configmap = (name: string, key: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { key },
});

const hasGo = isThere("go", "version");
test.skipIf(!hasGo)(
  `client-go's informers, over protobuf, go on through a kill without listing again; applies conflict, old versions expire${
    needs(hasGo, "go")
  }`,
  async () => {
    const folder = folderOfTest();
    const source = fileURLToPath(new URL("../interop/client-go", import.meta.url));
    await run("go", ["build", "-o", join(folder, "program"), "."], { cwd: source });
    const [port] = await freePorts(1);
    const flags = ["--data", "state", "--port", String(port)];
    const first = await startApi(folder, ...flags);
    const program = spawn(join(folder, "program"), [join(folder, "kubeconfig")], { stdio: ["pipe", "pipe", "pipe"] });
    onTestFinished(() => void program.kill("SIGKILL"));
    let out = "";
    program.stdout.on("data", (chunk) => out += String(chunk));
    const says = (text: string | RegExp) =>
      until(
        `the program says ${text}; it said ${out}`,
        () => typeof text === "string" ? out.includes(`${text}\n`) : text.test(out),
        30_000,
      );
    await says("synced");
    await first.kube.create(resources.configmaps, configmap("one", "1"));
    await says("added one 1");
    await first.command.interrupt("SIGKILL");
    const second = await startApi(folder, ...flags);
    await second.kube.create(resources.configmaps, configmap("two", "2"));
    await says("added two 2");
    expect(out.match(/^listed$/gm)).toHaveLength(1);

    program.stdin.write("apply three 3\n");
    await says("applied three 3");
    await says("added three 3");
    await second.kube.patch({ resource: resources.configmaps, namespace: "default", name: "three" }, "merge", {
      data: { key: "4" },
    });
    await says("updated three 4");
    program.stdin.write("apply three 5\n");
    await says(/conflict: .*\.data\.key/);

    await second.command.interrupt("SIGKILL");
    const third = await startApi(folder, ...flags, "--history", "1KiB");
    await third.kube.create(resources.configmaps, configmap("four", "4"));
    await says("added four 4");
    program.stdin.write("watch 2\n");
    await says("expired");
    expect(out).not.toContain("not protobuf");
  },
  600_000,
);

const hasHelm = isThere("helm", "version");
test.skipIf(!hasHelm)(
  `Helm installs, upgrades, rolls back and uninstalls a chart${needs(hasHelm, "helm")}`,
  async () => {
    const folder = folderOfTest();
    const up = new Command(folder, ["up", "--port", "0", "--edges", "2", "--write-kubeconfig", "kubeconfig"]);
    onTestFinished(async () => void await up.interrupt());
    await up.says("\nready\n");
    mkdirSync(join(folder, "chart", "templates"), { recursive: true });
    writeFileSync(join(folder, "chart", "Chart.yaml"), "apiVersion: v2\nname: chart\nversion: 0.1.0\n");
    writeFileSync(join(folder, "chart", "values.yaml"), "replicas: 1\n");
    writeFileSync(
      join(folder, "chart", "templates", "web.yaml"),
      `apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }} }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: {{ .Release.Name }} } }
  template:
    metadata: { labels: { app: {{ .Release.Name }} } }
    spec: { containers: [{ name: c, image: nginx }] }
`,
    );
    const kubeconfig = join(folder, "kubeconfig");
    const kube = new KubeClient(loadKubeConfig(kubeconfig));
    const helm = (...args: string[]) =>
      run("helm", args, { cwd: folder, env: { ...process.env, KUBECONFIG: kubeconfig, HOME: folder } });
    const available = async () => {
      const deployment = await kube.call("GET", "/apis/apps/v1/namespaces/default/deployments/web") as KubeObject;
      return (deployment.status as { availableReplicas?: number }).availableReplicas;
    };
    const wait = ["--wait", "--timeout", "60s"];
    expect((await helm("install", "web", "chart", ...wait)).stdout).toContain("STATUS: deployed");
    expect(await available()).toBe(1);
    expect((await helm("upgrade", "web", "chart", "--set", "replicas=3", ...wait)).stdout).toContain(
      "has been upgraded",
    );
    expect(await available()).toBe(3);
    expect((await helm("rollback", "web", "1", ...wait)).stdout).toContain("Rollback was a success");
    expect((await helm("history", "web")).stdout).toMatch(/3 .*deployed .*Rollback to 1/);
    expect((await helm("uninstall", "web", "--wait")).stdout).toContain("uninstalled");
    await until("its pods are gone", async () => (await kube.list(resources.pods)).items.length === 0, 60_000);
  },
  300_000,
);

const cloudcore = process.env.SKEP_GO_CLOUDCORE ?? "";
describe("the Go cloudcore", () => {
  test.skipIf(cloudcore === "")(
    `works on our API: edges enrol and are Ready, pods run, configmaps arrive, devices report${
      needs(cloudcore !== "", "a Go cloudcore (SKEP_GO_CLOUDCORE)")
    }`,
    async () => {
      const folder = folderOfTest();
      const { kube } = await startApi(folder, "--port", "0");
      const [websocket, https] = await freePorts(2);
      writeFileSync(
        join(folder, "cloudcore.yaml"),
        `apiVersion: cloudcore.config.kubeedge.io/v1alpha2
kind: CloudCore
kubeAPIConfig: { kubeConfig: ${join(folder, "kubeconfig")}, master: "" }
modules:
  cloudHub:
    advertiseAddress: [127.0.0.1]
    tlsCAFile: ${join(folder, "ca.crt")}
    tlsCAKeyFile: ${join(folder, "ca.key")}
    tlsCertFile: ${join(folder, "hub.crt")}
    tlsPrivateKeyFile: ${join(folder, "hub.key")}
    https: { address: 127.0.0.1, enable: true, port: ${https} }
    websocket: { address: 127.0.0.1, enable: true, port: ${websocket} }
    unixsocket: { enable: false, address: "unix://${join(folder, "hub.sock")}" }
  iptablesManager: { enable: false, mode: internal }
`,
      );
      const core = spawn(cloudcore, ["--config", join(folder, "cloudcore.yaml")], { stdio: "ignore" });
      onTestFinished(() => void core.kill("SIGKILL"));
      const secret = await until(
        "cloudcore has made its token",
        () => kube.find({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" }),
        60_000,
      );
      const token = Buffer.from((secret.data as Record<string, string>).tokendata as string, "base64").toString();
      const where = ["--cloudcore", `127.0.0.1:${websocket}`, "--enrolment-port", String(https)];
      writeFileSync(join(folder, "models.yaml"), "");
      const fleet = new Command(folder, ["fleet", ...where, "--edges", "3", "--prefix", "box"], { SKEP_TOKEN: token });
      onTestFinished(async () => void await fleet.interrupt());
      await fleet.says("3 edges: 3 connected, 3 Ready", 90_000);
      await kube.create(resources.configmaps, configmap("c", "1"));
      const envFrom = [{ configMapRef: { name: "c" } }];
      await kube.create(resources.pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web", namespace: "default" },
        spec: { nodeName: "box-0", containers: [{ name: "c", image: "i", envFrom }] },
      } as KubeObject);
      const pod = { resource: resources.pods, namespace: "default", name: "web" };
      await until(
        "the pod runs",
        async () => ((await kube.get(pod)).status as { phase?: string }).phase === "Running",
        60_000,
      );
      await kube.create(resources.devicemodels, {
        apiVersion: deviceApi,
        kind: "DeviceModel",
        metadata: { name: "m", namespace: "default" },
        spec: { protocol: "modbus", properties: [{ name: "t", type: "INT", accessMode: "ReadWrite" }] },
      } as KubeObject);
      const desired = { value: "7" };
      await kube.create(resources.devices, {
        apiVersion: deviceApi,
        kind: "Device",
        metadata: { name: "d", namespace: "default" },
        spec: {
          deviceModelRef: { name: "m" },
          nodeName: "box-0",
          protocol: { protocolName: "modbus" },
          properties: [{ name: "t", desired, reportToCloud: true, collectCycle: 200, reportCycle: 200 }],
        },
      } as KubeObject);
      await until(
        "the device's twin is reported",
        async () =>
          JSON.stringify(await kube.call("GET", `/apis/${deviceApi}/namespaces/default/devicestatuses`)).includes(
            '"value":"7"',
          ),
        60_000,
      );
      expect(readFileSync(join(folder, "kubeconfig"), "utf8")).toContain("server:");
    },
    300_000,
  );
});
