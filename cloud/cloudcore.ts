// A cloudcore: its modules wired together, and nothing else. The only file that knows them all.
import type { Tap } from "../base/hop/hop.ts";
import type { Logger } from "../base/log/logger.ts";
import type { Random } from "../base/random/random.ts";
import { type Clock, sleep } from "../base/time/clock.ts";
import type { ListenOptions } from "../base/transport/listen.ts";
import { limits } from "../protocol/limits.ts";
import { Bus } from "./beehive/bus.ts";
import { startModules } from "./beehive/modules.ts";
import { CloudHub } from "./cloudhub/cloudhub.ts";
import type { CloudCoreConfig } from "./config/config.ts";
import { DeviceController } from "./devicecontroller/devicecontroller.ts";
import { EdgeController } from "./edgecontroller/edgecontroller.ts";
import { Caches } from "./kube/caches.ts";
import { deviceKindsOfV11, ensureDefinitions } from "./definitions.ts";
import { Inspector } from "./inspector.ts";
import { Eras } from "./nodes/eras.ts";
import { KubeClient, KubeUnreachableError } from "./kube/client.ts";
import type { PooledKubeConfig } from "./kube/kubeconfig.ts";
import { resources } from "./kube/resource.ts";
import { StartRetries } from "./kube/start-retries.ts";
import { SyncIndex } from "./nodes/sync-index.ts";
import { SyncController } from "./synccontroller/synccontroller.ts";

/** Injected dependencies. */
export interface CloudCoreOptions {
  readonly kubeconfig: PooledKubeConfig;
  readonly config: CloudCoreConfig;
  /** The servers that are switched on; enrolment always is. */
  readonly websocket?: ListenOptions;
  readonly https: ListenOptions;
  readonly quic?: ListenOptions & { readonly maxIncomingStreams: number };
  /** Path of the CSI driver's socket. */
  readonly unixsocket?: string;
  /** Where health and metrics are served. */
  readonly monitor?: ListenOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tap?: Tap;
}

/** Milliseconds the caches have for their first filling before the start fails. */
const CACHE_DEADLINE_MS = 30_000;

/** A running cloudcore. */
export class CloudCore {
  readonly hub: CloudHub;
  readonly bus: Bus;
  readonly client: KubeClient;
  /** Port of health and metrics, 0 where they are not served. */
  readonly monitorPort: number;
  readonly inspector: Inspector;
  readonly #stop: () => Promise<void>;

  private constructor(parts: Pick<CloudCore, "hub" | "bus" | "client" | "monitorPort" | "inspector" | "stop">) {
    this.hub = parts.hub;
    this.bus = parts.bus;
    this.client = parts.client;
    this.monitorPort = parts.monitorPort;
    this.inspector = parts.inspector;
    this.#stop = parts.stop;
  }

  /**
   * Starts: caches, then the controllers, then the hub, so that no edge is served from half-filled caches. Rejects with
   * KubeUnreachableError, DefinitionsError, ModuleStartError or ListenError; nothing is left running then.
   */
  static async start(options: CloudCoreOptions): Promise<CloudCore> {
    const { clock, random, logger } = options;
    const client = new KubeClient(options.kubeconfig);
    const deps = { clock, random, logger };
    const of = (module: string) => ({ logger: logger.with({ module }) });
    const caches = new Caches(client, { ...deps, ...of("kube") });
    const eras = new Eras(caches, options.config.eras);
    const starting = new StartRetries(deps);
    let servesV1alpha1 = false;
    try {
      servesV1alpha1 = await starting.run(
        "definitions",
        () => ensureDefinitions(client, cachedKinds, eras.hasV11, logger),
      );
      for (const resource of cachedKinds) caches.of(resource);
      for (const resource of eras.hasV11 ? cachedKindsOfV11 : []) caches.of(resource);
      for (const resource of servesV1alpha1 ? deviceKindsOfV11 : []) caches.of(resource);
      await withDeadline(
        clock,
        caches.start(),
        () => new KubeUnreachableError(client.server, caches.problem ?? "no answer"),
      );
    } catch (error) {
      await caches.stop();
      await client.close();
      throw error;
    }
    const { tap } = options;
    const bus = new Bus(clock, logger, limits.moduleChannel, tap);
    const index = new SyncIndex(caches);
    const { config } = options;
    const { strictGo } = config;
    const shared = { ...deps, bus, caches, index, tap, strictGo, eras };
    const { websocket, https, quic, unixsocket } = options;
    const servers = {
      https,
      ...(websocket === undefined ? {} : { websocket }),
      ...(quic === undefined ? {} : { quic }),
      ...(unixsocket === undefined ? {} : { unixsocket }),
    };
    const hub = new CloudHub({ ...shared, ...of("cloudhub"), config, servers, starting });
    const on = config.controllers;
    const modules = [
      ...(on.has("syncController")
        ? [
          new SyncController({
            ...shared,
            ...of("synccontroller"),
            interval: config.syncInterval,
            leader: config.leader,
          }),
        ]
        : []),
      ...(on.has("edgeController")
        ? [
          new EdgeController({
            ...shared,
            ...of("edgecontroller"),
            localAddress: localAddressOf(config.advertiseAddress),
            impersonates: config.impersonates,
            upstream: config.upstream,
          }),
        ]
        : []),
      ...(on.has("deviceController")
        ? [new DeviceController({ ...shared, ...of("devicecontroller"), servesV1alpha1 })]
        : []),
      hub,
    ];
    let monitor: { readonly port: number; stop(): Promise<void> } | undefined;
    const close = async () => {
      await monitor?.stop();
      await caches.stop();
      await client.close();
    };
    try {
      if (options.monitor !== undefined) {
        const { serveMonitor } = await import("./monitor/monitor.ts");
        monitor = await serveMonitor(options.monitor, hub.monitored);
      }
      const stopModules = await startModules(bus, modules, clock, logger);
      const stop = async () => {
        await stopModules();
        await close();
      };
      const inspector = new Inspector({ caches, index, hub });
      return new CloudCore({ hub, bus, client, inspector, monitorPort: monitor?.port ?? 0, stop });
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Ends the sessions with a reason, finishes what is under way, closes everything; within five seconds. */
  stop(): Promise<void> {
    return this.#stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The address that tells this cloudcore from others: one that is not only this machine's own, where there is one. */
function localAddressOf(addresses: readonly string[]): string {
  const isOwn = (address: string) => /^(127\.|localhost$|::1?$|0\.0\.0\.0$)/.test(address);
  return addresses.find((address) => !isOwn(address)) ?? "127.0.0.1";
}

const cachedKinds = [
  resources.pods,
  resources.nodes,
  resources.configmaps,
  resources.secrets,
  resources.devices,
  resources.devicemodels,
  resources.devicestatuses,
  resources.objectsyncs,
  resources.clusterobjectsyncs,
  resources.rules,
  resources.ruleendpoints,
];

const cachedKindsOfV11 = [resources.services, resources.endpoints];

async function withDeadline(clock: Clock, work: Promise<void>, late: () => Error): Promise<void> {
  const abort = new AbortController();
  const timeout = sleep(clock, CACHE_DEADLINE_MS, abort.signal).then(() => Promise.reject(late()));
  try {
    await Promise.race([work, timeout]);
  } finally {
    abort.abort();
    timeout.catch(() => {});
  }
}
