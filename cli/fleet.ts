// `skep fleet`: simulated edges against a cloudcore that runs elsewhere, in this process or spread over several.
import { join } from "node:path";
import type { HopRing } from "../base/hop/ring.ts";
import { type Logger, silentLogger } from "../base/log/logger.ts";
import { selfCommand } from "../base/process/self-command.ts";
import { Random } from "../base/random/random.ts";
import { type Clock, every } from "../base/time/clock.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import type { KubeClient } from "../cloud/kube/client.ts";
import { type Cohort, Fleet } from "../edge-sim/fleet/fleet.ts";
import { machineOf, processesFor } from "../edge-sim/fleet/machine.ts";
import { type FleetReport, FleetWorkers } from "../edge-sim/fleet/workers.ts";
import type { StoreFile } from "../edge-sim/metamanager/store-file.ts";
import { edgecoreTimings, scaledTimings } from "../edge-sim/timings/timings.ts";
import type { ScenarioCohort } from "../scenarios/cohorts/cohort.ts";
import { limits } from "../protocol/limits.ts";
import { consoleFile } from "../scenarios/console/console.ts";
import { EdgeActions } from "../scenarios/tap/actions.ts";
import { LocalSource } from "../scenarios/tap/local.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import type { TapSource } from "../scenarios/tap/source.ts";
import { UsageError } from "./failure.ts";
import { ringOf } from "./ring.ts";
import { makeObjects, refuseCohorts, writtenCohorts } from "./fleet-cohorts.ts";
import type { FleetFlags } from "./fleet-flags.ts";
import { refuseSpread, spreadLine } from "./fleet-spread.ts";
import { lagOf } from "../base/time/timer-lag.ts";
import { FleetLine } from "./fleet-line.ts";
import { hubAddressOf } from "./hub-address.ts";
import { loggerOf } from "./log.ts";
import { interrupted, interruption } from "./interrupt.ts";

/** Edges that run, here or in other processes. */
interface RunningFleet extends AsyncDisposable {
  /** Rejects where they can't be started; does not settle otherwise. */
  readonly failed: Promise<never>;
  report(): FleetReport | undefined;
  /** What can be asked of the edges of this process. */
  readonly source: TapSource;
  /** The edges of this process, where they are here. */
  readonly fleet?: Fleet;
  /** Processes that have the edges, where they are not here. */
  readonly pids: readonly number[];
}

/** Milliseconds between two lines of totals. */
const LINE_EVERY_MS = 1000;
/** Edges up to which messages are kept without being asked for. */
const MOST_TAPPED = 1000;
/** Milliseconds without any connected edge after which the fleet fails. */
const FIRST_CONNECTION_MS = 30_000;

export async function fleetCommand(flags: FleetFlags): Promise<number> {
  if (flags.cloudcore === undefined) {
    throw new UsageError("--cloudcore HOST[:PORT] is needed: the cloudcore these edges connect to");
  }
  const { signal, code } = interruption();
  const clock = new TimerWheel();
  const written = await writtenCohorts(flags);
  // A worker process leaves one-time checks and the objects in the cluster to its parent.
  const isPart = process.env.SKEP_PARENT !== undefined;
  if (!isPart) refuseCohorts(written, flags);
  const { cohorts: file = "", processes, shard } = flags;
  const machine = await machineOf();
  const edges = written.reduce((sum, { count = 1 }) => sum + count, 0);
  const mine = shard === undefined ? edges : Math.ceil((edges - shard.index) / shard.of);
  const spread = shard === undefined ? Math.min(edges, processes ?? processesFor(edges, machine)) : 1;
  refuseSpread(mine, spread, machine);
  await using cleanup = new AsyncDisposableStack();
  // Of shards on several machines the first one creates the objects.
  const makesObjects = !isPart && (shard?.index ?? 0) === 0;
  const kube = flags.kubeconfig === undefined || !makesObjects
    ? undefined
    : await openCluster(flags.kubeconfig, cleanup);
  const line = new FleetLine(flags, mine, shard !== undefined);
  const ring = ringOf(flags.tap ?? (isPart || edges > MOST_TAPPED ? "off" : limits.servedHopBytes));
  if (spread > 1 || edges > 1000) line.say(spreadLine(edges, spread, machine));
  await using fleet = spread === 1
    ? await fleetHere(flags, written, clock, line, ring)
    : fleetElsewhere(flags, spread, line);
  // It may fail before anybody waits for it.
  fleet.failed.catch(() => {});
  await using tap = await serveTap({
    what: "fleet",
    listen: { host: "127.0.0.1", port: isPart ? 0 : 9440, exact: false },
    ring,
    source: fleet.source,
    logger: silentLogger,
    ...(fleet.fleet === undefined ? {} : { actions: new EdgeActions(fleet.fleet, clock, signal) }),
    file: consoleFile,
  });
  for (const pid of fleet.pids) void tap.join(pid);
  if (!isPart && !flags.json) line.say(`console: ${tap.url} (\`skep tap --console\` prints it with its token)`);
  const judged = Promise.withResolvers<never>();
  const began = performance.now();
  const update = () => {
    const report = fleet.report();
    line.show(report);
    // A worker reports its totals; the parent process judges them.
    const why = isPart || mine === 0
      ? undefined
      : hopeless(report, performance.now() - began, flags.cloudcore as string);
    if (why !== undefined) judged.reject(new UsageError(why));
  };
  const timer = every(clock, LINE_EVERY_MS, update);
  try {
    const made = kube === undefined ? Promise.resolve() : makeObjects(kube, written, file);
    await Promise.race([interrupted(signal), fleet.failed, judged.promise, failureOf(made)]);
  } finally {
    timer.cancel();
    line.end();
  }
  return code() ?? 0;
}

/** Rejects when `promise` rejects and never resolves: for `Promise.race`, where only a failure may win. */
function failureOf(promise: Promise<unknown>): Promise<never> {
  return promise.then(() => new Promise<never>(() => {}));
}

/** Why the fleet can't succeed any more; undefined while it still can. */
function hopeless(report: FleetReport | undefined, ms: number, cloudcore: string): string | undefined {
  if (report?.refusal !== undefined) return `the cloudcore at ${cloudcore} refuses the edges: ${report.refusal}`;
  if (ms < FIRST_CONNECTION_MS || (report?.connections ?? 0) > 0) return undefined;
  const problem = report?.problem ?? "no answer";
  return `no edge could connect to ${cloudcore} within ${FIRST_CONNECTION_MS / 1000} s: ${problem}`;
}

/** All of them in this process. Rejects with UsageError or StepFailure where that can't be. */
async function fleetHere(
  flags: FleetFlags,
  written: readonly ScenarioCohort[],
  clock: Clock,
  line: FleetLine,
  ring: HopRing,
): Promise<RunningFleet> {
  const { rate, shard } = flags;
  const { cohortOf } = await import("../scenarios/cohorts/fleet-cohort.ts");
  const cohorts: Cohort[] = await Promise.all(
    written.map((cohort) => cohortOf(cohort, flags.cohorts ?? "", { timeScale: flags.timeScale ?? 1 })),
  );
  const { logger, logs } = loggerOf(flags, "warn");
  const rows = flags.data === undefined ? undefined : await storeIn(flags.data, logger);
  const fleet = new Fleet({
    cohorts,
    hub: await hubAddressOf({ ...flags, cloudcore: flags.cloudcore as string }, flags.kubeconfig),
    timings: scaledTimings(edgecoreTimings, flags.timeScale ?? 1),
    clock,
    random: new Random(flags.seed ?? 1),
    logger,
    tap: ring,
    ...(rows === undefined ? {} : { rows }),
    ...(shard === undefined ? {} : { shard }),
    ...(rate === undefined ? {} : { rate: rate / (shard?.of ?? 1) }),
  });
  const lag = lagOf(clock);
  const started = fleet.start().then(() => {
    for (const { endpoints, name } of fleet.edges()) {
      if (endpoints.length > 0) line.say(`${name}: ${endpoints.join(", ")}`);
    }
  });
  return {
    failed: failureOf(started),
    report: () => {
      const refusal = fleet.refusal();
      const { problem } = fleet;
      return {
        ...fleet.totals(),
        lag: lag(),
        ...(refusal === undefined ? {} : { refusal }),
        ...(problem === undefined ? {} : { problem }),
      };
    },
    source: new LocalSource({
      edges: () => fleet.edges(),
      edge: (name) => fleet.get(name),
      gauges: () => ({ ...fleet.totals() }),
      logs,
    }),
    fleet,
    pids: [],
    async [Symbol.asyncDispose]() {
      await fleet.stop();
      rows?.close();
    },
  };
}

/** All processes of a fleet have the same file. */
async function storeIn(folder: string, logger: Logger): Promise<StoreFile> {
  const { StoreFile } = await import("../edge-sim/metamanager/store-file.ts");
  return await StoreFile.open(join(folder, "edges.db"), ({ message }) => logger.error(message));
}

/** Starts the edges in worker processes; each runs this command for one shard. */
function fleetElsewhere(flags: FleetFlags, count: number, line: FleetLine): RunningFleet {
  const { token } = flags;
  const workers = new FleetWorkers({
    count,
    command: (index) => [...selfCommand(), "fleet", "--shard", `${index}/${count}`, "--json", ...handedOn(flags)],
    // Other users of this machine see arguments.
    env: token === undefined ? {} : { SKEP_TOKEN: token },
    onLine: (text) => line.say(text),
  });
  workers.start();
  return {
    failed: workers.failed.catch((error: Error) => {
      throw new UsageError(error.message);
    }),
    report: () => workers.report(),
    source: new LocalSource({}),
    pids: workers.pids,
    [Symbol.asyncDispose]: () => workers.stop(),
  };
}

/** The flags that each of several processes is started with. */
function handedOn(flags: FleetFlags): string[] {
  const given = {
    cloudcore: flags.cloudcore,
    "enrolment-port": flags.enrolmentPort,
    "quic-port": flags.quicPort,
    certs: flags.token === undefined ? flags.certs : undefined,
    // For its CA alone.
    kubeconfig: flags.token === undefined && flags.certs === undefined ? flags.kubeconfig : undefined,
    edges: flags.edges,
    prefix: flags.prefix,
    cohorts: flags.cohorts,
    rate: flags.rate,
    data: flags.data,
    tap: flags.tap === undefined ? undefined : "off",
    seed: flags.seed,
    "time-scale": flags.timeScale,
  };
  const valued = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)]
  );
  const labels = Object.entries(flags.label ?? {}).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
  return [...valued, ...labels, ...(flags.quiet ? ["--quiet"] : []), ...(flags.verbose ? ["--verbose"] : [])];
}

async function openCluster(file: string, cleanup: AsyncDisposableStack): Promise<KubeClient> {
  const { KubeClient } = await import("../cloud/kube/client.ts");
  const { loadKubeConfig } = await import("../cloud/kube/kubeconfig.ts");
  const kube = new KubeClient(loadKubeConfig(file));
  cleanup.defer(() => kube.close());
  return kube;
}
