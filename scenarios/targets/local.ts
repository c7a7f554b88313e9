// The target of this machine: our edges, with our cloudcore or another, over the embedded API or a cluster.
import { HopRing } from "../../base/hop/ring.ts";
import { Random } from "../../base/random/random.ts";
import { quicProblem } from "../../base/transport/quic.ts";
import type { Clock } from "../../base/time/clock.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { ApiServer } from "../../cloud/apiserver/apiserver.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { Informer, type InformerDeps } from "../../cloud/kube/informer.ts";
import { loadKubeConfig, tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeName, Fleet } from "../../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { kubeedgeCrds, kubeedgeCrdsOfBothEras } from "../../protocol/apis/crds.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import type { Scenario } from "../model/scenario.ts";
import { usesQuic, usesV11 } from "../cohorts/cohort.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { LocalOptions } from "./local-options.ts";
import { foreignCloud, localCloud, processCloud } from "./clouds.ts";
import { cohortOf, makeNodesOfV11 } from "../cohorts/fleet-cohort.ts";
import { createDevices } from "../cohorts/devices.ts";
import { EdgeNames, newSuffix } from "./own-names.ts";
import { namespaceOf, removeNamespace, removeNodes, untilFilled } from "./shared-cluster.ts";
import { READY_MS, untilReady } from "./readiness.ts";
import { holdBlock } from "./ports.ts";
import { capabilities, type Capability, type Target } from "../model/target.ts";
import type { Environment, StartTimes } from "../model/environment.ts";

/** What a target that is not all ours lacks. */
const ourApiOnly: readonly Capability[] = ["apiserver-restart", "cloudcore-kill"];
const ourCloudOnly: readonly Capability[] = [
  "cloudcore-restart",
  "cloudcore-settings",
  "cloudcore-kill",
  "cloud-messages",
  "quic",
  "csi",
  "services",
];
/** Patience with other people's programs (design: a real cluster 5, the Go cloudcore 15). */
const CLUSTER_PATIENCE = 5;
const FOREIGN_CLOUD_PATIENCE = 15;
export function localTarget(options: LocalOptions): Target {
  const isForeign = options.cloudcore !== undefined;
  const isCluster = options.kubeconfig !== undefined;
  const lacking = new Set<Capability>([
    ...(isCluster ? ourApiOnly : []),
    ...(isForeign ? ourCloudOnly : []),
    ...(quicProblem() === undefined ? [] : ["quic" as const]),
    // Edges that come with certificates of ours don't enrol.
    ...(isForeign && options.cloudcore?.token === undefined ? ["enrolment" as const] : []),
  ]);
  const patience = isForeign ? FOREIGN_CLOUD_PATIENCE : isCluster ? CLUSTER_PATIENCE : 1;
  return {
    name: isForeign
      ? `the cloudcore at ${options.cloudcore?.host}`
      : isCluster
      ? "the cluster of the kubeconfig"
      : "the embedded target",
    capabilities: new Set(capabilities.filter((capability) => !lacking.has(capability))),
    timeScale: options.timeScale,
    patience,
    open: (scenario, seed, signal) => openEnvironment(options, patience, scenario, seed, signal),
    close: () => Promise.resolve(),
  };
}

async function openEnvironment(
  options: LocalOptions,
  patience: number,
  scenario: Scenario,
  seed: number,
  signal: AbortSignal,
): Promise<Environment> {
  await using cleanup = new AsyncDisposableStack();
  const clock = new TimerWheel();
  const random = new Random(seed);
  const hops = new HopRing(limits.hopBytes);
  const { logger } = options;

  let began = performance.now();
  const took = () => {
    const ms = performance.now() - began;
    began = performance.now();
    return ms;
  };
  const port = options.port || await holdBlock(options.bind, cleanup);
  const api = options.kubeconfig === undefined
    ? await startApi(options, port, clock, random, usesV11(scenario))
    : undefined;
  if (api !== undefined) cleanup.defer(() => api.stop());
  const apiTook = took();

  const access = () =>
    options.kubeconfig === undefined ? tokenKubeConfig((api as ApiServer).access) : loadKubeConfig(options.kubeconfig);
  const hasV11 = usesV11(scenario);
  const settings = { ...scenario.cloudcore, quic: usesQuic(scenario), v11: hasV11 };
  const cloud = options.cloudcore !== undefined
    ? foreignCloud(options.cloudcore)
    : scenario.cloudcore.process
    ? await processCloud(options, port, settings, api as ApiServer, hops, cleanup)
    : await localCloud(options, port, settings, access, clock, random, hops, cleanup);
  cleanup.defer(() => cloud.stop(false));
  await cloud.start();
  const certificates = cloud.certificatesTook;
  const cloudcoreTook = took() - certificates;

  const kube = new KubeClient(access());
  cleanup.defer(() => kube.close());
  const isShared = options.kubeconfig !== undefined;
  const suffix = isShared ? newSuffix() : "";
  const namespace = isShared ? namespaceOf(scenario, suffix) : "default";
  const names = new EdgeNames(scenario, suffix);
  const made: { fleet?: Fleet; namespace?: true } = {};
  cleanup.defer(async () => {
    const { fleet } = made;
    await using ends = new AsyncDisposableStack();
    // Nodes of v1.1 are there before the fleet has an edge.
    const nodes = new Set([
      ...scenario.fleet.flatMap(({ cohort, count = 1 }) =>
        Array.from({ length: count }, (_, i) => edgeName(cohort, i, suffix))
      ),
      ...fleet?.edges().map(({ name }) => name) ?? [],
    ]);
    if (isShared && made.namespace) ends.defer(() => removeNodes(kube, nodes, clock, patience));
    ends.defer(() => fleet?.stop());
    // Pods are deleted while their edges still run: only they can report that the containers have stopped.
    if (made.namespace) ends.defer(() => removeNamespace(kube, namespace, clock, patience));
  });
  if (isShared) {
    await kube.create(resources.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    made.namespace = true;
    await untilFilled(kube, namespace, clock, patience, signal);
  }
  const owners = await followOwners(kube, { clock, random, logger }, cleanup);
  const hub = await cloud.address(kube);
  const legacy = hasV11 ? await cloud.legacyCredentials() : undefined;
  const fleet = made.fleet = new Fleet({
    cohorts: await Promise.all(
      scenario.fleet.map((cohort) =>
        cohortOf(cohort, scenario.position.file, { timeScale: options.timeScale, legacy, isWatched: true })
      ),
    ),
    hub,
    timings: scaledTimings(edgecoreTimings, options.timeScale),
    clock,
    random,
    logger,
    tap: hops,
    suffix,
  });
  await makeNodesOfV11(kube, scenario.fleet, suffix);
  const [devices] = await Promise.all([createDevices(kube, namespace, scenario, {}, suffix), fleet.start()]);
  await untilReady(fleet, devices, clock, READY_MS * patience, signal);
  const times: StartTimes = { api: apiTook, certificates, cloudcore: cloudcoreTook, join: took() };

  const held = cleanup.move();
  const environment: Environment = {
    kube,
    namespace,
    isShared,
    named: (value) => names.named(value),
    fleet,
    hops,
    clock,
    logger,
    seed,
    patience,
    times,
    token: hub.token ?? "",
    csi: cloud.csi,
    owners: (path) => owners.get(path) ?? new Set(),
    metrics: () => cloud.metrics(),
    inspector: () => cloud.inspector(),
    async stopCloudcore(kill = false) {
      if (options.cloudcore !== undefined) {
        throw new StepFailure("this cloudcore is not ours to restart: say needs: [cloudcore-restart]");
      }
      if (kill && !scenario.cloudcore.process) {
        throw new StepFailure("a cloudcore is killed that has a process of its own: say cloudcore: { process: true }");
      }
      await cloud.stop(kill);
    },
    startCloudcore: () => cloud.start(),
    async restartApiserver() {
      if (api === undefined) {
        throw new StepFailure("this API server is not ours to restart: say needs: [apiserver-restart]");
      }
      await api.restart();
    },
    join: (name, how) => {
      const credentials = how.certificateOf === undefined ? undefined : fleet.get(how.certificateOf)?.hub.credentials;
      fleet.add(name, {
        ...(credentials === undefined ? {} : { credentials }),
        ...(how.token === undefined ? {} : { token: how.token }),
      }, how.node);
      return Promise.resolve();
    },
    async stop() {
      await held.disposeAsync();
      return clock.pending === 0 ? [] : [`${clock.pending} timers are still set`];
    },
  };
  return environment;
}

function startApi(
  options: LocalOptions,
  port: number,
  clock: Clock,
  random: Random,
  hasV11: boolean,
): Promise<ApiServer> {
  return ApiServer.start({
    listen: { host: options.bind, port, exact: true },
    clock,
    random: random.stream("apiserver"),
    logger: options.logger,
    seed: hasV11 ? kubeedgeCrdsOfBothEras : kubeedgeCrds,
    timeScale: options.timeScale,
  });
}

/** Every node that a pod or device has been bound to. */
async function followOwners(
  kube: KubeClient,
  environment: InformerDeps,
  cleanup: AsyncDisposableStack,
): Promise<Map<string, Set<string>>> {
  const owners = new Map<string, Set<string>>();
  const informers = [resources.pods, resources.devices].map((resource) => new Informer(kube, resource, environment));
  for (const informer of informers) {
    cleanup.defer(() => informer.stop());
    informer.subscribe(({ object }) => {
      const node = textAt(object, "spec", "nodeName");
      const path = `${object.metadata.namespace}/${informer.resource.kind.toLowerCase()}/${object.metadata.name}`;
      if (node !== "") owners.set(path, (owners.get(path) ?? new Set()).add(node));
    });
  }
  await Promise.all(informers.map((informer) => informer.start()));
  return owners;
}
