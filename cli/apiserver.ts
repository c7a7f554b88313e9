// `skep apiserver`: the embedded Kubernetes API alone.
import { writeFileSync } from "node:fs";
import { pinoLogger } from "../base/log/pino-logger.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { ApiServer } from "../cloud/apiserver/apiserver.ts";
import { allKubeedgeCrds } from "../protocol/apis/crds.ts";
import { exportObjects, importObjects } from "../cloud/apiserver/transfer.ts";
import { readManifest } from "../scenarios/files/manifest.ts";
import { interruption } from "./interrupt.ts";
import { defaultKubeconfig, writeKubeconfig } from "../cloud/apiserver/kubeconfig.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface ApiserverFlags {
  readonly writeKubeconfig?: string;
  /** Bytes. */
  readonly history?: number;
  readonly data?: string;
  readonly controllers?: readonly string[];
  readonly rbac?: boolean;
  readonly import?: string;
  readonly export?: string;
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
    ...(flags.data === undefined ? {} : { data: flags.data }),
    ...(flags.controllers === undefined ? {} : { controllers: flags.controllers }),
    rbac: flags.rbac === true,
  });
  if (flags.import !== undefined) importObjects(api.resources, await readManifest(flags.import));
  const file = flags.writeKubeconfig ?? defaultKubeconfig;
  await writeKubeconfig(file, api.access);
  await serveUntilInterrupted(
    { facts: { api: api.access.url, kubeconfig: file }, hints: [`try: kubectl --kubeconfig ${file} get namespaces`] },
    flags.json === true,
    signal,
  );
  // Secrets are among the objects.
  if (flags.export !== undefined) writeFileSync(flags.export, exportObjects(api.resources), { mode: 0o600 });
  return code() ?? 0;
}
