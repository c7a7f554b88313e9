// Our cloudcore in a process of its own: `skep cloudcore` as a user starts it, so that it can be killed.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfCommand } from "../../base/process/self-command.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { StepFailure } from "../model/step-failure.ts";

/** What it is started with. */
export interface CloudProcessOptions {
  readonly access: { readonly url: string; readonly ca: string; readonly token: string };
  readonly bind: string;
  readonly timeScale: number;
  readonly flags: readonly string[];
  /** The first port of its block: hub N + 1, enrolment N + 2. */
  readonly port: number;
}

/** Milliseconds in which it must be ready. */
const READY_MS = 20_000;

/** A cloudcore that comes and goes, always at the same ports. */
export class CloudProcess {
  readonly #options: CloudProcessOptions;
  readonly #dir: string;
  #child: ChildProcess | undefined;

  private constructor(options: CloudProcessOptions, dir: string) {
    this.#options = options;
    this.#dir = dir;
  }

  static async start(options: CloudProcessOptions): Promise<CloudProcess> {
    const cloud = new CloudProcess(options, await mkdtemp(join(tmpdir(), "skep-cloudcore-")));
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
    const { port } = this.#options;
    return { host: "127.0.0.1", websocketPort: port + 1, httpsPort: port + 2, token };
  }

  /** Settles when it is ready. Rejects with its output where it ends instead. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { bind, flags, port, timeScale } = this.#options;
    const [program, ...args] = selfCommand();
    const child = spawn(program, [
      ...args,
      "cloudcore",
      "--kubeconfig",
      join(this.#dir, "kubeconfig"),
      "--port",
      String(port),
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
    let output = "";
    child.stderr?.on("data", (chunk) => output += String(chunk));
    child.stdout?.on("data", (chunk) => String(chunk).includes('"ready":true') && resolve());
    child.once("error", reject);
    child.once("exit", (code) => reject(new StepFailure(`the cloudcore ended with code ${code}`, output.split("\n"))));
    const late = setTimeout(() => reject(new StepFailure("the cloudcore was not ready in time")), READY_MS);
    await promise.finally(() => clearTimeout(late));
  }

  /** Ends it: by a request, or by SIGKILL. Settles when it has exited. */
  async stop(kill: boolean): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(kill ? "SIGKILL" : "SIGTERM");
    await exited;
  }

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(false);
    await rm(this.#dir, { recursive: true, force: true });
  }
}
