// `skep load-edges`: the edges of one process of `skep load`, which starts it and says by lines of JSON what they do.
import { tapTo } from "../base/hop/hop.ts";
import { pinoLogger } from "../base/log/pino-logger.ts";
import { eachLine } from "../base/process/lines.ts";
import { Random } from "../base/random/random.ts";
import { every } from "../base/time/clock.ts";
import { lagOf } from "../base/time/timer-lag.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import type { HubAddress } from "../edge-sim/edgehub/hub-address.ts";
import { Fleet, type Shard } from "../edge-sim/fleet/fleet.ts";
import { EdgeLoad } from "../edge-sim/load/edge-load.ts";
import { type EdgeCommand, type EdgeProcessReport, REPORT_EVERY_MS } from "../edge-sim/load/protocol.ts";
import { edgecoreTimings, type EdgeTimings, scaledTimings } from "../edge-sim/timings/timings.ts";
import type { ScenarioCohort } from "../scenarios/cohorts/cohort.ts";
import { cohortOf } from "../scenarios/cohorts/fleet-cohort.ts";
import type { AuthorityData } from "../scenarios/targets/cluster-secrets.ts";
import { issuerOfData } from "./hub-address.ts";
import { silentLogger } from "../base/log/logger.ts";
import { type FaultWords, putFault } from "../scenarios/files/faults.ts";
import { LocalSource } from "../scenarios/tap/local.ts";
import { serveTap } from "../scenarios/tap/serve.ts";
import { interrupted, interruption } from "./interrupt.ts";
import { ringOf } from "./ring.ts";

/** The first line of standard input. */
export interface EdgesConfig {
  readonly cohorts: readonly ScenarioCohort[];
  /** What models stand beside. */
  readonly file: string;
  readonly hub: HubAddress;
  readonly sourceAddresses?: readonly string[];
  /** The CA that edges have certificates of, DER in base64; without it they enrol with the hub's token. */
  readonly authority?: AuthorityData;
  readonly timeScale: number;
  readonly timings: Partial<EdgeTimings>;
  readonly seed: number;
  readonly shard: Shard;
  /** Edges that join a second. */
  readonly rate?: number;
}

/** Characters of a line. */
const MAX_LINE = 64 * 1024 * 1024;

export async function loadEdgesCommand(): Promise<number> {
  const { signal, code } = interruption();
  const clock = new TimerWheel();
  const stopped = Promise.withResolvers<void>();
  const config = Promise.withResolvers<EdgesConfig>();
  // What comes before the fleet is there waits for it.
  const early: EdgeCommand[] = [];
  let run = (command: EdgeCommand) => void early.push(command);
  let isFirst = true;
  eachLine(process.stdin, MAX_LINE, (line) => {
    if (isFirst) config.resolve(JSON.parse(line) as EdgesConfig);
    else run(JSON.parse(line) as EdgeCommand);
    isFirst = false;
  });
  // The generator is gone.
  process.stdin.on("end", () => stopped.resolve());
  const { authority, cohorts, file, hub, rate, seed, shard, sourceAddresses = [], timeScale, timings } = await config
    .promise;
  const own = { ...scaledTimings(edgecoreTimings, timeScale), ...timings };
  const load = new EdgeLoad(clock, own.lease * (1 + own.jitter));
  // Hops are taken for the figures in any case; they are kept only while somebody looks.
  const ring = ringOf("off");
  const fleet = new Fleet({
    cohorts: await Promise.all(cohorts.map((cohort) => cohortOf(cohort, file, { timeScale }))),
    hub: authority === undefined ? hub : { ...withoutToken(hub), issue: await issuerOfData(authority) },
    sourceAddresses,
    timings: own,
    clock,
    random: new Random(seed),
    logger: pinoLogger("error"),
    tap: tapTo((hop) => {
      load.onHop(hop);
      ring.on?.(hop);
    }),
    watch: load.watch,
    shard,
    ...(rate === undefined ? {} : { rate: rate / shard.of }),
  });
  await using _tap = await serveTap({
    what: "load-edges",
    listen: { host: "127.0.0.1", port: 0, exact: false },
    ring,
    source: new LocalSource({ edges: () => fleet.edges(), edge: (name) => fleet.get(name) }),
    logger: silentLogger,
  });
  const failed = Promise.withResolvers<never>();
  run = (command) => {
    switch (command.do) {
      case "start":
        fleet.start().catch(failed.reject);
        return;
      case "operate":
        load.operate(fleet, command.operations);
        return;
      case "fault": {
        const links = command.edges.flatMap((name) => fleet.get(name)?.link ?? []);
        putFault(links, command.fault as FaultWords, clock, signal)?.catch(() => {});
        return;
      }
      case "stop":
        stopped.resolve();
    }
  };
  for (const command of early) run(command);
  const lag = lagOf(clock);
  const report = (): EdgeProcessReport => {
    const { user, system } = process.cpuUsage();
    const refusal = fleet.refusal();
    const { problem } = fleet;
    return {
      ...fleet.totals(),
      ...load.report(),
      at: clock.now(),
      lag: lag(),
      cpu: (user + system) / 1e6,
      rss: process.memoryUsage.rss(),
      ...(refusal === undefined ? {} : { refusal }),
      ...(problem === undefined ? {} : { problem }),
    };
  };
  const timer = every(clock, REPORT_EVERY_MS, () => void process.stdout.write(`${JSON.stringify(report())}\n`));
  try {
    await Promise.race([interrupted(signal), stopped.promise, failed.promise]);
  } finally {
    timer.cancel();
    load.stop();
    await fleet.stop();
    process.stdin.destroy();
  }
  return code() ?? 0;
}

function withoutToken({ token: _token, ...hub }: HubAddress): HubAddress {
  return hub;
}
