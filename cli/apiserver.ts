// `skep apiserver`: the embedded Kubernetes API alone.
import { pinoLogger } from "../base/log/pino-logger.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { ApiServer } from "../cloud/apiserver/apiserver.ts";
import { allKubeedgeCrds } from "../protocol/apis/crds.ts";
import { interruption } from "./interrupt.ts";
import { defaultKubeconfig, writeKubeconfig } from "../cloud/apiserver/kubeconfig.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface ApiserverFlags {
  readonly writeKubeconfig?: string;
  /** Bytes. */
  readonly history?: number;
  readonly json?: boolean;
  readonly bind: string;
  readonly port?: number;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** Kubernetes' own port. */
const API_PORT = 6443;

export async function apiserverCommand(flags: ApiserverFlags): Promise<number> {
  const { signal, code } = interruption();
  await using api = await ApiServer.start({
    listen: { host: flags.bind, ...portOfBlock(flags.port, 0, API_PORT) },
    clock: new TimerWheel(),
    random: new Random(Date.now() % 2 ** 31),
    logger: pinoLogger(flags.verbose ? "debug" : flags.quiet ? "error" : "info"),
    seed: allKubeedgeCrds,
    ...(flags.history === undefined ? {} : { history: flags.history }),
  });
  const file = flags.writeKubeconfig ?? defaultKubeconfig;
  await writeKubeconfig(file, api.access);
  await serveUntilInterrupted(
    { facts: { api: api.access.url, kubeconfig: file }, hints: [`try: kubectl --kubeconfig ${file} get namespaces`] },
    flags.json === true,
    signal,
  );
  return code() ?? 0;
}
