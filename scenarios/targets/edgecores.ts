// Real edges: KubeEdge's edgecore, a process or a container for each edge of a scenario, started and configured by us.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { settleAll } from "../../base/error/settle-all.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { defaultProjectId } from "../../protocol/message/names.ts";
import type { EdgecoreChoice } from "./local-options.ts";
import { isReady } from "./existing-nodes.ts";
import { holdBlock } from "./ports.ts";
import { launchProgram, type Running } from "./foreign-cloud.ts";

/** What they are started with. */
export interface EdgecoreOptions {
  readonly choice: EdgecoreChoice;
  readonly hub: HubAddress;
  /** By their names: the labels of their Nodes. */
  readonly nodes: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly kube: KubeClient;
  readonly clock: Clock;
  /** Milliseconds in which their Nodes must be Ready. */
  readonly within: number;
  readonly signal: AbortSignal;
}

/** Real edges that did not start, or did not become Ready. */
export class EdgecoreError extends SkepError {
  readonly code = "SKEP_EDGECORE";
}

const LOOK_MS = 200;
const STOP_MS = 10_000;
/**
 * Its kubelet has a socket in /var/lib/kubelet, whatever its configuration says, and a token in /etc/kubeedge goes before the
 * configured one: each edge has folders of its own there, which end with it, as do the volumes of its pods.
 */
const OWN_FOLDERS = `set -e; folder=$1; shift
mkdir -p /var/lib/kubelet
mount --bind "$folder/kubelet" /var/lib/kubelet
[ ! -d /etc/kubeedge ] || mount --bind "$folder/etc" /etc/kubeedge
exec "$@"`;

/** Starts one for each name and waits until their Nodes are Ready. Rejects with EdgecoreError. */
export async function startEdgecores(options: EdgecoreOptions, cleanup: AsyncDisposableStack): Promise<void> {
  const { choice, clock, kube, signal, within } = options;
  const names = [...options.nodes.keys()];
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    throw new EdgecoreError("edgecore mounts the volumes of its pods: run this on Linux as root");
  }
  if (choice.runtime !== undefined && names.length > 1) {
    throw new EdgecoreError(
      `${names.length} edges can't share the container runtime at ${choice.runtime}, each would end the others' pods: leave \`runtime\` out for a simulated one`,
    );
  }
  const ends = new Map<string, string>();
  await settleAll(names.map(async (name, i) => {
    const running = await startOne(options, name, i, cleanup);
    void running.ended.then((why) => ends.set(name, why));
  }));
  const deadline = clock.now() + within;
  for (;;) {
    const found = await Promise.all(names.map((name) => kube.find({ resource: resources.nodes, name })));
    const late = names.filter((_, i) => !isReady(found[i]));
    if (late.length === 0) return;
    const dead = [...ends][0];
    if (dead !== undefined) throw new EdgecoreError(`${choice.edgecore} as ${dead[0]} ended`, { details: [dead[1]] });
    if (clock.now() > deadline) {
      throw new EdgecoreError(
        `${late.join(", ")} of ${choice.edgecore} did not become Ready within ${within / 1000} s`,
      );
    }
    await sleep(clock, LOOK_MS, signal);
  }
}

async function startOne(
  { choice, hub, nodes }: EdgecoreOptions,
  name: string,
  index: number,
  cleanup: AsyncDisposableStack,
): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), "skep-edgecore-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  for (const name of ["pods", "kubelet", "etc"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "kmsg"), "");
  let socket = choice.runtime;
  if (socket === undefined) {
    socket = join(folder, "cri.sock");
    const { serveRuntime } = await import("../../edge-sim/cri/runtime.ts");
    const runtime = await serveRuntime(socket, 88 + index % 100);
    cleanup.defer(() => runtime.close());
  }
  const file = join(folder, "edgecore.yaml");
  // Its kubelet asks itself there whether it is well; before that pods are not its business.
  const port = await holdBlock("127.0.0.1", cleanup);
  const config = configOf({ name, folder, socket, hub, port, labels: nodes.get(name) ?? {} });
  await writeFile(file, stringify(config), { mode: 0o600 });
  const launch = choice.isImage
    ? (await import("./containers.ts")).launchEdgeImage(choice.edgecore, folder, socket)
    : launchProgram("unshare", ["--mount", "sh", "-c", OWN_FOLDERS, "edgecore", folder, choice.edgecore], {
      CHECK_EDGECORE_ENVIRONMENT: "false",
    });
  const running = await launch(file);
  cleanup.defer(async () => {
    const late = setTimeout(() => void running.end("SIGKILL").catch(() => {}), STOP_MS);
    try {
      await running.end("SIGTERM");
      await running.ended;
    } finally {
      clearTimeout(late);
    }
  });
  return running;
}

/** Its edgecore.yaml: everything it keeps is in its folder, what has ports or changes the machine is off (KubeEdge v1.23 `edgecore/v1alpha2`). */
function configOf({ folder, hub, labels, name, port, socket }: {
  readonly name: string;
  readonly folder: string;
  readonly socket: string;
  readonly hub: HubAddress;
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
}): object {
  const { host, httpsPort, token, websocketPort } = hub;
  return {
    apiVersion: "edgecore.config.kubeedge.io/v1alpha2",
    kind: "EdgeCore",
    database: { dataSource: join(folder, "edgecore.db") },
    modules: {
      dbTest: { enable: false },
      deviceTwin: { enable: true, dmiSockPath: join(folder, "dmi.sock") },
      edgeHub: {
        enable: true,
        heartbeat: 15,
        projectID: defaultProjectId,
        token: token ?? "",
        httpServer: `https://${host}:${httpsPort}`,
        tlsCaFile: join(folder, "ca.crt"),
        tlsCertFile: join(folder, "server.crt"),
        tlsPrivateKeyFile: join(folder, "server.key"),
        rotateCertificates: true,
        messageQPS: 30,
        messageBurst: 60,
        quic: { enable: false },
        websocket: {
          enable: true,
          handshakeTimeout: 30,
          readDeadline: 15,
          writeDeadline: 15,
          server: `${host}:${websocketPort}`,
        },
      },
      edgeStream: { enable: false },
      edged: {
        enable: true,
        hostnameOverride: name,
        nodeIP: "127.0.0.1",
        nodeLabels: { ...labels },
        registerNodeNamespace: "default",
        rootDirectory: "/var/lib/kubelet",
        maxContainerCount: -1,
        maxPerPodContainerCount: 1,
        minimumGCAge: "0s",
        registerSchedulable: true,
        podSandboxImage: "pause",
        tailoredKubeletConfig: {
          address: "127.0.0.1",
          cgroupDriver: "cgroupfs",
          cgroupsPerQOS: false,
          containerRuntimeEndpoint: `unix://${socket}`,
          imageServiceEndpoint: `unix://${socket}`,
          contentType: "application/json",
          enableControllerAttachDetach: false,
          enforceNodeAllocatable: [],
          evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
          failSwapOn: false,
          hairpinMode: "none",
          imageGCHighThresholdPercent: 100,
          makeIPTablesUtilChains: false,
          podLogsDir: join(folder, "pods"),
          readOnlyPort: port,
          registerNode: true,
          resolvConf: "",
          staticPodPath: "",
          volumePluginDir: join(folder, "plugins"),
        },
      },
      eventBus: { enable: false },
      metaManager: { enable: true, contextSendGroup: "hub", contextSendModule: "websocket", remoteQueryTimeout: 60 },
      serviceBus: { enable: false },
      taskManager: { enable: false },
    },
  };
}
