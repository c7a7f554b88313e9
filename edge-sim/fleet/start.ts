// `startFleet()`: simulated edges with a default for everything, for programs that import skep.
import { SkepError } from "../../base/error/skep-error.ts";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { sleep } from "../../base/time/clock.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { edgecoreTimings, scaledTimings } from "../timings/timings.ts";
import { parseHubAddress } from "../edgehub/hub-address.ts";
import { type Cohort, Fleet } from "./fleet.ts";

/** Options of `startFleet`, named as the flags of `skep fleet`. */
export interface StartFleetOptions {
  /** What `startCloudCore` has started, or where any cloudcore is: `HOST`, `HOST:PORT` (default 10000; enrolment two ports further). */
  readonly cloudcore:
    | string
    | {
      readonly host: string;
      readonly websocketPort: number;
      readonly httpsPort: number;
      readonly token?: string;
    };
  /** The token to enrol with. Default: the token of `cloudcore`, or SKEP_TOKEN. */
  readonly token?: string;
  /** How many, where `cohorts` does not say. Default: 10. */
  readonly edges?: number;
  /** Their names begin with it: PREFIX-0, PREFIX-1 … Default: edge. */
  readonly prefix?: string;
  /** Several kinds of edges, instead of `edges` and `prefix`. */
  readonly cohorts?: readonly Cohort[];
  /** Edges that join a second. Default: as fast as the cloud admits them. */
  readonly rate?: number;
  /** Divides every timer of the protocol. Default: 1. */
  readonly timeScale?: number;
  readonly seed?: number;
  /** Milliseconds for all edges to become Ready. Default: 60,000. 0 returns without waiting for that. */
  readonly within?: number;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
}

/** Edges that were not Ready in time. */
export class FleetNotReadyError extends SkepError {
  readonly code = "SKEP_NOT_READY";
}

const LOOK_MS = 20;

/**
 * Starts edges and resolves when all of them are Ready. Rejects with HubAddressError, EnrolmentError, TokenError or FleetNotReadyError; nothing is
 * left running then.
 *
 * @example
 * await using fleet = await startFleet({ cloudcore: "cloudcore.example:10000", token: "…", edges: 100 });
 * console.log(fleet.totals());
 */
export async function startFleet(options: StartFleetOptions): Promise<Fleet> {
  const { edges = 10, logger = silentLogger, prefix = "edge", rate, seed = 1, timeScale = 1, within = 60_000 } =
    options;
  const clock = new TimerWheel();
  const { cloudcore } = options;
  const { host, httpsPort, token, websocketPort } = typeof cloudcore === "string"
    ? { ...parseHubAddress(cloudcore), token: undefined }
    : cloudcore;
  const bootstrap = options.token ?? token ?? process.env.SKEP_TOKEN;
  const fleet = new Fleet({
    cohorts: options.cohorts ?? [{ cohort: prefix, count: edges }],
    hub: { host, websocketPort, httpsPort, ...(bootstrap === undefined ? {} : { token: bootstrap }) },
    timings: scaledTimings(edgecoreTimings, timeScale),
    clock,
    random: new Random(seed),
    logger,
    ...(rate === undefined ? {} : { rate }),
  });
  const began = clock.monotonic();
  try {
    await fleet.start();
    while (within > 0) {
      const { edges: all, ready } = fleet.totals();
      if (ready === all) break;
      const refusal = fleet.refusal();
      if (refusal !== undefined || clock.monotonic() - began > within) {
        const problem = refusal ?? fleet.problem;
        const why = problem === undefined ? "" : `: ${problem}`;
        throw new FleetNotReadyError(
          `${all - ready} of ${all} edges are not Ready after ${Math.round(clock.monotonic() - began)} ms${why}`,
        );
      }
      await sleep(clock, LOOK_MS);
    }
    return fleet;
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}
