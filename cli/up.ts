// `skep up`: the embedded API (or a cluster), our cloudcore and a fleet, left running.
import { join } from "node:path";
import { pinoLogger } from "../base/log/pino-logger.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { ApiServer } from "../cloud/apiserver/apiserver.ts";
import { CloudCore } from "../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../cloud/config/config.ts";
import { KubeClient } from "../cloud/kube/client.ts";
import { loadKubeConfig, tokenKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { Fleet, fleetLabel } from "../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../edge-sim/timings/timings.ts";
import { kubeedgeCrds } from "../protocol/apis/crds.ts";
import { createDevices } from "../scenarios/cohorts/devices.ts";
import { servingOf } from "./cloudcore.ts";
import { interruption } from "./interrupt.ts";
import { defaultKubeconfig, writeKubeconfig } from "../cloud/apiserver/kubeconfig.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface UpFlags {
  readonly kubeconfig?: string;
  readonly writeKubeconfig?: string;
  /** The folder of the kubeconfig, where `writeKubeconfig` names no file. */
  readonly report?: string;
  readonly edges?: number;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly json?: boolean;
  readonly bind: string;
  readonly port?: number;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const DEFAULT_EDGES = 10;
/** Each edge has a thermometer that reports, so that there is something to look at. */
const device = { model: "thermometer", perEdge: 1, reports: "5s" };
const nowhere = { file: "skep-up.yaml", line: 1, column: 1 };

export async function upCommand(flags: UpFlags): Promise<number> {
  const { signal, code } = interruption();
  await using cleanup = new AsyncDisposableStack();
  const clock = new TimerWheel();
  const random = new Random(flags.seed ?? 1);
  const logger = pinoLogger(flags.verbose ? "debug" : flags.quiet ? "error" : "warn");
  const timeScale = flags.timeScale ?? 1;
  const host = flags.bind;

  let file = flags.kubeconfig;
  let kubeconfig = file === undefined ? undefined : loadKubeConfig(file);
  const facts: Record<string, string | number> = {};
  if (kubeconfig === undefined) {
    const listen = { host, ...portOfBlock(flags.port, 0, 6443) };
    const api = cleanup.use(
      await ApiServer.start({
        listen,
        clock,
        random: random.stream("apiserver"),
        logger,
        seed: kubeedgeCrds,
        timeScale,
      }),
    );
    file = flags.writeKubeconfig ?? (flags.report === undefined ? defaultKubeconfig : join(flags.report, "kubeconfig"));
    await writeKubeconfig(file, api.access);
    kubeconfig = tokenKubeConfig(api.access);
    facts.api = api.access.url;
  }
  const core = cleanup.use(
    await CloudCore.start({
      kubeconfig,
      config: { ...scaled(defaultConfig, timeScale), advertiseAddress: [...defaultConfig.advertiseAddress, host] },
      websocket: { host, ...portOfBlock(flags.port, 1, 10000) },
      https: { host, ...portOfBlock(flags.port, 2, 10002) },
      clock,
      random: random.stream("cloudcore"),
      logger,
    }),
  );
  const { websocket, https } = core.hub.ports;
  const cohort = { cohort: "edge", count: flags.edges ?? DEFAULT_EDGES };
  const fleet = cleanup.use(
    new Fleet({
      cohorts: [cohort],
      hub: {
        host: host === "0.0.0.0" ? "127.0.0.1" : host,
        websocketPort: websocket,
        httpsPort: https,
        token: core.hub.token,
      },
      timings: scaledTimings(edgecoreTimings, timeScale),
      clock,
      random,
      logger,
    }),
  );
  await fleet.start();
  const kube = new KubeClient(kubeconfig);
  cleanup.defer(() => kube.close());
  await createDevices(kube, "default", {
    fleet: [{ ...cohort, devices: [device] }],
    position: nowhere,
  }, {
    [fleetLabel]: "",
  });
  const serving = servingOf(core, host);
  await serveUntilInterrupted(
    {
      facts: { ...facts, kubeconfig: file ?? "", ...serving.facts, edges: fleet.edges().length },
      hints: [`try: kubectl --kubeconfig ${file} get nodes`],
    },
    flags.json === true,
    signal,
  );
  return code() ?? 0;
}
