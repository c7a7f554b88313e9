// `skep cloudcore`: our cloudcore on a cluster.
import { existsSync, openSync, writeSync } from "node:fs";
import { type Tap, tapTo } from "../base/hop/hop.ts";
import { type Logger, reasonOf } from "../base/log/logger.ts";
import { type ListenOptions, portOfBlock } from "../base/transport/listen.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { CloudCore, type CloudCoreOptions } from "../cloud/cloudcore.ts";
import { type CloudCoreConfig, defaultConfig, scaled } from "../cloud/config/config.ts";
import type { Address, CloudCoreFile } from "../cloud/config/file.ts";
import { upstreamLimitsFor } from "../protocol/apis/cloudcore-config.ts";
import { clusterKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { refuseTakenCluster } from "../cloud/cloudhub/taken-cluster.ts";
import { limits } from "../protocol/limits.ts";
import { consoleFile } from "../scenarios/console/console.ts";
import { LocalSource } from "../scenarios/tap/local.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import { UsageError } from "./failure.ts";
import { ringOf, type TapSize } from "./ring.ts";
import { checkFeatureGates, isVerbose, type KlogFlags, versionLine } from "./klog-flags.ts";
import { type LogFlags, loggerOf } from "./log.ts";
import { interruption } from "./interrupt.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface CloudcoreFlags extends KlogFlags, LogFlags {
  readonly config?: string;
  readonly defaultconfig?: boolean;
  readonly minconfig?: boolean;
  readonly seedConf?: string;
  /** True, or the KubeEdge version whose device CRDs are printed, too. */
  readonly crds?: boolean | string;
  readonly kubeconfig?: string;
  readonly advertise?: readonly string[];
  readonly nodeLimit?: number;
  readonly takeOver?: boolean;
  readonly messages?: string;
  readonly tap?: TapSize;
  readonly timeScale?: number;
  readonly json?: boolean;
  /** Undefined without the flag. */
  readonly bind?: string;
  readonly port?: number;
}

/** Go cloudcore's default config path; read if it exists and neither --config nor --kubeconfig is given. */
const OWN_FILE = "/etc/kubeedge/config/cloudcore.yaml";
/** Without a file: KubeEdge's ports, or free ones if those are in use; loopback only; no CSI socket. */
const LOCAL = "127.0.0.1";

export async function cloudcoreCommand(flags: CloudcoreFlags): Promise<number> {
  if (flags.version !== undefined) {
    process.stdout.write(`${versionLine()}\n`);
    return 0;
  }
  checkFeatureGates(flags.featureGates ?? "");
  if (flags.defaultconfig || flags.minconfig) {
    const { defaultConfigText, minConfigText } = await import("../cloud/config/file.ts");
    process.stdout.write(flags.defaultconfig ? defaultConfigText() : minConfigText());
    return 0;
  }
  if (flags.crds !== undefined) {
    if (flags.crds !== true && flags.crds !== "v1.1") {
      throw new UsageError(`--crds ${flags.crds}: it takes v1.1, or nothing for the definitions of today`);
    }
    const [{ kubeedgeCrds, kubeedgeCrdsOfBothEras }, { stringify }] = await Promise.all([
      import("../protocol/apis/crds.ts"),
      import("yaml"),
    ]);
    const crds = flags.crds === true ? kubeedgeCrds : kubeedgeCrdsOfBothEras;
    process.stdout.write(
      crds.map((crd) => stringify(crd, { aliasDuplicateObjects: false })).join("---\n"),
    );
    return 0;
  }
  if (flags.seedConf !== undefined) {
    const { fromSeedConf } = await import("../cloud/config/seed-conf.ts");
    process.stdout.write(await fromSeedConf(flags.seedConf));
    return 0;
  }
  const { logger, logs } = loggerOf({ ...flags, verbose: flags.verbose === true || isVerbose(flags) }, "info");
  if (flags.featureGates !== undefined) logger.warn("feature gates have no effect here", { gates: flags.featureGates });
  const path = flags.config ?? (flags.kubeconfig === undefined && existsSync(OWN_FILE) ? OWN_FILE : undefined);
  const file = path === undefined ? undefined : await fromFile(path);
  for (const warning of file?.warnings ?? []) logger.warn(warning, { file: path });
  if (file === undefined && flags.kubeconfig === undefined) {
    throw new UsageError(
      "--config FILE or --kubeconfig FILE is needed: the cluster whose edges this cloudcore serves (`skep up` brings an API of its own)",
    );
  }
  const { signal, code } = interruption();
  const asked = file?.config ?? defaultConfig;
  const config: CloudCoreConfig = {
    ...scaled(asked, flags.timeScale ?? 1),
    ...(flags.nodeLimit === undefined
      ? {}
      : { nodeLimit: flags.nodeLimit, upstream: upstreamLimitsFor(flags.nodeLimit, asked.upstream) }),
    advertiseAddress: [
      ...asked.advertiseAddress,
      ...(flags.bind === undefined ? [] : [flags.bind]),
      ...flags.advertise ?? [],
    ],
  };
  const servers = serversOf(flags, file);
  // A part of a run or of a load keeps nothing for itself: who started it asks for what it needs.
  const isPart = process.env.SKEP_PARENT !== undefined;
  const ring = ringOf(flags.tap ?? (isPart ? "off" : limits.servedHopBytes));
  const written = flags.messages === undefined ? undefined : hopFile(flags.messages, logger).on;
  if (written !== undefined) ring.listen(written);
  const kubeconfig = () =>
    clusterKubeConfig({
      file: flags.kubeconfig ?? file?.kubeconfig.file ?? "",
      master: flags.kubeconfig === undefined ? file?.kubeconfig.master ?? "" : "",
    });
  // Who starts a part has looked already.
  if (!isPart) await refuseTakenCluster(kubeconfig(), flags.takeOver === true);
  await using core = await CloudCore.start({
    kubeconfig: kubeconfig(),
    config,
    ...servers,
    tap: ring,
    clock: new TimerWheel(),
    random: new Random(Date.now() % 2 ** 31),
    logger,
  });
  await using tap = await serveTap({
    what: "cloudcore",
    listen: { host: LOCAL, ...(isPart ? { port: 0, exact: false } : portOfBlock(flags.port, 3, 9440)) },
    ring,
    source: new LocalSource({ cloud: () => core.inspector, gauges: () => core.hub.metrics(), logs }),
    logger,
    file: consoleFile,
  });
  const { facts, hints } = servingOf(core, servers.https.host);
  const console = `${tap.url}  (\`skep tap --console\` prints it with its token)`;
  await serveUntilInterrupted({ facts: { ...facts, console }, hints }, flags.json === true, signal);
  return code() ?? 0;
}

async function fromFile(path: string): Promise<CloudCoreFile> {
  const { loadCloudCoreFile } = await import("../cloud/config/file.ts");
  return await loadCloudCoreFile(path);
}

/** Appends every hop to a file as a JSON line, synchronously: recorded hops survive a SIGKILL. */
function hopFile(path: string, logger: Logger): Tap {
  let file: number;
  try {
    file = openSync(path, "a");
  } catch (error) {
    throw new UsageError(`--messages ${path}: can't be written: ${reasonOf(error)}`);
  }
  let isBroken = false;
  return tapTo((record) => {
    if (isBroken) return;
    try {
      // What happens to messages, not what they say: that may be secret.
      writeSync(file, `${JSON.stringify({ ...record, text: undefined })}\n`);
    } catch (error) {
      isBroken = true;
      logger.error("messages are not written down any more", { file: path, error: reasonOf(error) });
    }
  });
}

type Servers = Pick<CloudCoreOptions, "websocket" | "https" | "quic" | "unixsocket" | "monitor">;

/** A file's servers listen only where the file says, unless `--bind` or `--port` are given. */
function serversOf(flags: CloudcoreFlags, file: CloudCoreFile | undefined): Servers {
  const at = (offset: number, own: number, address?: Address): ListenOptions => {
    const host = flags.bind ?? address?.host ?? LOCAL;
    if (flags.port === undefined && address !== undefined) return { host, port: address.port, exact: true };
    return { host, ...portOfBlock(flags.port, offset, own) };
  };
  if (file === undefined) {
    return { websocket: at(1, 10000), https: at(2, 10002), monitor: { ...at(4, 9091), host: LOCAL } };
  }
  const { websocket, https, quic, unixsocket, monitor } = file.servers;
  return {
    ...(websocket === undefined ? {} : { websocket: at(1, 10000, websocket) }),
    https: at(2, 10002, https),
    // Over UDP: it may have the hub's own number in a block.
    ...(quic === undefined ? {} : { quic: { ...at(1, 10001, quic), maxIncomingStreams: quic.maxIncomingStreams } }),
    ...(unixsocket === undefined ? {} : { unixsocket }),
    monitor: { ...at(4, 9091, monitor), host: monitor.host },
  };
}

/** How edges reach a cloudcore. The token is in the cluster's secret, and in no log. */
export function servingOf(core: CloudCore, host: string) {
  const { websocket, https, quic } = core.hub.ports;
  const at = host === "0.0.0.0" || host === "::" ? "HOST" : host;
  return {
    facts: {
      ...(websocket === 0 ? {} : { websocket: `wss://${host}:${websocket}` }),
      ...(quic === 0 ? {} : { quic: `${host}:${quic}/udp` }),
      enrolment: `https://${host}:${https}`,
      token: "secret kubeedge/tokensecret",
      ...(core.monitorPort === 0 ? {} : { metrics: `http://127.0.0.1:${core.monitorPort}/metrics` }),
    },
    hints: [
      "edges enrol with the token:",
      "  export SKEP_TOKEN=$(kubectl get secret -n kubeedge tokensecret -o jsonpath='{.data.tokendata}' | base64 -d)",
      `  skep fleet --cloudcore ${at}:${websocket} --enrolment-port ${https} --edges 10`,
    ],
  };
}
