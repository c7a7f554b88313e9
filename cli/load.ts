// `skep load`: a load profile against a cloudcore, with a plan before, a line while it runs, and a report.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { reasonOf } from "../base/log/logger.ts";
import { Random } from "../base/random/random.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { hubsFor, machineOf, processesFor, sourceAddressesFor } from "../edge-sim/fleet/machine.ts";
import { milliseconds } from "../scenarios/files/duration.ts";
import type { HubAddress } from "../edge-sim/edgehub/hub-address.ts";
import { EdgeProcesses } from "../scenarios/load/edge-processes.ts";
import { compare, incomparable, readResult } from "../scenarios/load/compare.ts";
import { type Searched, searchLimit, whyBroken } from "../scenarios/load/limit.ts";
import { resultLines } from "../scenarios/load/lines.ts";
import { loadProfile } from "../scenarios/load/find.ts";
import { overridden } from "../scenarios/load/overrides.ts";
import { availableMemory, planLines, planOf, refusePlan, TooLargeError } from "../scenarios/load/plan.ts";
import { edgesOf, type LoadProfile } from "../scenarios/load/profile.ts";
import { LoadMetrics } from "../scenarios/load/prometheus.ts";
import type { LoadResult } from "../scenarios/load/result.ts";
import { LoadError, type LoadProgress, runLoad } from "../scenarios/load/run.ts";
import { prepare } from "../scenarios/load/setup.ts";
import { openTarget } from "../scenarios/load/target.ts";
import { versionsOf } from "../scenarios/model/versions.ts";
import { exitCodes, UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";
import { silentLogger } from "../base/log/logger.ts";
import { consoleFile } from "../scenarios/console/console.ts";
import { LocalSource } from "../scenarios/tap/local.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import { interruption } from "./interrupt.ts";
import { LoadView } from "./load-view.ts";
import { ringOf } from "./ring.ts";
import { LoadLine } from "./load-line.ts";
import { prepareReports } from "./reports.ts";

export interface LoadFlags extends HubFlags {
  readonly kubeconfig?: string;
  readonly edges?: number;
  readonly duration?: string;
  readonly rate?: number;
  readonly scale?: number;
  readonly processes?: number;
  readonly hubs?: number;
  readonly sourceAddress?: readonly string[];
  readonly pid?: Readonly<Record<string, number>>;
  readonly compare?: string;
  readonly metricsPort?: number;
  readonly rampToLimit?: Searched;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly takeOver?: boolean;
  readonly report: string;
  readonly json?: boolean;
  readonly bind: string;
  readonly port?: number;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
}

/** Edges, and operations a second, that a search for the limit never goes beyond. */
const MOST: Readonly<Record<Searched, number>> = { edges: 100_000, rate: 100_000 };

export async function loadCommand(name: string, flags: LoadFlags): Promise<number> {
  const { code, signal } = interruption();
  const { cloudcore, kubeconfig } = flags;
  if (cloudcore !== undefined && kubeconfig === undefined) {
    throw new UsageError("--cloudcore needs --kubeconfig too: load is made in the API that this cloudcore works on");
  }
  if (cloudcore !== undefined && flags.hubs !== undefined) {
    throw new UsageError("--hubs is for cloudcores that skep starts; --cloudcore names one that runs");
  }
  const hub = cloudcore === undefined ? undefined : await hubAddressOf({ ...flags, cloudcore });
  if (hub !== undefined && hub.token === undefined) {
    throw new UsageError("edges of a load run enrol with a token: say --token T, or set SKEP_TOKEN");
  }
  const before = flags.compare === undefined ? undefined : await readResult(flags.compare);
  const profile = overridden(await loadProfile(name), {
    ...(flags.edges === undefined ? {} : { edges: flags.edges }),
    ...(flags.duration === undefined ? {} : { duration: durationOf(flags.duration) }),
    ...(flags.rate === undefined ? {} : { rate: flags.rate }),
    ...(flags.scale === undefined ? {} : { scale: flags.scale }),
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
  });
  const line = new LoadLine(flags);
  if (!flags.dryRun) await prepareReports(flags.report);
  await using metrics = flags.metricsPort === undefined ? undefined : new LoadMetrics();
  if (metrics !== undefined) {
    const port = await metrics.start(flags.bind, flags.metricsPort as number);
    line.say(`metrics: http://${flags.bind}:${port}/metrics`);
  }
  const view = new LoadView();
  const progress: LoadProgress = {
    say(text) {
      line.say(text);
      view.say(text);
    },
    sampled(sample, phase) {
      view.sampled(sample, phase);
      line.sampled(sample, phase);
      metrics?.show(sample);
    },
  };
  const once = (one: LoadProfile) => runOnce(one, { flags, hub, line, progress, signal, view });
  if (flags.rampToLimit !== undefined) return await limitOf(profile, flags.rampToLimit, { code, flags, line, once });
  const result = await once(profile);
  if (result === undefined) return exitCodes.passed;
  for (const text of resultLines(result)) line.tell(text);
  const isWorse = before !== undefined && tellComparison(before, result, line);
  line.tell(await writeReports(flags.report, result));
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  return code() ?? (isWorse ? exitCodes.crossed : exitCodeOf(result));
}

/** What a run is made with, beside its profile. */
interface Around {
  readonly flags: LoadFlags;
  readonly hub: HubAddress | undefined;
  readonly line: LoadLine;
  readonly progress: LoadProgress;
  readonly view: LoadView;
  readonly signal: AbortSignal;
}

/** One run against a target of its own; undefined where it is only to be said what it would do. */
async function runOnce(
  profile: LoadProfile,
  { flags, hub, line, progress, signal, view }: Around,
): Promise<LoadResult | undefined> {
  const { kubeconfig } = flags;
  const run = randomBytes(4).toString("hex");
  const prepared = await prepare(profile, run);
  const machine = await machineOf();
  const edges = edgesOf(profile);
  const hubs = Math.min(edges, hub === undefined ? flags.hubs ?? hubsFor(edges, machine) : 1);
  // Each process has a hub: as many edges connect to each.
  const processes = Math.min(edges, Math.ceil((flags.processes ?? processesFor(edges, machine)) / hubs) * hubs);
  const host = hub?.host ?? flags.bind;
  const sourceAddresses = flags.sourceAddress ?? sourceAddressesFor(Math.ceil(edges / hubs), host, machine);
  const timeScale = flags.timeScale ?? 1;
  const plan = planOf(
    profile,
    prepared,
    { processes, hubs, sourceAddresses: sourceAddresses.length },
    timeScale,
    kubeconfig === undefined,
  );
  const lines = planLines(plan, profile);
  line.say(`skep: ${profile.name}`);
  for (const text of lines) line.say(`  ${text}`);
  refusePlan(plan, machine, await availableMemory());
  if (flags.dryRun) return undefined;
  await using tap = await serveTap({
    what: "load",
    listen: { host: "127.0.0.1", port: 9440, exact: false },
    ring: ringOf("off"),
    source: new LocalSource({ gauges: () => view.latest }),
    logger: silentLogger,
    run: view.of(profile.name),
    file: consoleFile,
  });
  line.say(`console: ${tap.url} (\`skep tap --console\` prints it with its token)`);
  // They load their modules while the target starts.
  await using edgeProcesses = new EdgeProcesses(profile.fleet, processes);
  await using target = await openTarget({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(hub === undefined ? {} : { cloudcore: hub }),
    pids: flags.pid ?? {},
    restarts: profile.phases.flatMap(({ restart }) => restart ?? []),
    timeScale,
    bind: flags.bind,
    ...(flags.port === undefined ? {} : { port: flags.port }),
    edges,
    hubs,
    takeOver: flags.takeOver === true,
    started: (pid) => void tap.join(pid),
  }, signal);
  for (const pid of edgeProcesses.pids) void tap.join(pid);
  line.say(`against ${target.name}`);
  const result = await runLoad({
    profile,
    prepared,
    target,
    edges: edgeProcesses,
    run,
    processes,
    sourceAddresses,
    plan: lines,
    versions: versionsOf(),
    timeScale,
    clock: new TimerWheel(),
    random: new Random(profile.seed),
    signal,
    progress,
  });
  line.end();
  return result;
}

/** Tells how a run compares with an earlier one; true where it is worse. */
function tellComparison(before: LoadResult, now: LoadResult, line: LoadLine): boolean {
  const why = incomparable(before, now);
  if (why !== undefined) throw new UsageError(`--compare: the earlier run can't be compared with this one: ${why}`);
  const found = compare(before, now);
  const worse = found.filter(({ isWorse }) => isWorse);
  line.tell(`compared with the run of ${new Date(before.startedAt).toISOString().slice(0, 16)}:`);
  for (const { before: was, isWorse, now: is, ratio, what } of found) {
    if (isWorse || line.isTalkative) {
      line.tell(`${isWorse ? "✗" : "✓"} ${what}   ${round(was)} → ${round(is)}, ${ratio.toFixed(2)} times`);
    }
  }
  line.tell(worse.length === 0 ? "no number is worse" : `${worse.length} numbers are worse`);
  return worse.length > 0;
}

const round = (value: number) => value >= 1e6 ? `${Math.round(value / 1e6)} MB` : String(Math.round(value * 100) / 100);

/** Makes larger and larger runs until one breaks, and tells the limit. */
async function limitOf(
  profile: LoadProfile,
  searched: Searched,
  { code, flags, line, once }: {
    readonly code: () => number | undefined;
    readonly flags: LoadFlags;
    readonly line: LoadLine;
    readonly once: (profile: LoadProfile) => Promise<LoadResult | undefined>;
  },
): Promise<number> {
  if (profile.thresholds.length === 0) throw new UsageError("--ramp-to-limit needs thresholds: the profile has none");
  const highest = Math.max(0, ...profile.phases.map(({ from, to }) => Math.max(from, to)));
  if (searched === "rate" && highest === 0) throw new UsageError("--ramp-to-limit rate: the profile has no operations");
  let best: LoadResult | undefined;
  const limit = await searchLimit(
    searched,
    searched === "edges" ? edgesOf(profile) : highest,
    MOST[searched],
    (await machineOf()).processors,
    async (value) => {
      line.say(`with ${value} ${searched === "edges" ? "edges" : "operations a second"}:`);
      try {
        const result = await once(overridden(profile, { [searched]: value }));
        if (result === undefined) return { value, isGood: false, why: "nothing was run", result };
        const isGood = result.verdict === "passed";
        if (isGood) best = result;
        const why = isGood ? "held" : whyBroken(result);
        line.tell(`${value}: ${why}`);
        return { value, isGood, why, result };
      } catch (error) {
        if (!(error instanceof LoadError || error instanceof TooLargeError)) throw error;
        line.tell(`${value}: ${error.message}`);
        return { value, isGood: false, why: error.message, result: undefined };
      }
    },
  );
  const of = searched === "edges" ? "edges" : "operations a second";
  line.tell(`limit: ${limit.held ?? "none"} ${of} held; ${limit.broke ?? "none"} broke: ${limit.why}`);
  line.tell(`at its end: ${limit.resource}`);
  if (best !== undefined) line.tell(await writeReports(flags.report, best));
  const { tries, ...told } = limit;
  const text = { ...told, tries: tries.map(({ isGood, value, why }) => ({ value, isGood, why })) };
  await writeFile(join(flags.report, "limit.json"), `${JSON.stringify(text, null, 1)}\n`);
  if (flags.json) process.stdout.write(`${JSON.stringify(text)}\n`);
  return code() ?? (limit.held === undefined ? exitCodes.crossed : exitCodes.passed);
}

function exitCodeOf({ verdict }: LoadResult): number {
  return verdict === "passed" ? exitCodes.passed : verdict === "crossed" ? exitCodes.crossed : exitCodes.couldNotRun;
}

function durationOf(text: string): number {
  try {
    return milliseconds(text);
  } catch (error) {
    throw new UsageError(`--duration: ${reasonOf(error)}`);
  }
}

/** Writes the reports; the line that says where they are. */
async function writeReports(dir: string, result: LoadResult): Promise<string> {
  const { loadJunit } = await import("../scenarios/load/junit.ts");
  const { loadHtml } = await import("../scenarios/load/html.ts");
  const reports = {
    "load-junit.xml": loadJunit(result),
    "load.json": `${JSON.stringify(result, null, 1)}\n`,
    "load.html": loadHtml(result),
  };
  for (const [file, text] of Object.entries(reports)) await writeFile(join(dir, file), text);
  return `reports: ${Object.keys(reports).map((file) => join(dir, file)).join("  ")}`;
}
