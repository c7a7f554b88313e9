// What Docker starts for a target: a Kubernetes, or a cloudcore on this machine's network. Needs the package testcontainers.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "../../base/log/logger.ts";
import { TargetError } from "./find.ts";
import type { Launch } from "./foreign-cloud.ts";

const START_MS = 120_000;

async function testcontainers(): Promise<typeof import("testcontainers")> {
  try {
    return await import("testcontainers");
  } catch {
    throw new TargetError("containers are started by the package testcontainers: npm install testcontainers");
  }
}

/** Starts K3s, or another image whose first process writes a kubeconfig as K3s does. Resolves with the file; rejects with TargetError. */
export async function startKubernetes(image: string, cleanup: AsyncDisposableStack): Promise<string> {
  const { GenericContainer, Wait } = await testcontainers();
  const port = 6443;
  try {
    const container = await new GenericContainer(image)
      .withPrivilegedMode()
      .withCommand(["server", "--disable=traefik,metrics-server,servicelb", "--tls-san=127.0.0.1"])
      .withTmpFs({ "/run": "rw", "/var/run": "rw" })
      .withExposedPorts(port)
      .withWaitStrategy(
        Wait.forHttp("/readyz", port).usingTls().allowInsecure()
          .forStatusCodeMatching((status) => [200, 401, 403].includes(status)),
      )
      .withStartupTimeout(START_MS).start();
    cleanup.defer(async () => void await container.stop());
    const { output } = await container.exec(["cat", "/etc/rancher/k3s/k3s.yaml"]);
    const server = `https://${container.getHost()}:${container.getMappedPort(port)}`;
    const folder = await mkdtemp(join(tmpdir(), "skep-kubernetes-"));
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, "kubeconfig");
    await writeFile(file, output.replace(/server: https:\/\/\S+/, `server: ${server}`), { mode: 0o600 });
    return file;
  } catch (error) {
    if (error instanceof TargetError) throw error;
    throw new TargetError(`the image ${image} could not be started as a Kubernetes: ${reasonOf(error)}`);
  }
}

/** A cloudcore's image on this machine's network, with its configuration and kubeconfig at the paths that they have here. */
export function launchImage(image: string, kubeconfigFile: string): Launch {
  return async (configFile) => {
    const { GenericContainer } = await testcontainers();
    try {
      let said = "";
      const container = await new GenericContainer(image)
        .withNetworkMode("host")
        .withCopyFilesToContainer([configFile, kubeconfigFile].map((file) => ({ source: file, target: file })))
        .withCommand(["cloudcore", "--config", configFile])
        .withLogConsumer((stream) => stream.on("data", (line) => said = (said + String(line)).slice(-8192)))
        .start();
      const { promise: ended, resolve } = Promise.withResolvers<string>();
      return {
        ended,
        async end(how) {
          await container.stop({ timeout: how === "SIGKILL" ? 0 : 10_000 });
          resolve(`it was ended: ${said.trim().split("\n").slice(-5).join("\n  ")}`);
        },
      };
    } catch (error) {
      if (error instanceof TargetError) throw error;
      throw new TargetError(`the image ${image} could not be started as a cloudcore: ${reasonOf(error)}`);
    }
  };
}
