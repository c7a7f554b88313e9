// What a load run is made against: our cloudcore on the embedded API or on a cluster, each in a process of its own, or any cloudcore.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { usageOf } from "../../base/process/usage.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { StepFailure } from "../model/step-failure.ts";
import { Child } from "../targets/child.ts";
import { type AuthorityData, authorityData, bootstrapToken } from "../targets/cluster-secrets.ts";
import { holdBlock } from "../targets/ports.ts";

/** What is given on the command line. */
export interface LoadTargetOptions {
  readonly kubeconfig?: string;
  /** A cloudcore that runs already, with its credentials. */
  readonly cloudcore?: HubAddress;
  /** Processes of this machine whose usage is shown, where they are not ours. */
  readonly pids: Readonly<Partial<Record<Part, number>>>;
  /** What will be killed and started again. */
  readonly restarts: readonly Part[];
  readonly timeScale: number;
  readonly bind: string;
  readonly port?: number;
  /** Edges that our cloudcore must take. */
  readonly edges: number;
}

/** A process of the target. */
type Part = "cloudcore" | "api";

/** Seconds of processor time, and bytes. */
interface Usage {
  readonly cpu: number;
  readonly rss: number;
}

export interface LoadTarget extends AsyncDisposable {
  /** What it is, for people. */
  readonly name: string;
  /** True where all that is made goes away with the target. */
  readonly isOurs: boolean;
  readonly kube: KubeClient;
  readonly hub: HubAddress;
  /** The CA that signs edges' certificates, as the cluster has it. Rejects where it can't be read. */
  authority(): Promise<AuthorityData>;
  /** Settles when a process of it has ended by itself, with its last words. */
  readonly failed: Promise<string>;
  usage(of: Part): Promise<Usage | undefined>;
  /** Kills a process of it and starts it again; settles when it is ready. Rejects where it isn't ours. */
  restart(part: Part): Promise<void>;
  /** The cloudcore's metrics as Prometheus has them; undefined where it isn't ours. */
  metrics(): Promise<string | undefined>;
}

/** Starts what isn't there. Rejects with StepFailure where it can't be. */
export async function openTarget(options: LoadTargetOptions, signal: AbortSignal): Promise<LoadTarget> {
  await using cleanup = new AsyncDisposableStack();
  const { bind, cloudcore, edges, timeScale } = options;
  const folder = await mkdtemp(join(tmpdir(), "skep-load-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const port = options.port ?? await holdBlock(bind, cleanup);
  const pids: Partial<Record<Part, number>> = { ...options.pids };
  const started = new Map<Part, { readonly child: Child; readonly args: readonly string[] }>();
  const broken = Promise.withResolvers<string>();
  const start = async (part: Part, args: readonly string[]) => {
    const child = await Child.start(part === "api" ? "the API" : "the cloudcore", args, signal);
    started.set(part, { child, args });
    pids[part] = child.pid;
    // What is killed on purpose is not the one that has been started last.
    void child.ended.then((why) => started.get(part)?.child === child && broken.resolve(why));
    return child;
  };
  // The cloudcore first, which needs the API.
  cleanup.defer(async () => {
    for (const part of ["cloudcore", "api"] as const) {
      const child = started.get(part)?.child;
      started.delete(part);
      await child?.[Symbol.asyncDispose]();
    }
  });
  let { kubeconfig } = options;
  if (kubeconfig === undefined) {
    if (cloudcore !== undefined) {
      throw new StepFailure("a load run needs the API of the cloudcore's cluster: say --kubeconfig FILE, too");
    }
    kubeconfig = join(folder, "kubeconfig");
    // What is to be killed keeps its objects on disk.
    const data = options.restarts.includes("api") ? ["--data", join(folder, "data")] : [];
    const where = ["--port", String(port), "--bind", bind];
    await start("api", ["apiserver", "--write-kubeconfig", kubeconfig, ...where, ...data]);
  }
  const kube = new KubeClient(loadKubeConfig(kubeconfig));
  cleanup.defer(() => kube.close());
  let hub = cloudcore;
  let metricsUrl: string | undefined;
  if (hub === undefined) {
    const core = await start("cloudcore", [
      "cloudcore",
      "--kubeconfig",
      kubeconfig,
      "--port",
      String(port),
      "--bind",
      bind,
      "--time-scale",
      String(timeScale),
      "--node-limit",
      String(Math.max(1000, edges)),
    ]);
    metricsUrl = core.facts.metrics as string | undefined;
    hub = {
      host: bind === "0.0.0.0" ? "127.0.0.1" : bind,
      websocketPort: Number(new URL(String(core.facts.websocket)).port),
      httpsPort: Number(new URL(String(core.facts.enrolment)).port),
      token: await bootstrapToken(kube),
    };
  }
  const rest = cleanup.move();
  return {
    name: cloudcore !== undefined
      ? `the cloudcore at ${cloudcore.host}:${cloudcore.websocketPort}`
      : options.kubeconfig === undefined
      ? "our cloudcore on the embedded API"
      : "our cloudcore on the cluster of the kubeconfig",
    isOurs: options.kubeconfig === undefined,
    kube,
    hub,
    authority: () => authorityData(kube),
    failed: broken.promise,
    async restart(part) {
      const running = started.get(part);
      if (running === undefined) throw new StepFailure(`the ${part} can't be restarted: skep has not started it`);
      started.delete(part);
      await running.child.kill();
      await start(part, running.args);
    },
    async usage(of) {
      const pid = pids[of];
      return pid === undefined ? undefined : await usageOf(pid);
    },
    async metrics() {
      if (metricsUrl === undefined) return undefined;
      return await fetch(metricsUrl, { signal: AbortSignal.timeout(5000) }).then(
        (answer) => answer.text(),
        () => undefined,
      );
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
