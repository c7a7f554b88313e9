// KubeEdge's own cloudcore, or one in a container, started and configured by us on a cluster, so that it can be stopped and killed.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { SkepError } from "../../base/error/skep-error.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import { signalProcess } from "../../base/process/signal.ts";
import { ensureDefinitions } from "../../cloud/definitions.ts";
import { hasCode, isAlreadyExists, KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { PooledKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { Cloud } from "./clouds.ts";
import { bootstrapToken } from "./cluster-secrets.ts";

/** A cloudcore that did not start. */
export class ForeignCloudError extends SkepError {
  readonly code = "SKEP_FOREIGN_CLOUDCORE";
}

/** Something that runs until it is ended. */
export interface Running {
  /** Settles when it has ended, with what it said last. */
  readonly ended: Promise<string>;
  end(how: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Stops its work, or lets it go on; absent where that can't be done. */
  freeze?(isFrozen: boolean): void;
}

/** How it is started: with this file as its configuration. */
export type Launch = (configFile: string) => Promise<Running>;

/** What it is started with. */
export interface ForeignCloudOptions {
  /** What messages call it. */
  readonly what: string;
  readonly launch: Launch;
  readonly kubeconfigFile: string;
  readonly kubeconfig: PooledKubeConfig;
  /** Its WebSocket server listens at `port` + 1, enrolment at `port` + 2. */
  readonly port: number;
  readonly bind: string;
  readonly clock: Clock;
}

/** Milliseconds in which it must serve, and must have ended after a request. */
const READY_MS = 60_000;
const STOP_MS = 10_000;
const LOOK_MS = 100;
const MAX_OUTPUT = 8 * 1024;

/** Starts it; `stop` and `start` of the result end it and bring it back at the same ports. Rejects with ForeignCloudError. */
export async function foreignProcess(
  options: ForeignCloudOptions,
  cleanup: AsyncDisposableStack,
): Promise<Cloud> {
  const { bind, clock, kubeconfig, launch, port, what } = options;
  const folder = await mkdtemp(join(tmpdir(), "skep-foreign-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "cloudcore.yaml");
  await writeFile(file, stringify(configOf(options, folder)), { mode: 0o600 });
  const kube = new KubeClient(kubeconfig);
  cleanup.defer(() => kube.close());
  // KubeEdge's installer makes these; its program expects them.
  await ensureDefinitions(kube, [], false, silentLogger);
  const kubeedge = { apiVersion: "v1", kind: "Namespace", metadata: { name: "kubeedge" } };
  await kube.create(resources.namespaces, kubeedge).catch((error) => {
    if (!isAlreadyExists(error)) throw error;
  });
  let running: Running | undefined;
  const cloud: Cloud = {
    async start() {
      if (running !== undefined) return;
      const started = running = await launch(file);
      let end: string | undefined;
      void started.ended.then((why) => {
        end = why;
        if (running === started) running = undefined;
      });
      const deadline = clock.now() + READY_MS;
      while (!(await answers(bind, port + 1) && await answers(bind, port + 2))) {
        if (end !== undefined) throw new ForeignCloudError(`${what} ended`, { details: [end] });
        if (clock.now() > deadline) {
          await cloud.stop(true);
          throw new ForeignCloudError(`${what} did not listen within ${READY_MS / 1000} s`, {
            details: [await started.ended],
          });
        }
        await sleep(clock, LOOK_MS);
      }
    },
    async stop(kill) {
      const present = running;
      running = undefined;
      if (present === undefined) return;
      const late = setTimeout(() => void present.end("SIGKILL").catch(() => {}), STOP_MS);
      try {
        await present.end(kill ? "SIGKILL" : "SIGTERM");
        await present.ended;
      } finally {
        clearTimeout(late);
      }
    },
    async address(client) {
      const deadline = clock.now() + READY_MS;
      for (;;) {
        try {
          const token = await bootstrapToken(client);
          return { host: "127.0.0.1", websocketPort: port + 1, httpsPort: port + 2, token };
        } catch (error) {
          if (!hasCode(error, 404) || clock.now() > deadline) throw error;
          await sleep(clock, LOOK_MS);
        }
      }
    },
    freeze(isFrozen) {
      if (running?.freeze === undefined) throw new StepFailure(`${what} can't be frozen`);
      running.freeze(isFrozen);
    },
    certificatesTook: 0,
    metrics: () => Promise.resolve({}),
    inspector: () => undefined,
    legacyCredentials: () => Promise.resolve(undefined),
    csi: undefined,
  };
  cleanup.defer(() => cloud.stop(false));
  await cloud.start();
  return cloud;
}

/** Its cloudcore.yaml: what has ports or changes the machine is off. */
function configOf({ bind, kubeconfigFile, port }: ForeignCloudOptions, folder: string): object {
  return {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
    kind: "CloudCore",
    kubeAPIConfig: { kubeConfig: kubeconfigFile, master: "" },
    commonConfig: { monitorServer: { bindAddress: `127.0.0.1:${port + 4}` } },
    modules: {
      cloudHub: {
        advertiseAddress: ["127.0.0.1"],
        // Files that are not there: certificates are kept in the cluster's secrets.
        tlsCAFile: join(folder, "rootCA.crt"),
        tlsCAKeyFile: join(folder, "rootCA.key"),
        tlsCertFile: join(folder, "server.crt"),
        tlsPrivateKeyFile: join(folder, "server.key"),
        https: { address: bind, enable: true, port: port + 2 },
        websocket: { address: bind, enable: true, port: port + 1 },
        quic: { enable: false },
        unixsocket: { enable: false, address: `unix://${join(folder, "kubeedge.sock")}` },
      },
      cloudStream: { enable: false },
      dynamicController: { enable: false },
      router: { enable: false },
      iptablesManager: { enable: false, mode: "internal" },
    },
  };
}

/** Programs that run: whatever ends this process takes them along. */
const started = new Set<ChildProcess>();
let isWatching = false;

function takeAlong(child: ChildProcess): void {
  started.add(child);
  child.once("close", () => started.delete(child));
  if (!isWatching) {
    process.once("exit", () => {
      for (const each of started) each.kill("SIGKILL");
    });
  }
  isWatching = true;
}

/** A program on this machine: called with these arguments and `--config FILE`, with more variables in its environment. */
export function launchProgram(
  program: string,
  args: readonly string[] = [],
  variables: Readonly<Record<string, string>> = {},
): Launch {
  return async (configFile) => {
    const child = spawn(program, [...args, "--config", configFile], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...variables },
      // A terminal's Ctrl-C is not for it: it is needed until the pods are gone.
      detached: process.platform !== "win32",
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => output = (output + String(chunk)).slice(-MAX_OUTPUT));
    }
    takeAlong(child);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => reject(new ForeignCloudError(`${program} can't be started: ${error.message}`)));
    });
    const ended = new Promise<string>((resolve) =>
      child.once("close", (code, how) => {
        resolve(`it ended with ${code ?? how}${output === "" ? "" : `: ${lastLines(output)}`}`);
      })
    );
    let isFrozen = false;
    return {
      ended,
      freeze(now) {
        isFrozen = now;
        signalProcess(child.pid, now ? "SIGSTOP" : "SIGCONT");
      },
      async end(how) {
        if (isFrozen) signalProcess(child.pid, "SIGCONT");
        child.kill(how);
        await ended;
      },
    };
  };
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-5).join("\n  ");
}

/** Whether something listens there. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host === "0.0.0.0" ? "127.0.0.1" : host);
    const found = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => found(true));
    socket.once("error", () => found(false));
  });
}
