// The target of this machine: our edges, with our cloudcore or another, over the embedded API or a cluster.
import { tapTo } from "../../base/hop/hop.ts";
import { HopRing } from "../../base/hop/ring.ts";
import { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import { SteppedClock } from "../../base/time/stepped-clock.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { ApiServer } from "../../cloud/apiserver/apiserver.ts";
import { SPARED_AGENT } from "../../cloud/apiserver/http/faults.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { Informer, type InformerDeps } from "../../cloud/kube/informer.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeName, Fleet } from "../../edge-sim/fleet/fleet.ts";
import { kubeedgeCrds, kubeedgeCrdsOfBothEras } from "../../protocol/apis/crds.ts";
import { textAt } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import type { Scenario } from "../model/scenario.ts";
import { usesQuic, usesV11 } from "../cohorts/cohort.ts";
import { StepFailure } from "../model/step-failure.ts";
import type { LocalOptions } from "./local-options.ts";
import { foreignCloud, localCloud, noReplica, processCloud } from "./clouds.ts";
import { cohortOf, makeNodesOfV11 } from "../cohorts/fleet-cohort.ts";
import { createDevices } from "../cohorts/devices.ts";
import { chooseNodes, withNodeNames } from "./existing-nodes.ts";
import { EdgeNames, newSuffix } from "./own-names.ts";
import { edgeTimingsOf } from "./timings.ts";
import { standingReplicas, traitsOf } from "./traits.ts";
import { type Standing, StandingParts } from "./standing.ts";
import { namespaceOf, removeNamespace, removeNodes, untilFilled } from "./shared-cluster.ts";
import { devicesHeld, READY_MS, untilReady } from "./readiness.ts";
import { holdBlock } from "./ports.ts";
import { KeptObjects } from "../model/kept-objects.ts";
import { newRun, runLabel } from "../model/run-label.ts";
import { usedBy } from "../model/uses.ts";
import type { Target } from "../model/target.ts";
import type { Environment, StartTimes } from "../model/environment.ts";

/** Worlds at the same time, where each scenario has one of its own. */
const OWN_WORLDS = 4;

/** A target of this machine, as its options describe it. */
export function localTarget(options: LocalOptions): Target {
  const traits = traitsOf(options);
  const parts = new StandingParts(options);
  const run = options.run ?? newRun();
  return {
    ...traits,
    timeScale: options.timeScale,
    ...(options.nodes === undefined
      ? {}
      : { cohort: Object.keys(options.nodes).find((name) => name !== "*") ?? "check" }),
    // Scenarios wait far more than they work.
    parallel: parts.isNeeded || (options.port ?? 0) !== 0 ? 1 : OWN_WORLDS,
    run,
    async open(scenario, seed, signal) {
      const standing = parts.isNeeded ? await parts.get() : undefined;
      return await openEnvironment({ ...options, run }, traits, standing, scenario, seed, signal);
    },
    close: () => parts.close(),
  };
}

async function openEnvironment(
  options: LocalOptions & { readonly run: string },
  { capabilities, patience }: ReturnType<typeof traitsOf>,
  standing: Standing | undefined,
  scenario: Scenario,
  seed: number,
  signal: AbortSignal,
): Promise<Environment> {
  await using cleanup = new AsyncDisposableStack();
  const clock = new TimerWheel();
  // Each machine of a cluster has its own.
  const clocks = { apiserver: new SteppedClock(clock), cloudcore: new SteppedClock(clock) };
  const edgeClocks = new Map<string, SteppedClock>();
  // What happened is told by one clock, however wrong those are that it happened by.
  let isStepped = false;
  const tap = tapTo((hop) => hops.push(isStepped ? { ...hop, time: clock.now() } : hop));
  const random = new Random(seed);
  const hops = new HopRing(options.hopBytes ?? limits.hopBytes);
  const { logger } = options;

  let began = performance.now();
  const took = () => {
    const ms = performance.now() - began;
    began = performance.now();
    return ms;
  };
  const port = options.port || await holdBlock(options.bind, cleanup);
  const own = standing === undefined
    ? await startApi(options, port, clocks.apiserver, random, usesV11(scenario))
    : undefined;
  if (own !== undefined) cleanup.defer(() => own.stop());
  const api = own ?? standing?.api;
  const apiTook = took();

  const access = () => standing?.kubeconfig() ?? tokenKubeConfig((own as ApiServer).access);
  const kube = new KubeClient(access(), undefined, { "user-agent": SPARED_AGENT });
  cleanup.defer(() => kube.close());
  const isShared = standing !== undefined;
  const suffix = isShared ? options.suffix?.() ?? newSuffix() : "";
  const labels = isShared ? { [runLabel]: options.run } : {};
  const namespace = isShared ? namespaceOf(scenario, suffix) : "default";
  const names = new EdgeNames(scenario, suffix);
  const existing = options.nodes === undefined ? undefined : await chooseNodes(kube, scenario, options.nodes);
  const nodeNameOf = (cohort: string, i: number) => existing?.get(edgeName(cohort, i)) ?? edgeName(cohort, i, suffix);
  // The Nodes that come with the scenario, and go with it.
  const nodes = new Set(
    existing !== undefined
      ? []
      : scenario.fleet.flatMap(({ cohort, count = 1 }) =>
        Array.from({ length: count }, (_, i) => nodeNameOf(cohort, i))
      ),
  );
  const kept = isShared ? new KeptObjects(kube, options.run) : undefined;
  // Before anything is changed.
  await Promise.all([...nodes].map((name) => kept?.refuseForeign({ resource: resources.nodes, name })));
  const hasV11 = usesV11(scenario);
  const settings = { ...scenario.cloudcore, quic: usesQuic(scenario), v11: hasV11 };
  const { cloudcore = { runs: "here" } } = options;
  const isProcess = cloudcore.runs === "process" || scenario.cloudcore.process === true;
  const replicas = standing?.cloud === undefined ? scenario.cloudcore.replicas ?? 1 : standingReplicas(cloudcore);
  const { replicas: wanted = 1 } = scenario.cloudcore;
  if (wanted > replicas) {
    throw new StepFailure(
      `${wanted} cloudcores are wanted, and this target has ${replicas}: say so with its cloudcore`,
    );
  }
  const makeCloud = (at: number) =>
    isProcess
      ? processCloud(options, at, settings, standing?.kubeconfigFile ?? (own as ApiServer).access, hops, cleanup)
      : localCloud(options, at, settings, access, clocks.cloudcore, random, tap, cleanup);
  const cloud = standing?.cloud ??
    (cloudcore.runs === "elsewhere"
      ? foreignCloud(cloudcore.address)
      : replicas > 1
      ? await (await import("./replicas.ts")).replicatedCloud(
        makeCloud,
        replicas,
        { bind: options.bind, port },
        cleanup,
      )
      : await makeCloud(port));
  const isStanding = standing?.cloud !== undefined;
  const refuseOther = (replica = 0) => {
    if (replicas === 1 && replica > 0) throw new StepFailure(noReplica(replica, replicas));
  };
  if (!isStanding) cleanup.defer(() => cloud.stop(false));
  // The one that all scenarios share is back for the next, however this one ends.
  else {
    cleanup.defer(async () => {
      if (!signal.aborted) await cloud.start();
    });
  }
  await cloud.start();
  const certificates = cloud.certificatesTook;
  const cloudcoreTook = took() - certificates;

  const made: { fleet?: Fleet; edgecores?: AsyncDisposableStack; namespace?: true } = {};
  cleanup.defer(async () => {
    const { fleet } = made;
    await using ends = new AsyncDisposableStack();
    // Nodes of v1.1 are there before the fleet has an edge; others have joined since.
    const all = new Set([...nodes, ...fleet?.edges().map(({ name }) => name) ?? []]);
    if (isShared && made.namespace) {
      ends.defer(() => removeNodes(kube, all, clock, patience));
      ends.defer(() => kept?.remove());
    }
    ends.defer(() => fleet?.stop());
    ends.defer(() => made.edgecores?.disposeAsync());
    // Pods are deleted while their edges still run: only they can report that the containers have stopped. After an interruption there is little time.
    if (made.namespace) ends.defer(() => removeNamespace(kube, namespace, clock, signal.aborted ? 1 : patience));
  });
  if (isShared) {
    await kube.create(resources.namespaces, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace, labels },
    });
    made.namespace = true;
    await untilFilled(kube, namespace, clock, patience, signal);
  }
  const owners = await followOwners(kube, { clock, random, logger }, cleanup);
  const hub = await cloud.address(kube);
  const legacy = hasV11 ? await cloud.legacyCredentials() : undefined;
  const fleet = made.fleet = new Fleet({
    cohorts: await Promise.all(
      (existing === undefined && options.edgecore === undefined ? scenario.fleet : []).map((cohort) =>
        cohortOf(cohort, scenario.position.file, { timeScale: options.timeScale, legacy, isWatched: true })
      ),
    ),
    hub,
    timings: edgeTimingsOf(options),
    clock,
    clockOf(name) {
      const own = new SteppedClock(clock);
      edgeClocks.set(name, own);
      return own;
    },
    random,
    logger,
    tap,
    suffix,
    labels,
  });
  await makeNodesOfV11(kube, scenario.fleet, suffix, labels);
  const make = () => createDevices(kube, namespace, scenario, labels, nodeNameOf);
  const ready = (devices: ReadonlyMap<string, number>, devicesOf?: typeof devicesHeld) =>
    untilReady(fleet, devices, clock, READY_MS * patience, signal, devicesOf);
  const isOfOthers = cloudcore.runs !== "here" && cloudcore.runs !== "process";
  if (options.edgecore !== undefined) {
    made.edgecores = new AsyncDisposableStack();
    const { startEdgecores } = await import("./edgecores.ts");
    const cohortLabels = new Map(
      scenario.fleet.flatMap(({ cohort, count = 1, labels = {} }) =>
        Array.from({ length: count }, (_, i) => [nodeNameOf(cohort, i), labels] as const)
      ),
    );
    await startEdgecores({
      choice: options.edgecore,
      hub,
      nodes: new Map([...cohortLabels].map(([name, own]) => [name, { ...own, ...labels }])),
      kube,
      clock,
      within: READY_MS * patience,
      signal,
    }, made.edgecores);
    await make();
  } else if (existing !== undefined) await make();
  else if (isOfOthers) {
    // KubeEdge's cloudcore forgets a device that is made before its edge is connected.
    await fleet.start();
    await ready(new Map());
    await ready(await make(), devicesHeld);
  } else {
    const [devices] = await Promise.all([make(), fleet.start()]);
    await ready(devices);
  }
  const times: StartTimes = { api: apiTook, certificates, cloudcore: cloudcoreTook, join: took() };

  const held = cleanup.move();
  const environment: Environment = {
    kube,
    namespace,
    capabilities,
    isShared,
    labels,
    kept,
    named: (value) => existing === undefined ? names.named(value) : withNodeNames(value, existing),
    namesWhole: existing !== undefined,
    edgesOf: (cohort) =>
      existing === undefined && options.edgecore === undefined
        ? fleet.cohort(cohort).map(({ name }) => name)
        : Array.from({ length: scenario.fleet.find((each) => each.cohort === cohort)?.count ?? 0 }, (_, i) =>
          nodeNameOf(cohort, i)),
    fleet,
    hops,
    clock,
    logger,
    seed,
    cloudcores: replicas,
    timeScale: options.timeScale,
    patience,
    times,
    token: hub.token ?? "",
    csi: cloud.csi,
    owners: (path) => owners.get(path) ?? new Set(),
    metrics: () => cloud.metrics(),
    inspector: () => cloud.inspector(),
    freezeCloudcore(isFrozen, replica) {
      refuseOther(replica);
      if (cloud.freeze === undefined) {
        throw new StepFailure("a cloudcore is frozen that has a process of its own: say cloudcore: { process: true }");
      }
      cloud.freeze(isFrozen, replica);
    },
    async stopCloudcore(kill = false, replica) {
      refuseOther(replica);
      if (cloudcore.runs === "elsewhere") {
        throw new StepFailure("this cloudcore is not ours to restart: say needs: [cloudcore-restart]");
      }
      if (kill && !isProcess && !isStanding) {
        throw new StepFailure("a cloudcore is killed that has a process of its own: say cloudcore: { process: true }");
      }
      await cloud.stop(kill, replica);
    },
    startCloudcore: (replica) => cloud.start(replica),
    async restartApiserver() {
      if (api === undefined) {
        throw new StepFailure("this API server is not ours to restart: say needs: [apiserver-restart]");
      }
      await api.restart();
    },
    disturbApiserver(fault) {
      if (api === undefined) {
        throw new StepFailure("this API server is not ours to disturb: say needs: [apiserver-faults]");
      }
      return api.faults.disturb(fault);
    },
    stepClock(whose, by) {
      isStepped = true;
      if (typeof whose === "object") {
        const edge = edgeClocks.get(whose.edge);
        if (edge === undefined) throw new StepFailure(`there is no edge "${whose.edge}" whose clock could be set`);
        return edge.step(by);
      }
      if (!capabilities.has("clock-steps") || whose === "cloudcore" && isProcess) {
        throw new StepFailure(`the clock of this ${whose} is not ours to set: say needs: [clock-steps]`);
      }
      clocks[whose].step(by);
    },
    async join(name, how) {
      await kept?.refuseForeign({ resource: resources.nodes, name: how.node ?? name });
      const credentials = how.certificateOf === undefined ? undefined : fleet.get(how.certificateOf)?.hub.credentials;
      fleet.add(name, {
        ...(credentials === undefined ? {} : { credentials }),
        ...(how.token === undefined ? {} : { token: how.token }),
      }, how.node);
    },
    async stop() {
      // What is removed now must not meet what was wrong on purpose; an API that scenarios share is well again for the next.
      api?.faults.heal();
      for (const { link } of fleet.edges()) link.heal();
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

/** Every node that a pod or device has been bound to, or that has needed an object for one. */
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
      if (node === "") return;
      const path = `${object.metadata.namespace}/${informer.resource.kind.toLowerCase()}/${object.metadata.name}`;
      const used = usedBy({ ...object, kind: informer.resource.kind });
      for (const each of [path, ...used]) owners.set(each, (owners.get(each) ?? new Set()).add(node));
    });
  }
  await Promise.all(informers.map((informer) => informer.start()));
  return owners;
}
