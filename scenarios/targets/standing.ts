// What stands for all scenarios of a target: a Kubernetes that Docker started, the API and the cloudcore of a pairing with other people's programs.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { ApiServer } from "../../cloud/apiserver/apiserver.ts";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { refuseRunningCloudcore, refuseTakenCluster } from "../../cloud/cloudhub/taken-cluster.ts";
import { kubeedgeCrds } from "../../protocol/apis/crds.ts";
import type { Cloud } from "./clouds.ts";
import { foreignProcess, launchProgram } from "./foreign-cloud.ts";
import type { LocalOptions } from "./local-options.ts";
import { holdBlock } from "./ports.ts";
import { standingReplicas } from "./traits.ts";

/** What scenarios share. */
export interface Standing {
  /** Its file, whose current context is the one that is meant. */
  readonly kubeconfigFile: string;
  /** Access to the cluster; each caller closes its own. */
  kubeconfig(): PooledKubeConfig;
  /** The embedded API, where it is that. */
  readonly api: ApiServer | undefined;
  /** The cloudcore that serves all of them; undefined where each scenario has its own. */
  readonly cloud: Cloud | undefined;
}

/** Made when it is first asked for, stopped with the target. */
export class StandingParts {
  readonly #options: LocalOptions;
  readonly #cleanup = new AsyncDisposableStack();
  #made: Promise<Standing> | undefined;

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  /** Whether scenarios share anything: with our own cloudcore over the embedded API each has a world of its own. */
  get isNeeded(): boolean {
    const { cloudcore, image, kubeconfig } = this.#options;
    return kubeconfig !== undefined || image !== undefined || !["here", "process"].includes(cloudcore?.runs ?? "here");
  }

  get(): Promise<Standing> {
    return this.#made ??= this.#make();
  }

  async close(): Promise<void> {
    await this.#made?.catch(() => {});
    await this.#cleanup.disposeAsync();
  }

  async #make(): Promise<Standing> {
    const { bind, cloudcore = { runs: "here" }, image, logger } = this.#options;
    const cleanup = this.#cleanup;
    const clock = new TimerWheel();
    const block = this.#options.port || await holdBlock(bind, cleanup);
    let { context, kubeconfig: file } = this.#options;
    let api: ApiServer | undefined;
    if (image !== undefined) {
      const { startKubernetes } = await import("./containers.ts");
      file = cleanup.use(await startKubernetes(image)).kubeconfig;
      context = undefined;
    }
    if (file === undefined) {
      api = await ApiServer.start({
        listen: { host: bind, port: block, exact: true },
        clock,
        random: new Random(1).stream("apiserver"),
        logger,
        seed: kubeedgeCrds,
      });
      const own = api;
      cleanup.defer(() => own.stop());
      const folder = await mkdtemp(join(tmpdir(), "skep-target-"));
      cleanup.defer(() => rm(folder, { recursive: true, force: true }));
      file = join(folder, "kubeconfig");
      await writeKubeconfig(file, own.access);
    } else if (context !== undefined) {
      // Other programs take a file's current context.
      const folder = await mkdtemp(join(tmpdir(), "skep-target-"));
      cleanup.defer(() => rm(folder, { recursive: true, force: true }));
      const { config } = loadKubeConfig(file, context);
      file = join(folder, "kubeconfig");
      await writeFile(file, config.exportConfig(), { mode: 0o600 });
    }
    const at = file;
    const kubeconfig = () => loadKubeConfig(at);
    const { takeOver = false } = this.#options;
    const isOurs = cloudcore.runs !== "go" && (cloudcore.runs !== "container" || cloudcore.isOurs);
    // KubeEdge's own has the CA of KubeEdge's own; beside one that runs it is no better than ours.
    if (api === undefined && cloudcore.runs !== "elsewhere") {
      await (isOurs ? refuseTakenCluster : refuseRunningCloudcore)(kubeconfig(), takeOver);
    }
    const parts = { kubeconfigFile: at, kubeconfig, api };
    if (cloudcore.runs !== "go" && cloudcore.runs !== "container") return { ...parts, cloud: undefined };
    const launch = cloudcore.runs === "go"
      ? launchProgram(cloudcore.program)
      : (await import("./containers.ts")).launchImage(
        cloudcore.image,
        at,
        // KubeEdge's image is its program; skep's is all commands.
        cloudcore.isOurs
          ? ["cloudcore", "--time-scale", String(this.#options.timeScale), ...(takeOver ? ["--take-over"] : [])]
          : [],
      );
    const make = (port: number) =>
      foreignProcess({
        what: cloudcore.runs === "go" ? cloudcore.program : cloudcore.image,
        launch,
        kubeconfigFile: at,
        kubeconfig: kubeconfig(),
        port,
        bind,
        clock,
      }, cleanup);
    const count = standingReplicas(cloudcore);
    const cloud = count === 1
      ? await make(block)
      : await (await import("./replicas.ts")).replicatedCloud(make, count, { bind, port: block }, cleanup);
    return { ...parts, cloud };
  }
}
