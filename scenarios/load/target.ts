// What a load run is made against: our cloudcore on the embedded API or on a cluster, each in a process of its own, or any cloudcore.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { usageOf } from "../../base/process/usage.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { loadKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { StepFailure } from "../model/step-failure.ts";
import { Child } from "../targets/child.ts";
import { holdBlock } from "../targets/ports.ts";

/** What is given on the command line. */
export interface LoadTargetOptions {
  readonly kubeconfig?: string;
  /** A cloudcore that runs already, with its credentials. */
  readonly cloudcore?: HubAddress;
  /** Processes of this machine whose usage is shown, where they are not ours. */
  readonly pids: Readonly<Partial<Record<"cloudcore" | "api", number>>>;
  readonly timeScale: number;
  readonly bind: string;
  readonly port?: number;
  /** Edges that our cloudcore must take. */
  readonly edges: number;
}

/** Seconds of processor time, and bytes. */
interface Usage {
  readonly cpu: number;
  readonly rss: number;
}

/** A CA: certificate and key, DER in base64. */
export interface AuthorityData {
  readonly cert: string;
  readonly key: string;
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
  usage(of: "cloudcore" | "api"): Promise<Usage | undefined>;
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
  const pids: Partial<Record<"cloudcore" | "api", number>> = { ...options.pids };
  const children: Child[] = [];
  const start = async (name: "cloudcore" | "api", args: readonly string[]) => {
    const child = cleanup.use(await Child.start(name === "api" ? "the API" : "the cloudcore", args, signal));
    children.push(child);
    pids[name] = child.pid;
    return child;
  };
  let { kubeconfig } = options;
  if (kubeconfig === undefined) {
    if (cloudcore !== undefined) {
      throw new StepFailure("a load run needs the API of the cloudcore's cluster: say --kubeconfig FILE, too");
    }
    kubeconfig = join(folder, "kubeconfig");
    await start("api", ["apiserver", "--write-kubeconfig", kubeconfig, "--port", String(port), "--bind", bind]);
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
    const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "tokensecret" });
    hub = {
      host: bind === "0.0.0.0" ? "127.0.0.1" : bind,
      websocketPort: Number(new URL(String(core.facts.websocket)).port),
      httpsPort: Number(new URL(String(core.facts.enrolment)).port),
      token: Buffer.from(textAt(secret, "data", "tokendata"), "base64").toString("utf8"),
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
    async authority() {
      const secret = await kube.get({ resource: resources.secrets, namespace: "kubeedge", name: "casecret" });
      return { cert: textAt(secret, "data", "cadata"), key: textAt(secret, "data", "cakeydata") };
    },
    failed: children.length === 0 ? new Promise(() => {}) : Promise.race(children.map(({ ended }) => ended)),
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
