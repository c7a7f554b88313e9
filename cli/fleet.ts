// `skep fleet`: simulated edges against a cloudcore that runs elsewhere.
import { pinoLogger } from "../base/log/pino-logger.ts";
import { Random } from "../base/random/random.ts";
import { every } from "../base/time/clock.ts";
import { TimerWheel } from "../base/time/timer-wheel.ts";
import { Fleet, type FleetTotals } from "../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../edge-sim/timings.ts";
import { UsageError } from "./failure.ts";
import { hubAddressOf, type HubFlags } from "./hub-address.ts";
import { interrupted, interruption } from "./interrupt.ts";

export interface FleetFlags extends HubFlags {
  readonly edges?: number;
  readonly prefix: string;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const DEFAULT_EDGES = 10;
/** Milliseconds between two lines of totals. */
const LINE_EVERY_MS = 1000;
/** How long no edge at all may get in before it is called a failure. */
const FIRST_CONNECTION_MS = 30_000;

export async function fleetCommand(flags: FleetFlags): Promise<number> {
  if (flags.cloudcore === undefined) {
    throw new UsageError("--cloudcore HOST[:PORT] is needed: the cloudcore these edges connect to");
  }
  const { signal, code } = interruption();
  const clock = new TimerWheel();
  const count = flags.edges ?? DEFAULT_EDGES;
  await using fleet = new Fleet({
    cohorts: [{ cohort: flags.prefix, count, transport: flags.quicPort === undefined ? "websocket" : "quic" }],
    hub: await hubAddressOf({ ...flags, cloudcore: flags.cloudcore }),
    timings: scaledTimings(edgecoreTimings, flags.timeScale ?? 1),
    clock,
    random: new Random(flags.seed ?? 1),
    logger: pinoLogger(flags.verbose ? "debug" : flags.quiet ? "error" : "warn"),
  });
  const people = flags.json ? process.stderr : process.stdout;
  const { isTTY = false } = people;
  let last = "";
  let isReady = false;
  const show = () => {
    const totals = fleet.totals();
    const text = lineOf(totals);
    if (totals.ready === count && !isReady) {
      isReady = true;
      people.write(`${isTTY ? "\r\x1b[2K" : ""}${text}\nready\n`);
      if (flags.json) process.stdout.write(`${JSON.stringify({ ...totals, ready: true })}\n`);
    } else if (isTTY) people.write(`\r\x1b[2K${text}`);
    else if (text !== last && !flags.quiet) people.write(`${text}\n`);
    last = text;
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
    await Promise.race([fleet.start(), interrupted(signal), failed.promise]);
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

function lineOf({ edges, connected, ready, podsRunning, devices, connections }: FleetTotals): string {
  const again = Math.max(0, connections - edges);
  return `${edges} edges: ${connected} connected, ${ready} Ready, ${podsRunning} pods running, ${devices} devices, ${again} reconnects`;
}
