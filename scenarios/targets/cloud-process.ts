// Our cloudcore in a process of its own: `skep cloudcore` as a user starts it, so that it can be killed.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { Child } from "./child.ts";
import { bootstrapToken } from "./cluster-secrets.ts";

/** What it is started with. */
export interface CloudProcessOptions {
  /** The embedded API, or a kubeconfig file. */
  readonly access: string | { readonly url: string; readonly ca: string; readonly token: string };
  readonly bind: string;
  readonly timeScale: number;
  readonly flags: readonly string[];
  /** The first port of its block: hub N + 1, enrolment N + 2. */
  readonly port: number;
  /** Called with the number of each process that was started. */
  readonly started?: (pid: number) => void;
}

/** A cloudcore that comes and goes, always at the same ports. */
export class CloudProcess {
  readonly #options: CloudProcessOptions;
  readonly #dir: string;
  #child: Child | undefined;
  #isFrozen = false;

  private constructor(options: CloudProcessOptions, dir: string) {
    this.#options = options;
    this.#dir = dir;
  }

  static async start(options: CloudProcessOptions): Promise<CloudProcess> {
    const cloud = new CloudProcess(options, await mkdtemp(join(tmpdir(), "skep-cloudcore-")));
    try {
      if (typeof options.access !== "string") await writeKubeconfig(join(cloud.#dir, "kubeconfig"), options.access);
      await cloud.start();
    } catch (error) {
      await cloud[Symbol.asyncDispose]();
      throw error;
    }
    return cloud;
  }

  /** How edges get at it; the token is the one in the cluster. */
  async address(kube: KubeClient): Promise<HubAddress> {
    const { port } = this.#options;
    const token = await bootstrapToken(kube);
    return { host: "127.0.0.1", websocketPort: port + 1, httpsPort: port + 2, token };
  }

  /** Settles when it is ready. Rejects with its output where it ends instead. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { access, bind, flags, port, timeScale } = this.#options;
    const child = await Child.start("the cloudcore", [
      "cloudcore",
      "--kubeconfig",
      typeof access === "string" ? access : join(this.#dir, "kubeconfig"),
      "--port",
      String(port),
      "--bind",
      bind,
      "--time-scale",
      String(timeScale),
      ...flags,
    ]);
    this.#child = child;
    this.#isFrozen = false;
    this.#options.started?.(child.pid);
    void child.ended.then(() => {
      if (this.#child === child) this.#child = undefined;
    });
  }

  /** Ends it: by a request, or by SIGKILL. Settles when it has exited. */
  async stop(kill: boolean): Promise<void> {
    // What is stopped can't end by a request.
    this.freeze(false);
    const child = this.#child;
    this.#child = undefined;
    await (kill ? child?.kill() : child?.[Symbol.asyncDispose]());
  }

  /** Stops its work, with its connections open, or lets it go on. */
  freeze(isFrozen: boolean): void {
    if (this.#child === undefined || isFrozen === this.#isFrozen) return;
    this.#isFrozen = isFrozen;
    this.#child.signal(isFrozen ? "SIGSTOP" : "SIGCONT");
  }

  /** Ends it and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(false);
    await rm(this.#dir, { recursive: true, force: true });
  }
}
