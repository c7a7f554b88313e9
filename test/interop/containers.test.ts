// What Docker starts: a real Kubernetes of this machine's own binaries, as a helper for tests and as a target; mosquitto; skep's own image.
import { execFile, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import mqtt from "mqtt";
import { afterAll, describe, expect, test } from "vitest";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { startKubernetes, startMosquitto } from "../../scenarios/targets/containers.ts";
import { skep, workFolder } from "../support/command.ts";
import { buildMosquitto, mosquittoImage, mosquittoProgram } from "../support/mosquitto-image.ts";
import { copyClone } from "../support/package.ts";
import { until } from "../support/until.ts";

// Nothing is pulled.
process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
const root = fileURLToPath(new URL("../..", import.meta.url));
const hasDocker = spawnSync("docker", ["version"]).status === 0;
const folderOfBinaries = process.env.SKEP_KUBERNETES_BINARIES ?? "";
const etcd = ["/usr/bin/etcd", "/usr/local/bin/etcd"].find((path) => spawnSync(path, ["--version"]).status === 0);
const canKube = hasDocker && folderOfBinaries !== "" && etcd !== undefined;
const lacks = (what: string, is: boolean) => is ? "" : ` [needs ${what}, which is not on this machine]`;
const kubeLacks = hasDocker
  ? lacks("etcd, and kube-apiserver and its like in SKEP_KUBERNETES_BINARIES", canKube)
  : lacks("Docker", false);

const folder = workFolder();
afterAll(() => folder.remove());
const binaries = {
  apiserver: join(folderOfBinaries, "kube-apiserver"),
  controllerManager: join(folderOfBinaries, "kube-controller-manager"),
  scheduler: join(folderOfBinaries, "kube-scheduler"),
  etcd: etcd ?? "",
};

describe.skipIf(!canKube)(`a Kubernetes in containers made on the spot${kubeLacks}`, () => {
  test("stands for a test, and goes with it", async () => {
    const { controllerManager: _, scheduler: _scheduler, ...alone } = binaries;
    await using kubernetes = await startKubernetes(alone);
    const kube = new KubeClient(loadKubeConfig(kubernetes.kubeconfig));
    const ref = { resource: resources.namespaces, name: "kube-system" };
    await until("it has made its own namespaces", () => kube.find(ref), 30_000);
    await kube.close();
    expect(readFileSync(kubernetes.kubeconfig, "utf8")).toContain("server: https://");
  }, 120_000);

  test("is a target: scenarios run on it with our cloudcore", async () => {
    writeFileSync(
      join(folder.path, "skep.yaml"),
      `skep: 1\ntargets:\n  real: { kubernetes: { binaries: ${JSON.stringify(binaries)} } }\n`,
    );
    const { code, err, out } = await skep(
      folder.path,
      "run",
      join(root, "scenarios", "library", "pods", "1-pod-running.yaml"),
      "--target",
      "real",
    );
    expect(`${out}${err}`).toMatch(/1 passed, 0 failed, 0 skipped/);
    expect(code).toBe(0);
  }, 180_000);
});

const canBroker = hasDocker && mosquittoProgram !== undefined;
describe.skipIf(!canBroker)(
  `mosquitto by its helper${hasDocker ? lacks("mosquitto, to make an image of", canBroker) : lacks("Docker", false)}`,
  () => {
    test("answers, and is gone when it is stopped", async () => {
      await buildMosquitto(join(folder.path, "mosquitto"), "");
      const broker = await startMosquitto({ image: mosquittoImage(""), user: "root" });
      const url = broker.url.replace("tcp:", "mqtt:");
      const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
      await client.endAsync(true);
      await broker.stop();
      await expect(mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 2000 })).rejects.toThrow();
    }, 120_000);
  },
);

describe.skipIf(!hasDocker)(`the image of the Containerfile${lacks("Docker", hasDocker)}`, () => {
  test("is small, runs as nobody on a read-only root, and runs scenarios", async () => {
    const source = join(folder.path, "source");
    copyClone(source);
    const docker = (...args: string[]) => promisify(execFile)("docker", args, { maxBuffer: 64 * 1024 * 1024 });
    await promisify(execFile)(process.execPath, ["scripts/image.ts", "skep:test"], { cwd: source });
    const { stdout: size } = await docker("image", "inspect", "-f", "{{.Size}} {{len .RootFS.Layers}}", "skep:test");
    const [bytes, layers] = size.trim().split(" ").map(Number);
    expect(layers).toBe(2);
    expect(bytes).toBeLessThan(200 * 1024 * 1024);
    const { stdout } = await docker(
      "run",
      "--rm",
      "--read-only",
      "--tmpfs",
      "/tmp",
      "skep:test",
      "run",
      "--tag",
      "smoke",
    );
    expect(stdout).toMatch(/\d+ passed, 0 failed/);
    const who = await docker(
      "run",
      "--rm",
      "--read-only",
      "--entrypoint",
      "/bin/node",
      "skep:test",
      "-p",
      "process.getuid()",
    );
    expect(who.stdout.trim()).toBe("65532");
    writeFileSync(join(folder.path, "contained.yaml"), "skep: 1\ncloudcore: { image: skep:test }\n");
    const scenario = join(root, "scenarios", "library", "links", "2-cloudcore-restart-pods.yaml");
    const { err, out } = await skep(folder.path, "run", scenario, "--target", "./contained.yaml");
    expect(`${out}${err}`).toMatch(/1 passed, 0 failed, 0 skipped/);
  }, 600_000);
});
