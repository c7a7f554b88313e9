// The target of this machine: our edges, with our cloudcore or another, over the embedded API or a cluster.
import { SkepError } from "../../base/error/skep-error.ts";
import { HopRing } from "../../base/hop/ring.ts";
import { Random } from "../../base/random/random.ts";
import { quicProblem } from "../../base/transport/quic.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { ApiServer } from "../../cloud/apiserver/apiserver.ts";
import { hasCode, KubeClient } from "../../cloud/kube/client.ts";
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
/** Milliseconds, times the patience, for all edges and their devices to be there. */
const READY_MS = 30_000;

/** Milliseconds in which at least one edge must have got in; after that it is an address that is wrong. */
const FIRST_CONNECTION_MS = 30_000;

/** Milliseconds, times the target's patience: until a new namespace has its own objects, and until one that is deleted is gone. */
const NAMESPACE_READY_MS = 2000;
const NAMESPACE_END_MS = 12_000;
const LOOK_MS = 100;

/** A fleet that did not get Ready in time. */
export class NotReadyError extends SkepError {
  readonly code = "SKEP_NOT_READY";
}

/** A cloudcore that no edge can get at. */
export class UnreachableError extends SkepError {
  readonly code = "SKEP_CLOUDCORE_UNREACHABLE";
  constructor(reason: string) {
    super(`no edge could connect to the cloudcore within ${FIRST_CONNECTION_MS / 1000} s: ${reason}`);
  }
}

/** A cloudcore that refuses every edge: with this token or these certificates nothing can be run. */
export class RefusedError extends SkepError {
  readonly code = "SKEP_CLOUDCORE_REFUSES";
  constructor(reason: string) {
    super(`the cloudcore refuses the edges: ${reason}`);
  }
}

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
  const hops = new HopRing(limits.hops);
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
    ? await processCloud(options, port, settings, api as ApiServer, cleanup)
    : await localCloud(options, port, settings, access, clock, random, hops.push, cleanup);
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
    tap: hops.push,
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

/** The name of a scenario's own namespace. */
function namespaceOf(scenario: Scenario, suffix: string): string {
  // No dash before a digit: what looks like the name of an edge would be renamed in texts.
  const slug = scenario.name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/-(?=\d)/g, "").replace(/^-|-$/g, "")
    .slice(0, 30).replace(
      /-$/,
      "",
    );
  return `skep-${slug}${suffix}`;
}

/** Waits for what every cluster puts into a new namespace: pods can be created once that is there. */
async function untilFilled(
  kube: KubeClient,
  name: string,
  clock: Clock,
  patience: number,
  signal: AbortSignal,
): Promise<void> {
  const ofEvery = [
    { resource: resources.serviceaccounts, name: "default" },
    { resource: resources.configmaps, name: "kube-root-ca.crt" },
  ];
  const lacking = async (namespace: string) => {
    const found = await Promise.all(ofEvery.map((ref) => kube.find({ ...ref, namespace })));
    return ofEvery.filter((_, i) => found[i] === undefined);
  };
  // What the namespace `default` lacks this cluster does not make; there nothing waits for it either.
  const never = await lacking("default");
  const deadline = clock.now() + NAMESPACE_READY_MS * patience;
  while (clock.now() < deadline && (await lacking(name)).length > never.length) {
    await sleep(clock, LOOK_MS, signal);
  }
}

/** Deletes it and waits until it is gone; what is left in it after a while is deleted by force. Throws where it stays all the same. */
async function removeNamespace(kube: KubeClient, name: string, clock: Clock, patience: number): Promise<void> {
  const ref = { resource: resources.namespaces, name };
  await ignoringMissing(kube.delete(ref));
  const began = clock.now();
  let isForced = false;
  while (await kube.find(ref) !== undefined) {
    const waited = clock.now() - began;
    if (waited > NAMESPACE_END_MS * patience && !isForced) {
      isForced = true;
      await forceEmpty(kube, name);
    }
    if (waited > 2 * NAMESPACE_END_MS * patience) {
      throw new Error(`the namespace ${name} is still there; kubectl get all -n ${name} shows what holds it`);
    }
    await sleep(clock, LOOK_MS);
  }
}

async function forceEmpty(kube: KubeClient, namespace: string): Promise<void> {
  for (const resource of [resources.pods, resources.devices, resources.devicemodels]) {
    for (const { metadata: { finalizers, name } } of (await kube.list(resource, { namespace })).items) {
      const ref = { resource, namespace, name };
      if (finalizers !== undefined) await ignoringMissing(kube.patch(ref, "merge", { metadata: { finalizers: null } }));
      await ignoringMissing(kube.delete(ref, { gracePeriodSeconds: 0 }));
    }
  }
}

/** The next scenario may have nodes of the same names: they must be gone. */
async function removeNodes(kube: KubeClient, names: Iterable<string>, clock: Clock, patience: number): Promise<void> {
  const refs = [...names].map((name) => ({ resource: resources.nodes, name }));
  await Promise.all(refs.map((ref) => ignoringMissing(kube.delete(ref))));
  const deadline = clock.now() + NAMESPACE_END_MS * patience;
  while ((await Promise.all(refs.map((ref) => kube.find(ref)))).some((node) => node !== undefined)) {
    if (clock.now() > deadline) throw new Error("Nodes of this scenario are still there");
    await sleep(clock, LOOK_MS);
  }
}

async function ignoringMissing(call: Promise<unknown>): Promise<void> {
  await call.catch((error) => {
    if (!hasCode(error, 404)) throw error;
  });
}

/** Every node a pod or device has ever been bound to. */
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

async function untilReady(
  fleet: Fleet,
  devices: ReadonlyMap<string, number>,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const began = clock.now();
  const deadline = began + ms;
  for (;;) {
    const late = fleet.edges().filter((edge) => !edge.isReady || edge.devices.size < (devices.get(edge.name) ?? 0));
    if (late.length === 0) return;
    signal.throwIfAborted();
    const refusal = fleet.refusal();
    if (refusal !== undefined) throw new RefusedError(refusal);
    const { problem } = fleet;
    const isUnreachable = fleet.totals().connections === 0 && clock.now() - began > FIRST_CONNECTION_MS;
    if (isUnreachable && problem !== undefined) throw new UnreachableError(problem);
    if (clock.now() > deadline) {
      const [edge] = late;
      const why = edge?.hub.problem ?? (edge?.isReady ? "its devices have not arrived" : "its Node is not registered");
      throw new NotReadyError(
        `${late.length} of ${fleet.edges().length} edges were not ready within ${ms} ms; ${edge?.name}: ${why}`,
      );
    }
    await sleep(clock, 5, signal);
  }
}
