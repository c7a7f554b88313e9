// `startApiServer()`: the embedded Kubernetes API with a default for everything, for programs that import skep.
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { portOfBlock } from "../../base/transport/listen.ts";
import { allKubeedgeCrds } from "../../protocol/apis/crds.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { type ApiAccess, ApiServer } from "./apiserver.ts";
import { kubeconfigText, writeKubeconfig } from "./kubeconfig.ts";

/** Options of `startApiServer`, named as the flags of `skep apiserver`. */
export interface StartApiServerOptions {
  /** Default: 127.0.0.1. */
  readonly bind?: string;
  /** Default: 0, a free port. */
  readonly port?: number;
  /** A file for its kubeconfig, readable by its owner only. Default: none is written. */
  readonly writeKubeconfig?: string;
  /** Bytes of memory that past changes may hold. Default: 256 MiB. */
  readonly history?: number;
  /** A folder in which the objects are kept, across restarts and kills. Default: they live in memory. */
  readonly data?: string;
  /** Which controllers run, such as `["*", "-job"]`. Default: all. */
  readonly controllers?: readonly string[];
  /** Whether users may do only what roles allow them. Default: false, everybody may do everything. */
  readonly rbac?: boolean;
  /** Divides the periods of its controllers. Default: 1. */
  readonly timeScale?: number;
  /** Objects to begin with, CustomResourceDefinitions first. Default: KubeEdge's definitions. */
  readonly objects?: readonly KubeObject[];
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** A running API. */
export interface StartedApiServer extends AsyncDisposable {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** Address, CA (PEM) and token of a user with all permissions. */
  readonly access: ApiAccess;
  /** A kubeconfig as YAML, for kubectl and any client library. */
  readonly kubeconfig: string;
  stop(): Promise<void>;
}

/**
 * Starts the embedded Kubernetes API: real HTTPS, KubeEdge's kinds defined. Rejects with ListenError or
 * DataFolderError, or where the kubeconfig can't be written; nothing is left running then.
 *
 * @example
 * await using api = await startApiServer({ writeKubeconfig: "kubeconfig" });
 * console.log(api.url);
 */
export async function startApiServer(options: StartApiServerOptions = {}): Promise<StartedApiServer> {
  const { bind = "127.0.0.1", history, logger = silentLogger, objects = allKubeedgeCrds, port = 0, timeScale = 1 } =
    options;
  const api = await ApiServer.start({
    listen: { host: bind, ...portOfBlock(port, 0, port) },
    clock: new TimerWheel(),
    // Names that were generated in an earlier life must not come again.
    random: new Random(options.data === undefined ? 1 : Date.now() % 2 ** 31),
    logger,
    seed: objects,
    timeScale,
    ...(history === undefined ? {} : { history }),
    ...(options.data === undefined ? {} : { data: options.data }),
    ...(options.controllers === undefined ? {} : { controllers: options.controllers }),
    rbac: options.rbac === true,
  });
  const stop = () => api.stop();
  try {
    if (options.writeKubeconfig !== undefined) await writeKubeconfig(options.writeKubeconfig, api.access);
  } catch (error) {
    await stop();
    throw error;
  }
  const { access } = api;
  return { url: access.url, access, kubeconfig: kubeconfigText(access), stop, [Symbol.asyncDispose]: stop };
}
