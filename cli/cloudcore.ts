// `skep cloudcore`: our cloudcore on a cluster.
import { pinoLogger } from "../base/log/pino-logger.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { CloudCore } from "../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../cloud/config/config.ts";
import { loadKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { UsageError } from "./failure.ts";
import { interruption } from "./interrupt.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface CloudcoreFlags {
  readonly kubeconfig?: string;
  readonly advertise?: readonly string[];
  readonly nodeLimit: number;
  readonly timeScale?: number;
  readonly json?: boolean;
  readonly bind: string;
  readonly port?: number;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export async function cloudcoreCommand(flags: CloudcoreFlags): Promise<number> {
  if (flags.kubeconfig === undefined) {
    throw new UsageError(
      "--kubeconfig FILE is needed: the cluster whose edges this cloudcore serves (`skep up` brings an API of its own)",
    );
  }
  const { signal, code } = interruption();
  const config = { ...scaled(defaultConfig, flags.timeScale ?? 1), nodeLimit: flags.nodeLimit };
  const host = flags.bind;
  await using core = await CloudCore.start({
    kubeconfig: loadKubeConfig(flags.kubeconfig),
    config: { ...config, advertiseAddress: [...config.advertiseAddress, host, ...flags.advertise ?? []] },
    websocket: { host, ...portOfBlock(flags.port, 1, 10000) },
    https: { host, ...portOfBlock(flags.port, 2, 10002) },
    clock: new TimerWheel(),
    random: new Random(Date.now() % 2 ** 31),
    logger: pinoLogger(flags.verbose ? "debug" : flags.quiet ? "error" : "info"),
  });
  await serveUntilInterrupted(servingOf(core, host), flags.json === true, signal);
  return code() ?? 0;
}

/** How edges reach a cloudcore. The token is in the cluster's secret, and in no log. */
export function servingOf(core: CloudCore, host: string) {
  const { websocket, https } = core.hub.ports;
  const at = host === "0.0.0.0" || host === "::" ? "HOST" : host;
  return {
    facts: {
      websocket: `wss://${host}:${websocket}`,
      enrolment: `https://${host}:${https}`,
      token: "secret kubeedge/tokensecret",
    },
    hints: [
      "edges enrol with the token:",
      "  export SKEP_TOKEN=$(kubectl get secret -n kubeedge tokensecret -o jsonpath='{.data.tokendata}' | base64 -d)",
      `  skep fleet --cloudcore ${at}:${websocket} --enrolment-port ${https} --edges 10`,
    ],
  };
}
