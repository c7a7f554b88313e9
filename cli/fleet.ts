// `skep fleet`: simulated edges against a cloudcore that runs elsewhere.
import { basename } from "node:path";
import type { HopRecord } from "../base/hop/hop.ts";
import { pinoLogger } from "../base/log/pino-logger.ts";
import { Random } from "../base/random/random.ts";
import { type Clock, every } from "../base/time/clock.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { type KubeClient } from "../cloud/kube/client.ts";
import { type Cohort, Fleet, fleetLabel, type FleetTotals } from "../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../edge-sim/timings.ts";
import type { ScenarioCohort } from "../scenarios/engine/scenario.ts";
import { UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";
import { interrupted, interruption } from "./interrupt.ts";

export interface FleetFlags extends HubFlags {
  readonly edges?: number;
  readonly prefix?: string;
  readonly cohorts?: string;
  readonly kubeconfig?: string;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const DEFAULT_EDGES = 10;
const DEFAULT_PREFIX = "edge";
/** Where devices are made. */
const NAMESPACE = "default";
/** Milliseconds between two lines of totals. */
const LINE_EVERY_MS = 1000;
/** How often it is looked how late timers are. */
const LAG_EVERY_MS = 50;
/** How long no edge at all may get in before it is called a failure. */
const FIRST_CONNECTION_MS = 30_000;

export async function fleetCommand(flags: FleetFlags): Promise<number> {
  if (flags.cloudcore === undefined) {
    throw new UsageError("--cloudcore HOST[:PORT] is needed: the cloudcore these edges connect to");
  }
  const { signal, code } = interruption();
  const clock = new TimerWheel();
  const written = await writtenCohorts(flags);
  const cohorts = await cohortsOf(written, flags);
  const count = cohorts.reduce((sum, cohort) => sum + cohort.count, 0);
  const hub = await hubAddressOf({ ...flags, cloudcore: flags.cloudcore });
  await using cleanup = new AsyncDisposableStack();
  const kube = flags.kubeconfig === undefined ? undefined : await openCluster(flags.kubeconfig, cleanup);
  const traffic = { up: 0, down: 0 };
  await using fleet = new Fleet({
    cohorts,
    hub,
    tap: ({ hop }: HopRecord) => {
      if (hop === "edge.write") traffic.up++;
      else if (hop === "edge.read") traffic.down++;
    },
    timings: scaledTimings(edgecoreTimings, flags.timeScale ?? 1),
    clock,
    random: new Random(flags.seed ?? 1),
    logger: pinoLogger(flags.verbose ? "debug" : flags.quiet ? "error" : "warn"),
  });
  const people = flags.json ? process.stderr : process.stdout;
  const { isTTY = false } = people;
  let last = "";
  let isReady = false;
  const pace = new Pace(traffic, clock);
  const show = () => {
    const totals = fleet.totals();
    const line = lineOf(totals);
    const text = `${line}${pace.line()}`;
    if (totals.ready === count && !isReady) {
      isReady = true;
      people.write(`${isTTY ? "\r\x1b[2K" : ""}${text}\nready\n`);
      if (flags.json) process.stdout.write(`${JSON.stringify({ ...totals, ready: true })}\n`);
    } else if (isTTY) people.write(`\r\x1b[2K${text}`);
    else if (line !== last && !flags.quiet) people.write(`${text}\n`);
    last = line;
  };
  const timer = every(clock, LINE_EVERY_MS, show);
  const failed = Promise.withResolvers<never>();
  const hopeless = clock.after(FIRST_CONNECTION_MS, () => {
    if (fleet.totals().connections > 0) return;
    const problem = fleet.edges()[0]?.hub.problem ?? "no answer";
    failed.reject(
      new UsageError(`no edge could connect to ${flags.cloudcore} within ${FIRST_CONNECTION_MS / 1000} s: ${problem}`),
    );
  });
  try {
    const made = kube === undefined ? undefined : makeObjects(kube, written, flags.cohorts ?? "");
    await Promise.race([Promise.all([fleet.start(), made]), interrupted(signal), failed.promise]);
    const refusal = fleet.refusal();
    if (refusal !== undefined) {
      throw new UsageError(`the cloudcore at ${flags.cloudcore} refuses the edges: ${refusal}`);
    }
    show();
    await Promise.race([interrupted(signal), failed.promise]);
  } finally {
    timer.cancel();
    hopeless.cancel();
    if (isTTY) people.write("\n");
  }
  return code() ?? 0;
}

/** The cohorts as they are written, each with the label by which `skep clean` finds what they make. */
async function writtenCohorts({ cohorts: file, edges, prefix, quicPort }: FleetFlags): Promise<ScenarioCohort[]> {
  const labelled = (cohort: ScenarioCohort) => ({ ...cohort, labels: { ...cohort.labels, [fleetLabel]: "" } });
  if (file === undefined) {
    return [labelled({
      cohort: prefix ?? DEFAULT_PREFIX,
      count: edges ?? DEFAULT_EDGES,
      transport: quicPort === undefined ? "websocket" : "quic",
    })];
  }
  if (edges !== undefined || prefix !== undefined) {
    throw new UsageError("--cohorts names and counts the edges: leave --edges and --prefix out");
  }
  const { loadCohorts } = await import("../scenarios/engine/parse.ts");
  return (await loadCohorts(file)).map(labelled);
}

/** Rejects with UsageError or StepFailure where they ask for what can't be had with these flags. */
async function cohortsOf(written: readonly ScenarioCohort[], flags: FleetFlags): Promise<Cohort[]> {
  const file = flags.cohorts ?? "";
  for (const { cohort, devices = [], transport } of written) {
    const where = `${basename(file)}: cohort ${cohort}`;
    if (transport === "quic" && flags.quicPort === undefined) {
      throw new UsageError(`${where} comes by QUIC: say the hub's port, --quic-port N`);
    }
    if (flags.kubeconfig === undefined && devices.some((d) => d.perEdge !== undefined || d.reports !== undefined)) {
      throw new UsageError(
        `${where}: its devices (perEdge, reports) are made in the cluster: say --kubeconfig FILE, or leave both out and make them yourself`,
      );
    }
  }
  const { cohortOf } = await import("../scenarios/targets/cohorts.ts");
  return await Promise.all(written.map((cohort) => cohortOf(cohort, file)));
}

async function openCluster(file: string, cleanup: AsyncDisposableStack): Promise<KubeClient> {
  const { KubeClient } = await import("../cloud/kube/client.ts");
  const { loadKubeConfig } = await import("../cloud/kube/kubeconfig.ts");
  const kube = new KubeClient(loadKubeConfig(file));
  cleanup.defer(() => kube.close());
  return kube;
}

/** What edges can't make themselves: the Nodes of those of v1.1, device models and devices. */
async function makeObjects(kube: KubeClient, written: readonly ScenarioCohort[], file: string): Promise<void> {
  const { createDevices } = await import("../scenarios/targets/devices.ts");
  const { makeNodesOfV11 } = await import("../scenarios/targets/cohorts.ts");
  await makeNodesOfV11(kube, written);
  const position = { file, line: 1, column: 1 };
  await createDevices(kube, NAMESPACE, { fleet: written, position }, { [fleetLabel]: "" });
}

/** Messages a second since it was last asked, and how late this process's own timers are. */
class Pace {
  readonly #traffic: { up: number; down: number };
  #before = { up: 0, down: 0, at: performance.now() };
  #lag = 0;

  constructor(traffic: { up: number; down: number }, clock: Clock) {
    this.#traffic = traffic;
    let due = performance.now() + LAG_EVERY_MS;
    every(clock, LAG_EVERY_MS, () => {
      const now = performance.now();
      this.#lag = Math.max(this.#lag, now - due);
      due = now + LAG_EVERY_MS;
    });
  }

  line(): string {
    const at = performance.now();
    const seconds = Math.max(0.001, (at - this.#before.at) / 1000);
    const { down, up } = this.#traffic;
    const each = (now: number, before: number) => Math.round((now - before) / seconds);
    const text = `, ${each(up, this.#before.up)}/s up, ${each(down, this.#before.down)}/s down, lag ${
      Math.round(this.#lag)
    } ms`;
    this.#before = { down, up, at };
    this.#lag = 0;
    return text;
  }
}

function lineOf({ edges, connected, ready, podsRunning, devices, connections }: FleetTotals): string {
  const again = Math.max(0, connections - edges);
  return `${edges} edges: ${connected} connected, ${ready} Ready, ${podsRunning} pods running, ${devices} devices, ${again} reconnects`;
}
