// A cloud for tests: the embedded API, a cloudcore and, where wanted, edges; all on free ports, all stopped at the end.
import { HopRing } from "../../base/hop/ring.ts";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { ApiServer, type ApiServerOptions } from "../../cloud/apiserver/apiserver.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { type CloudCoreConfig, defaultConfig, scaled } from "../../cloud/config/config.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { kubeedgeCrds } from "../../protocol/apis/crds.ts";

export const anyPort = { host: "127.0.0.1", port: 0, exact: false } as const;

/** The API alone. */
export async function startApi(options: Partial<ApiServerOptions> = {}) {
  const clock = options.clock ?? new TimerWheel();
  const api = await ApiServer.start({
    listen: anyPort,
    clock,
    random: new Random(1),
    logger: silentLogger,
    seed: kubeedgeCrds,
    ...options,
  });
  return { api, clock };
}

/** API, cloudcore and a function that makes edges. Timers run ten times as fast unless `config` says otherwise. */
export async function startCloud(
  options: {
    readonly config?: Partial<CloudCoreConfig>;
    readonly logger?: Logger;
    /** `clock`: of all of it, such as a clock that the test moves. Default: the real time. */
    readonly api?: Partial<ApiServerOptions>;
    /** With a listener for QUIC too. */
    readonly quic?: boolean;
    /** Path of a CSI socket. */
    readonly unixsocket?: string;
    readonly monitor?: boolean;
  } = {},
) {
  const cleanup = new AsyncDisposableStack();
  const { api, clock } = await startApi(options.api);
  cleanup.use(api);
  const random = new Random(1);
  const logger = options.logger ?? silentLogger;
  const hops = new HopRing(64 * 1024 * 1024);
  const startCore = () =>
    CloudCore.start({
      kubeconfig: tokenKubeConfig(api.access),
      // What edges ask is not checked, as in the programs from which samples and captures come.
      config: { ...scaled(defaultConfig, 10), authorization: "off", ...options.config },
      websocket: anyPort,
      https: anyPort,
      ...(options.quic ? { quic: { ...anyPort, maxIncomingStreams: 100 } } : {}),
      ...(options.unixsocket === undefined ? {} : { unixsocket: options.unixsocket }),
      ...(options.monitor ? { monitor: anyPort } : {}),
      clock,
      random,
      logger,
      tap: hops,
    });
  const core = await startCore();
  cleanup.use(core);
  const kube = new KubeClient(tokenKubeConfig(api.access));
  cleanup.defer(() => kube.close());
  const address = (): HubAddress => ({
    host: "127.0.0.1",
    websocketPort: core.hub.ports.websocket,
    httpsPort: core.hub.ports.https,
    quicPort: core.hub.ports.quic,
    token: core.hub.token,
  });
  return {
    api,
    clock,
    core,
    kube,
    hops,
    address,
    async fleet(count: number, cohort = "edge") {
      const fleet = new Fleet({
        cohorts: [{ cohort, count }],
        hub: address(),
        timings: scaledTimings(edgecoreTimings, 10),
        clock,
        random,
        logger,
        tap: hops,
      });
      cleanup.use(fleet);
      await fleet.start();
      return fleet;
    },
    stop: () => cleanup.disposeAsync(),
  };
}

export type Cloud = Awaited<ReturnType<typeof startCloud>>;
