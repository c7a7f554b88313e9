// `startCloudCore()`: a cloudcore with a default for everything, for programs that import skep.
import { type Logger, silentLogger } from "../base/log/logger.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { CloudCore } from "./cloudcore.ts";
import { type CloudCoreConfig, defaultConfig, scaled } from "./config/config.ts";
import { loadKubeConfig, tokenKubeConfig } from "./kube/kubeconfig.ts";

/** Options of `startCloudCore`, named as the flags of `skep cloudcore`. */
export interface StartCloudCoreOptions {
  /** A kubeconfig file, or the access to an API that `startApiServer` has started. */
  readonly kubeconfig: string | {
    readonly access: { readonly url: string; readonly ca: string; readonly token: string };
  };
  /** Default: 127.0.0.1. */
  readonly bind?: string;
  /** The first of a block: hub `port` + 1, enrolment `port` + 2. Default: 0, free ones. */
  readonly port?: number;
  /** Nodes that may be connected at a time. Default: 1000. */
  readonly nodeLimit?: number;
  /** Divides every timer of the protocol. Default: 1. */
  readonly timeScale?: number;
  /** Anything else of the configuration. Default: KubeEdge's own defaults. */
  readonly config?: Partial<CloudCoreConfig>;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** A running cloudcore: what `startFleet` takes as `cloudcore`. */
export interface StartedCloudCore extends AsyncDisposable {
  readonly host: string;
  /** Port of the hub's WebSocket server. */
  readonly websocketPort: number;
  /** Port of the HTTPS server where edges enrol. */
  readonly httpsPort: number;
  /** The token that edges enrol with. */
  readonly token: string;
  /** Counters and gauges, as `/metrics` shows them. */
  metrics(): Record<string, number>;
  stop(): Promise<void>;
}

/**
 * Starts a cloudcore on a cluster. Rejects with KubeConfigError, KubeUnreachableError, DefinitionsError, or ModuleStartError whose cause is a ListenError; nothing is
 * left running then.
 *
 * @example
 * await using api = await startApiServer();
 * await using cloudcore = await startCloudCore({ kubeconfig: api });
 * console.log(cloudcore.websocketPort);
 */
export async function startCloudCore(options: StartCloudCoreOptions): Promise<StartedCloudCore> {
  const { bind: host = "127.0.0.1", kubeconfig, logger = silentLogger, nodeLimit, port = 0, timeScale = 1 } = options;
  const config = { ...defaultConfig, ...options.config };
  const core = await CloudCore.start({
    kubeconfig: typeof kubeconfig === "string" ? loadKubeConfig(kubeconfig) : tokenKubeConfig(kubeconfig.access),
    config: {
      ...scaled(config, timeScale),
      advertiseAddress: [...config.advertiseAddress, host],
      ...(nodeLimit === undefined ? {} : { nodeLimit }),
    },
    websocket: { host, ...portOfBlock(port, 1, 0) },
    https: { host, ...portOfBlock(port, 2, 0) },
    clock: new TimerWheel(),
    random: new Random(1),
    logger,
  });
  const { hub } = core;
  const stop = () => core.stop();
  return {
    host,
    websocketPort: hub.ports.websocket,
    httpsPort: hub.ports.https,
    token: hub.token,
    metrics: () => hub.metrics(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
