// What a load run is made against: our cloudcore on the embedded API or on a cluster, each in a process of its own, or any cloudcore.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { usageOf } from "../../base/process/usage.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { refuseTakenCluster } from "../../cloud/cloudhub/taken-cluster.ts";
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
  /** Called with the number of each cloudcore's process that was started. */
  readonly started?: (pid: number) => void;
  /** Cloudcores that we start side by side on one API, each with a part of the edges. */
  readonly hubs: number;
  /** Serve a cluster that another cloudcore has served, with its CA. */
  readonly takeOver?: boolean;
}

/** Ports from one cloudcore's block to the next, where the first is given. */
const PORTS_OF_BLOCK = 10;

/** A process of the target, or several side by side. */
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
  /** One of each cloudcore. */
  readonly hubs: readonly HubAddress[];
  /** The CA that signs edges' certificates, as the cluster has it. Rejects where it can't be read. */
  authority(): Promise<AuthorityData>;
  /** Settles when a process of it has ended by itself, with its last words. */
  readonly failed: Promise<string>;
  /** The sum of its processes. */
  usage(of: Part): Promise<Usage | undefined>;
  /** Kills a part of it, all of its processes at once, and starts it again; settles when it is ready. Rejects where it isn't ours. */
  restart(part: Part): Promise<void>;
  /** The metrics of each cloudcore of ours as Prometheus has them; none where one of them does not answer. */
  metrics(): Promise<readonly string[]>;
}

/** Starts what isn't there. Rejects with StepFailure where it can't be. */
export async function openTarget(options: LoadTargetOptions, signal: AbortSignal): Promise<LoadTarget> {
  await using cleanup = new AsyncDisposableStack();
  const { bind, cloudcore, edges, timeScale } = options;
  const folder = await mkdtemp(join(tmpdir(), "skep-load-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const blockOf = async (index: number) =>
    options.port === undefined ? await holdBlock(bind, cleanup) : options.port + index * PORTS_OF_BLOCK;
  const port = await blockOf(0);
  const started = new Map<Part, { child: Child; readonly args: readonly string[] }[]>([["cloudcore", []], ["api", []]]);
  const broken = Promise.withResolvers<string>();
  const start = async (part: Part, args: readonly string[]) => {
    const child = await Child.start(part === "api" ? "the API" : "the cloudcore", args, signal);
    const running = { child, args };
    started.get(part)?.push(running);
    if (part === "cloudcore") options.started?.(child.pid);
    // What is killed on purpose is not among them any more.
    void child.ended.then((why) => started.get(part)?.includes(running) && broken.resolve(why));
    return child;
  };
  // The cloudcore first, which needs the API.
  cleanup.defer(async () => {
    for (const part of ["cloudcore", "api"] as const) {
      const children = started.get(part)?.splice(0) ?? [];
      await Promise.all(children.map(({ child }) => child[Symbol.asyncDispose]()));
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
  if (options.kubeconfig !== undefined && cloudcore === undefined) {
    await refuseTakenCluster(loadKubeConfig(kubeconfig), options.takeOver === true);
  }
  const kube = new KubeClient(loadKubeConfig(kubeconfig));
  cleanup.defer(() => kube.close());
  const hubs = cloudcore === undefined ? [] : [cloudcore];
  const metricsUrls: string[] = [];
  for (let index = 0; cloudcore === undefined && index < options.hubs; index++) {
    const core = await start("cloudcore", [
      "cloudcore",
      "--kubeconfig",
      kubeconfig,
      "--port",
      String(index === 0 ? port : await blockOf(index)),
      "--bind",
      bind,
      "--time-scale",
      String(timeScale),
      "--node-limit",
      String(Math.max(1000, edges)),
    ]);
    metricsUrls.push(String(core.facts.metrics));
    hubs.push({
      host: bind === "0.0.0.0" ? "127.0.0.1" : bind,
      websocketPort: Number(new URL(String(core.facts.websocket)).port),
      httpsPort: Number(new URL(String(core.facts.enrolment)).port),
      token: await bootstrapToken(kube),
    });
  }
  const ours = options.hubs === 1 ? "our cloudcore" : `${options.hubs} of our cloudcores`;
  const rest = cleanup.move();
  return {
    name: cloudcore !== undefined
      ? `the cloudcore at ${cloudcore.host}:${cloudcore.websocketPort}`
      : options.kubeconfig === undefined
      ? `${ours} on the embedded API`
      : `${ours} on the cluster of the kubeconfig`,
    isOurs: options.kubeconfig === undefined,
    kube,
    hubs,
    authority: () => authorityData(kube),
    failed: broken.promise,
    async restart(part) {
      const running = started.get(part)?.splice(0) ?? [];
      if (running.length === 0) throw new StepFailure(`the ${part} can't be restarted: skep has not started it`);
      await Promise.all(running.map(({ child }) => child.kill()));
      await Promise.all(running.map(({ args }) => start(part, args)));
    },
    async usage(of) {
      const own = options.pids[of];
      const pids = own === undefined ? started.get(of)?.map(({ child }) => child.pid) ?? [] : [own];
      const found = (await Promise.all(pids.map(usageOf))).filter((usage) => usage !== undefined);
      if (found.length === 0) return undefined;
      return {
        cpu: found.reduce((sum, { cpu }) => sum + cpu, 0),
        rss: found.reduce((sum, { rss }) => sum + rss, 0),
      };
    },
    async metrics() {
      const texts = metricsUrls.map((url) =>
        fetch(url, { signal: AbortSignal.timeout(5000) }).then((answer) => answer.text())
      );
      return await Promise.all(texts).catch(() => []);
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
