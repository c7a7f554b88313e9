// The cloudcores that an environment may have: ours in this process, ours in one of its own, or a foreign one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlClient } from "../../base/control/client.ts";
import { clientOf, followHops } from "../../base/control/follow.ts";
import type { Tap } from "../../base/hop/hop.ts";
import type { HopRing } from "../../base/hop/ring.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { ApiAccess } from "../../cloud/apiserver/apiserver.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import type { Inspector } from "../../cloud/inspector.ts";
import type { PooledKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import type { EdgeCredentials } from "../../edge-sim/edgehub/enrolment.ts";
import { v11Rule } from "../../protocol/apis/cloudcore-config.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { legacySubject } from "../../protocol/pki/legacy.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { milliseconds } from "../files/duration.ts";
import type { ScenarioCloudcore } from "../model/scenario.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { LocalOptions } from "./local-options.ts";
import { cloudTimingsOf } from "./timings.ts";

/** Our cloudcore, in this process or in one of its own. */
export interface Cloud {
  /** Where there are several: all, or one. So with `stop`. */
  start(replica?: number): Promise<void>;
  stop(kill: boolean, replica?: number): Promise<void>;
  /** SIGSTOP or SIGCONT, where it has a process of its own. */
  freeze?(isFrozen: boolean, replica?: number): void;
  address(kube: KubeClient): Promise<HubAddress>;
  /** Milliseconds that its certificates took at the last start, where that is known. */
  readonly certificatesTook: number;
  /** Its counters and gauges; none where it is not ours, or does not answer. */
  metrics(): Promise<Record<string, number>>;
  /** What it knows of nodes and objects, where it runs in this process. */
  inspector(): Inspector | undefined;
  /** The certificate that edges of v1.1 share; undefined where its CA is not ours: then they enrol as today's do. */
  legacyCredentials(): Promise<EdgeCredentials | undefined>;
  /** Path of the CSI driver's socket, where it has one. */
  readonly csi: string | undefined;
}

/** What is said where a scenario names one that isn't there. */
export function noReplica(replica: number, count: number): string {
  return `there is no cloudcore ${replica}: ${
    count === 1 ? "there is one, number 0" : `there are ${count}, from 0 on`
  }`;
}

/** A cloudcore that skep did not start and does not stop. */
export function foreignCloud(address: HubAddress): Cloud {
  const nothing = () => Promise.resolve();
  return {
    start: nothing,
    stop: nothing,
    address: () => Promise.resolve(address),
    certificatesTook: 0,
    metrics: () => Promise.resolve({}),
    inspector: () => undefined,
    legacyCredentials: () => Promise.resolve(undefined),
    csi: undefined,
  };
}

/** Our cloudcore in this process, always at the same ports: hub `port` + 1, enrolment `port` + 2. */
export async function localCloud(
  options: LocalOptions,
  port: number,
  settings: ScenarioCloudcore & { readonly quic: boolean; readonly v11: boolean },
  access: () => PooledKubeConfig,
  clock: Clock,
  random: Random,
  tap: Tap,
  cleanup: AsyncDisposableStack,
): Promise<Cloud> {
  const csi = settings.csi === true ? join(await temporaryFolder(cleanup), "kubeedge.sock") : undefined;
  let core: CloudCore | undefined;
  const { authorization, nodeLimit, edgeCertLifetime, tokenLifetime } = settings;
  let quicPort = 0;
  return {
    async start() {
      if (core !== undefined) return;
      core = await CloudCore.start({
        kubeconfig: access(),
        config: {
          ...cloudTimingsOf(options),
          advertiseAddress: ["127.0.0.1", "localhost", options.bind],
          ...(nodeLimit === undefined ? {} : { nodeLimit }),
          ...(authorization === undefined ? {} : { authorization, impersonates: authorization === "on" }),
          ...(edgeCertLifetime === undefined
            ? {}
            : { edgeCertLifetime: milliseconds(edgeCertLifetime) / options.timeScale }),
          ...(tokenLifetime === undefined ? {} : { tokenLifetime: milliseconds(tokenLifetime) }),
          ...(settings.v11 ? { eras: [v11Rule] } : {}),
        },
        websocket: { host: options.bind, port: port + 1, exact: true },
        https: { host: options.bind, port: port + 2, exact: true },
        ...(settings.quic
          ? { quic: { host: options.bind, port: quicPort, exact: quicPort !== 0, maxIncomingStreams: 100 } }
          : {}),
        ...(csi === undefined ? {} : { unixsocket: csi }),
        clock,
        random: random.stream("cloudcore"),
        logger: options.logger,
        tap,
      });
      quicPort = core.hub.ports.quic;
    },
    async stop() {
      await core?.stop();
      core = undefined;
    },
    address() {
      const { ports, token } = (core as CloudCore).hub;
      return Promise.resolve({
        host: "127.0.0.1",
        websocketPort: ports.websocket,
        httpsPort: ports.https,
        ...(ports.quic === 0 ? {} : { quicPort: ports.quic }),
        token,
      });
    },
    get certificatesTook() {
      return core?.hub.certificatesTook ?? 0;
    },
    metrics: () => Promise.resolve(core?.hub.metrics() ?? {}),
    inspector: () => core?.inspector,
    async legacyCredentials() {
      const { authority } = (core as CloudCore).hub.certificates;
      const pair = await issueClient(authority, legacySubject, Date.now());
      return { ca: authority.certPem, cert: pair.certPem, key: pair.keyPem };
    },
    csi,
  };
}

async function temporaryFolder(cleanup: AsyncDisposableStack): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "skep-csi-"));
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Our cloudcore in a process of its own, over the embedded API or the cluster of a kubeconfig file. Its hops come to `hops` as it streams them: a little later than ours. */
export async function processCloud(
  options: LocalOptions,
  port: number,
  settings: ScenarioCloudcore & { readonly v11: boolean },
  access: ApiAccess | string,
  hops: HopRing,
  cleanup: AsyncDisposableStack,
): Promise<Cloud> {
  const { authorization, csi, nodeLimit, edgeCertLifetime, tokenLifetime, v11 } = settings;
  if (v11 || csi === true) {
    throw new StepFailure("a cloudcore with a process of its own has neither edges of v1.1 nor a CSI socket here");
  }
  if (edgeCertLifetime !== undefined || tokenLifetime !== undefined || authorization !== undefined) {
    throw new StepFailure(
      "lifetimes of certificates and tokens, and authorization, can't be set for a cloudcore with a process of its own",
    );
  }
  const flags = nodeLimit === undefined ? [] : ["--node-limit", String(nodeLimit)];
  const { CloudProcess } = await import("./cloud-process.ts");
  const { bind, timeScale } = options;
  const stop = new AbortController();
  cleanup.defer(() => stop.abort());
  const joined = async (pid: number) => {
    const client = await clientOf(pid, stop.signal);
    if (client !== undefined) followHops(client, hops, stop.signal, () => {});
    return client;
  };
  let client: Promise<ControlClient | undefined> = Promise.resolve(undefined);
  const started = (pid: number) => void (client = joined(pid).catch(() => undefined));
  const cloud = await CloudProcess.start({ access, bind, timeScale, flags, port, started });
  cleanup.use(cloud);
  return {
    start: () => cloud.start(),
    stop: (kill) => cloud.stop(kill),
    freeze: (isFrozen) => cloud.freeze(isFrozen),
    address: (kube) => cloud.address(kube),
    certificatesTook: 0,
    async metrics() {
      const answer = (await client)?.get<Record<string, number>>("/api/gauges");
      return await answer?.catch(() => undefined) ?? {};
    },
    inspector: () => undefined,
    legacyCredentials: () => Promise.resolve(undefined),
    csi: undefined,
  };
}
