// `skep up`: the embedded API (or a cluster), our cloudcore and a fleet, left running, with a console to look at them.
import { join } from "node:path";
import { HopRing } from "../base/hop/ring.ts";
import { portOfBlock } from "../base/transport/listen.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { ApiServer } from "../cloud/apiserver/apiserver.ts";
import { CloudCore } from "../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../cloud/config/config.ts";
import { KubeClient } from "../cloud/kube/client.ts";
import { loadKubeConfig, type PooledKubeConfig, tokenKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { refuseTakenCluster } from "../cloud/cloudhub/taken-cluster.ts";
import { Fleet, fleetLabel } from "../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../edge-sim/timings/timings.ts";
import { kubeedgeCrds } from "../protocol/apis/crds.ts";
import { limits } from "../protocol/limits.ts";
import { createDevices } from "../scenarios/cohorts/devices.ts";
import { StepFailure } from "../scenarios/model/step-failure.ts";
import { Actions } from "../scenarios/tap/actions.ts";
import { LocalSource } from "../scenarios/tap/local.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import { consoleFile } from "../scenarios/console/console.ts";
import { servingOf } from "./cloudcore.ts";
import { type LogFlags, loggerOf } from "./log.ts";
import { interruption } from "./interrupt.ts";
import { defaultKubeconfig, writeKubeconfig } from "../cloud/apiserver/kubeconfig.ts";
import { serveUntilInterrupted } from "./serving.ts";

export interface UpFlags extends LogFlags {
  readonly kubeconfig?: string;
  readonly writeKubeconfig?: string;
  /** The folder of the kubeconfig, where `writeKubeconfig` names no file. */
  readonly report?: string;
  readonly edges?: number;
  readonly seed?: number;
  readonly takeOver?: boolean;
  readonly timeScale?: number;
  readonly json?: boolean;
  readonly bind: string;
  readonly port?: number;
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
  const { logger, logs } = loggerOf(flags, "warn");
  const ring = new HopRing(limits.hopBytes);
  const timeScale = flags.timeScale ?? 1;
  const host = flags.bind;

  let file = flags.kubeconfig;
  let access: (() => PooledKubeConfig) | undefined = file === undefined
    ? undefined
    : () => loadKubeConfig(file as string);
  let api: ApiServer | undefined;
  const facts: Record<string, string | number> = {};
  if (access === undefined) {
    const listen = { host, ...portOfBlock(flags.port, 0, 6443) };
    const own = api = cleanup.use(
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
    await writeKubeconfig(file, own.access);
    access = () => tokenKubeConfig(own.access);
    facts.api = own.access.url;
  } else await refuseTakenCluster(access(), flags.takeOver === true);
  const kubeconfig = access;
  let ports = { websocket: portOfBlock(flags.port, 1, 10000), https: portOfBlock(flags.port, 2, 10002) };
  const startCore = () =>
    CloudCore.start({
      kubeconfig: kubeconfig(),
      config: { ...scaled(defaultConfig, timeScale), advertiseAddress: [...defaultConfig.advertiseAddress, host] },
      websocket: { host, ...ports.websocket },
      https: { host, ...ports.https },
      clock,
      random: random.stream("cloudcore"),
      logger,
      tap: ring,
    });
  let core: CloudCore | undefined = await startCore();
  cleanup.defer(() => core?.stop());
  const { websocket, https } = core.hub.ports;
  // Edges come back to the ports that they know.
  ports = { websocket: { port: websocket, exact: true }, https: { port: https, exact: true } };
  const serving = servingOf(core, host);
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
      tap: ring,
    }),
  );
  await fleet.start();
  const kube = new KubeClient(kubeconfig());
  cleanup.defer(() => kube.close());
  await createDevices(kube, "default", {
    fleet: [{ ...cohort, devices: [device] }],
    position: nowhere,
  }, {
    [fleetLabel]: "",
  });
  const tap = cleanup.use(
    await serveTap({
      what: "up",
      listen: { host, ...portOfBlock(flags.port, 3, 9440) },
      ring,
      source: new LocalSource({
        cloud: () => core?.inspector,
        edges: () => fleet.edges(),
        edge: (name) => fleet.get(name),
        gauges: () => ({ ...core?.hub.metrics(), ...fleet.totals() }),
        logs,
      }),
      logger,
      actions: new Actions({
        fleet,
        clock,
        namespace: "default",
        async stopCloudcore(kill = false) {
          if (kill) throw new StepFailure("this cloudcore has no process of its own to kill: leave `kill` out");
          await core?.stop();
          core = undefined;
        },
        freezeCloudcore() {
          throw new StepFailure("this cloudcore has no process of its own to stop: leave `frozen` out");
        },
        async startCloudcore() {
          core ??= await startCore();
        },
        disturbApiserver(fault) {
          if (api === undefined) throw new StepFailure("this API server is not ours to disturb");
          return api.faults.disturb(fault);
        },
        async restartApiserver() {
          if (api === undefined) throw new StepFailure("this API server is not ours to restart");
          await api.restart();
        },
        join: (name, how) => {
          const credentials = how.certificateOf === undefined
            ? undefined
            : fleet.get(how.certificateOf)?.hub.credentials;
          fleet.add(name, {
            ...(credentials === undefined ? {} : { credentials }),
            ...(how.token === undefined ? {} : { token: how.token }),
          }, how.node);
          return Promise.resolve();
        },
      }, signal),
      file: consoleFile,
    }),
  );
  await serveUntilInterrupted(
    {
      facts: {
        ...facts,
        kubeconfig: file ?? "",
        ...serving.facts,
        edges: fleet.edges().length,
        console: tap.address,
      },
      hints: [`try: kubectl --kubeconfig ${file} get nodes`, "     skep tap   # messages, in another terminal"],
    },
    flags.json === true,
    signal,
  );
  return code() ?? 0;
}
