// What Docker starts for a test or a target: a Kubernetes from an image or from binaries, mosquitto, a cloudcore. Needs the package testcontainers.
import { execFile } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { StartedTestContainer } from "testcontainers";
import { reasonOf } from "../../base/log/logger.ts";
import { kubeconfigText } from "../../cloud/apiserver/kubeconfig.ts";
import { createAuthority, issueServer } from "../../protocol/pki/ca.ts";
import type { KubernetesBinaries, KubernetesImage } from "./kubernetes-image.ts";
import { TargetError } from "./target-error.ts";

import type { Launch } from "./foreign-cloud.ts";

const START_MS = 120_000;
const API_PORT = 6443;
/** How often a kubeconfig is looked for in a container, and how long between. */
const KUBECONFIG_TRIES = 60;
const KUBECONFIG_WAIT_MS = 500;
/** Characters of a container's output that errors show. */
const MAX_SAID = 8192;

async function testcontainers(): Promise<typeof import("testcontainers")> {
  try {
    return await import("testcontainers");
  } catch {
    throw new TargetError("containers are started by the package testcontainers: npm install testcontainers");
  }
}

export type { KubernetesBinaries, KubernetesImage } from "./kubernetes-image.ts";

/** Something that Docker runs until it is stopped. */
export interface Contained extends AsyncDisposable {
  stop(): Promise<void>;
}

/** A Kubernetes in a container. */
export interface ContainedKubernetes extends Contained {
  /** Path of its kubeconfig, which is removed with it. */
  readonly kubeconfig: string;
}

/**
 * Starts a Kubernetes: K3s or another image, or an API server and etcd of this machine, which need no registry. Rejects with TargetError.
 *
 * @example
 * await using kubernetes = await startKubernetes({ image: "rancher/k3s:v1.32.1-k3s1" });
 * await using world = await startCloudCore({ kubeconfig: kubernetes.kubeconfig });
 */
export async function startKubernetes(from: KubernetesImage | KubernetesBinaries): Promise<ContainedKubernetes> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await temporaryFolder(cleanup);
  const kubeconfig = join(folder, "kubeconfig");
  const what = "image" in from ? from.image : from.apiserver;
  try {
    const text = "image" in from ? await startImage(from, cleanup) : await startBinaries(from, folder, cleanup);
    await writeFile(kubeconfig, text, { mode: 0o600 });
  } catch (error) {
    if (error instanceof TargetError) throw error;
    throw new TargetError(`${what} could not be started as a Kubernetes: ${reasonOf(error)}`);
  }
  const held = cleanup.move();
  const stop = () => held.disposeAsync();
  return { kubeconfig, stop, [Symbol.asyncDispose]: stop };
}

/** Resolves with the kubeconfig. */
async function startImage(
  { command, image, kubeconfigPath = "/etc/rancher/k3s/k3s.yaml", port = API_PORT }: KubernetesImage,
  cleanup: AsyncDisposableStack,
): Promise<string> {
  const { GenericContainer, Wait } = await testcontainers();
  const container = await new GenericContainer(image)
    .withPrivilegedMode()
    .withCommand([...command ?? ["server", "--disable=traefik,metrics-server,servicelb", "--tls-san=127.0.0.1"]])
    .withTmpFs({ "/run": "rw", "/var/run": "rw" })
    .withExposedPorts(port)
    .withWaitStrategy(
      Wait.forHttp("/readyz", port).usingTls().allowInsecure()
        .forStatusCodeMatching((status) => [200, 401, 403].includes(status)),
    )
    .withStartupTimeout(START_MS).start();
  cleanup.defer(async () => void await container.stop());
  // The server answers a little before it has written the file.
  for (let tried = 1;; tried++) {
    const { exitCode, output } = await container.exec(["cat", kubeconfigPath]);
    if (exitCode === 0 && output.includes("server:")) return withServer(output, addressOf(container, port));
    if (tried === KUBECONFIG_TRIES) throw new Error(`it has no kubeconfig at ${kubeconfigPath}: ${output.trim()}`);
    await new Promise((resolve) => setTimeout(resolve, KUBECONFIG_WAIT_MS));
  }
}

function withServer(text: string, server: string): string {
  return text.replace(/server: https:\/\/\S+/, `server: ${server}`);
}

/** An API server and its etcd, each in a container made of nothing else. Resolves with the kubeconfig. */
async function startBinaries(
  { apiserver, controllerManager, etcd, scheduler }: KubernetesBinaries,
  folder: string,
  cleanup: AsyncDisposableStack,
): Promise<string> {
  const { GenericContainer, Network, Wait } = await testcontainers();
  const network = await new Network().start();
  cleanup.defer(async () => void await network.stop());
  const image = async (name: string, program: string) =>
    await GenericContainer.fromDockerfile(await contextOf(join(folder, name), program))
      .build(`skep/${name}:${await tagOf(program)}`, { deleteOnExit: false });
  const store = await (await image("etcd", etcd)).withNetwork(network).withNetworkAliases("etcd")
    .withCommand([
      "--data-dir=/data",
      "--listen-client-urls=http://0.0.0.0:2379",
      "--advertise-client-urls=http://etcd:2379",
      "--unsafe-no-fsync",
    ]).withWaitStrategy(Wait.forLogMessage(/ready to serve client requests|serving (insecure )?client/))
    .withStartupTimeout(START_MS).start();
  cleanup.defer(async () => void await store.stop());
  const token = randomBytes(16).toString("hex");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = privateKey.export({ type: "pkcs1", format: "pem" }) as string;
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "pem" }) as string;
  const authority = await createAuthority("skep", Date.now());
  const names = [store.getHost(), "127.0.0.1", "localhost", "kube-apiserver"];
  const pair = await issueServer(authority, { commonName: "kube-apiserver", organization: "skep" }, names, Date.now());
  const server = await (await image("kube-apiserver", apiserver)).withNetwork(network).withNetworkAliases(
    "kube-apiserver",
  )
    .withCopyContentToContainer([
      { content: key, target: "/sa.key" },
      { content: publicKey, target: "/sa.pub" },
      { content: pair.certPem, target: "/server.crt" },
      { content: pair.keyPem, target: "/server.key" },
      { content: `${token},admin,admin,system:masters\n`, target: "/tokens.csv" },
    ])
    .withCommand([
      "--etcd-servers=http://etcd:2379",
      `--secure-port=${API_PORT}`,
      "--cert-dir=/certs",
      "--tls-cert-file=/server.crt",
      "--tls-private-key-file=/server.key",
      "--service-account-issuer=https://kubernetes.default",
      "--service-account-key-file=/sa.pub",
      "--service-account-signing-key-file=/sa.key",
      "--token-auth-file=/tokens.csv",
      "--authorization-mode=RBAC",
      "--service-cluster-ip-range=10.0.0.0/24",
      // Without a controller manager nobody makes them.
      ...(controllerManager === undefined ? ["--disable-admission-plugins=ServiceAccount"] : []),
    ])
    .withExposedPorts(API_PORT)
    .withWaitStrategy(
      Wait.forHttp("/readyz", API_PORT).usingTls().allowInsecure()
        .forStatusCodeMatching((status) => [200, 401, 403].includes(status)),
    )
    .withStartupTimeout(START_MS).start();
  cleanup.defer(async () => void await server.stop());
  const inside = kubeconfigText({ url: `https://kube-apiserver:${API_PORT}`, ca: authority.certPem, token });
  const others = {
    "kube-controller-manager": [controllerManager, [
      "--service-account-private-key-file=/sa.key",
      "--root-ca-file=/ca.crt",
      "--use-service-account-credentials",
    ]],
    "kube-scheduler": [scheduler, []],
  } as const;
  for (const [name, [program, flags]] of Object.entries(others)) {
    if (program === undefined) continue;
    const container = await (await image(name, program)).withNetwork(network)
      .withCopyContentToContainer([
        { content: inside, target: "/kubeconfig" },
        { content: key, target: "/sa.key" },
        { content: authority.certPem, target: "/ca.crt" },
      ])
      .withCommand(["--kubeconfig=/kubeconfig", "--leader-elect=false", ...flags])
      .withWaitStrategy(Wait.forLogMessage(/Serving securely/))
      .withStartupTimeout(START_MS).start();
    cleanup.defer(async () => void await container.stop());
  }
  const url = addressOf(server, API_PORT);
  return kubeconfigText({ url, ca: authority.certPem, token });
}

/** A folder to build from: the program, the libraries that it needs, and a Dockerfile. Resolves with its path. */
async function contextOf(folder: string, program: string): Promise<string> {
  const name = basename(program);
  await mkdir(folder, { recursive: true });
  await copyFile(await realpath(program), join(folder, name));
  const copies = [`COPY ${name} /${name}`];
  for (const library of await librariesOf(program)) {
    await copyFile(await realpath(library), join(folder, basename(library)));
    copies.push(`COPY ${basename(library)} ${dirname(library)}/`);
  }
  await writeFile(join(folder, "Dockerfile"), `FROM scratch\n${copies.join("\n")}\nENTRYPOINT ["/${name}"]\n`);
  return folder;
}

/** Another program is another image. */
async function tagOf(program: string): Promise<string> {
  const { mtimeMs, size } = await stat(program);
  return createHash("sha256").update(`${await realpath(program)} ${mtimeMs} ${size}`).digest("hex").slice(0, 12);
}

/** The shared libraries of a program; none for a static one, of which ldd says so with an error. */
async function librariesOf(program: string): Promise<string[]> {
  const said = await promisify(execFile)("ldd", [program]).then(({ stdout }) => stdout, () => "");
  return [...said.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path as string);
}

/** mosquitto in a container, with anonymous clients. */
export interface ContainedMosquitto extends Contained {
  /** `tcp://HOST:PORT`, as `mqtt: { server }` of a cohort takes it. */
  readonly url: string;
}

/** Starts mosquitto. Rejects with TargetError. */
export async function startMosquitto(
  { image = "eclipse-mosquitto:2", user = "mosquitto" }: { readonly image?: string; readonly user?: string } = {},
): Promise<ContainedMosquitto> {
  const { GenericContainer, Wait } = await testcontainers();
  try {
    const config = `listener 1883\nallow_anonymous true\npersistence false\nuser ${user}\n`;
    const container = await new GenericContainer(image)
      .withCopyContentToContainer([{ content: config, target: "/mosquitto/config/mosquitto.conf" }])
      .withCommand(["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"])
      .withExposedPorts(1883)
      .withWaitStrategy(Wait.forLogMessage(/mosquitto version .* running/))
      .withStartupTimeout(START_MS).start();
    const stop = async () => void await container.stop();
    return { url: `tcp://${container.getHost()}:${container.getMappedPort(1883)}`, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    throw new TargetError(`the image ${image} could not be started as mosquitto: ${reasonOf(error)}`);
  }
}

/** A cloudcore's image, started with these arguments and `--config FILE`, on this machine's network, with its configuration and kubeconfig at the paths that they have here. */
export function launchImage(image: string, kubeconfigFile: string, args: readonly string[]): Launch {
  return launchContainer(image, "a cloudcore", async (container, configFile) =>
    container.withCopyContentToContainer(
      await Promise.all([configFile, kubeconfigFile].map(async (file) => ({
        content: await readFile(file),
        target: file,
        mode: 0o644,
      }))),
    ).withCommand([...args, "--config", configFile]));
}

/** An edgecore's image on this machine's network, with its folder and its container runtime's socket at the paths that they have here. */
export function launchEdgeImage(image: string, folder: string, socket: string): Launch {
  const mounts = [...new Set([folder, dirname(socket)])].map((path) => ({ source: path, target: path }));
  // Its kubelet reads the kernel's messages, which a container has not.
  const noMessages = { source: join(folder, "kmsg"), target: "/dev/kmsg" };
  return launchContainer(image, "an edgecore", (container, configFile) =>
    Promise.resolve(
      // It mounts the volumes of its pods.
      container.withAddedCapabilities("SYS_ADMIN").withSecurityOpt("apparmor=unconfined")
        .withEnvironment({ CHECK_EDGECORE_ENVIRONMENT: "false" })
        .withBindMounts([...mounts, noMessages])
        .withEntrypoint(["edgecore"])
        .withCommand(["--config", configFile]),
    ));
}

type Container = InstanceType<typeof import("testcontainers").GenericContainer>;

function launchContainer(
  image: string,
  what: string,
  prepare: (container: Container, configFile: string) => Promise<Container>,
): Launch {
  return async (configFile) => {
    const { GenericContainer } = await testcontainers();
    try {
      let said = "";
      const { promise: ended, resolve } = Promise.withResolvers<string>();
      // Its output ends with it, however that came.
      const over = () => resolve(`it has ended: ${said.trim().split("\n").slice(-5).join("\n  ")}`);
      const prepared = await prepare(new GenericContainer(image).withNetworkMode("host"), configFile);
      const container = await prepared.withLogConsumer((stream) =>
        stream.on("data", (line) => said = (said + String(line)).slice(-MAX_SAID)).on("end", () => over())
      ).start();
      return {
        ended,
        async end(how) {
          await container.stop({ timeout: how === "SIGKILL" ? 0 : 10_000 });
          over();
        },
      };
    } catch (error) {
      if (error instanceof TargetError) throw error;
      throw new TargetError(`the image ${image} could not be started as ${what}: ${reasonOf(error)}`);
    }
  };
}

function addressOf(container: StartedTestContainer, port: number): string {
  return `https://${container.getHost()}:${container.getMappedPort(port)}`;
}

async function temporaryFolder(cleanup: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "skep-containers-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
