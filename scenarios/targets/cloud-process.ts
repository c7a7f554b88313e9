// Our cloudcore in a process of its own: `skep cloudcore` as a user starts it, so that it can be killed.
import { randomInt } from "node:crypto";
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { closeServer, listen } from "../../base/transport/listen.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import type { HubAddress } from "../../edge-sim/edgehub/edgehub.ts";
import { StepFailure } from "../steps/step.ts";

/** What it is started with. */
export interface CloudProcessOptions {
  readonly access: { readonly url: string; readonly ca: string; readonly token: string };
  readonly bind: string;
  readonly timeScale: number;
  readonly flags: readonly string[];
}

/** Milliseconds in which it must be ready. */
const READY_MS = 20_000;
/** Ports of a block: API, hub, enrolment, console, metrics. */
const BLOCK = 5;
/** Blocks that there are, and that are tried. */
const LOWEST_PORT = 20_000;
const BLOCKS = 2_400;
const PORT_TRIES = 50;

/** A cloudcore that comes and goes, always at the same ports. */
export class CloudProcess {
  readonly #options: CloudProcessOptions;
  readonly #dir: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(options: CloudProcessOptions, dir: string, port: number) {
    this.#options = options;
    this.#dir = dir;
    this.#port = port;
  }

  static async start(options: CloudProcessOptions): Promise<CloudProcess> {
    const port = await freeBlock(options.bind);
    const cloud = new CloudProcess(options, await mkdtemp(join(tmpdir(), "skep-cloudcore-")), port);
    try {
      await writeKubeconfig(join(cloud.#dir, "kubeconfig"), options.access);
      await cloud.start();
    } catch (error) {
      await cloud[Symbol.asyncDispose]();
      throw error;
    }
    return cloud;
  }

  /** How edges get at it; the token is the one in the cluster. */
  async address(kube: KubeClient): Promise<HubAddress> {
    const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
    const token = Buffer.from(textAt(secret, "data", "tokendata"), "base64").toString("utf8");
    return { host: "127.0.0.1", websocketPort: this.#port + 1, httpsPort: this.#port + 2, token };
  }

  /** Settles when it is ready. Rejects with what it said where it ends instead. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { bind, flags, timeScale } = this.#options;
    const [program = "", ...args] = selfCommand();
    const child = spawn(program, [
      ...args,
      "cloudcore",
      "--kubeconfig",
      join(this.#dir, "kubeconfig"),
      "--port",
      String(this.#port),
      "--bind",
      bind,
      "--time-scale",
      String(timeScale),
      "--quiet",
      "--json",
      ...flags,
    ], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    // Whatever ends this process takes the child along.
    const takeAlong = () => void child.kill("SIGKILL");
    process.once("exit", takeAlong);
    child.once("exit", () => {
      process.off("exit", takeAlong);
      if (this.#child === child) this.#child = undefined;
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let said = "";
    child.stderr?.on("data", (chunk) => said += String(chunk));
    child.stdout?.on("data", (chunk) => String(chunk).includes('"ready":true') && resolve());
    child.once("error", reject);
    child.once("exit", (code) => reject(new StepFailure(`the cloudcore ended with code ${code}`, said.split("\n"))));
    const late = setTimeout(() => reject(new StepFailure("the cloudcore was not ready in time")), READY_MS);
    await promise.finally(() => clearTimeout(late));
  }

  /** Ends it: with a word, or by SIGKILL. Settles when it is gone. */
  async stop(kill: boolean): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(kill ? "SIGKILL" : "SIGTERM");
    await gone;
  }

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(false);
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** How this program is started again, on whichever runtime it runs. */
function selfCommand(): string[] {
  const here = import.meta.url;
  const main = fileURLToPath(new URL(`../../cli/main${here.endsWith(".ts") ? ".ts" : ".js"}`, here));
  return "Deno" in globalThis ? [process.execPath, "run", "-A", main] : [process.execPath, main];
}

/**
 * The first of a block of ports that are free now. They are below those that connections going out get (32768 on
 * Linux): one of these would take a port while the cloudcore is away.
 */
async function freeBlock(host: string): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = LOWEST_PORT + BLOCK * randomInt(BLOCKS);
    const servers = Array.from({ length: BLOCK }, () => createServer());
    try {
      for (const [i, server] of servers.entries()) await listen(server, { host, port: port + i, exact: true });
      return port;
    } catch {
      // One of them is taken: another block.
    } finally {
      for (const server of servers) if (server.listening) await closeServer(server);
    }
  }
  throw new StepFailure(`there are no ${BLOCK} free ports in a row`);
}
