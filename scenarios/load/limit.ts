// Searches the load at which a threshold breaks: larger and larger runs, then between the last good one and the first bad one.
import type { LoadResult } from "./result.ts";
import { inUnit } from "./lines.ts";

/** What is made larger. */
export type Searched = "edges" | "rate";

/** One try: with how much, and what came of it; an error where it could not even be begun. */
export interface Try {
  readonly value: number;
  readonly isGood: boolean;
  readonly why: string;
  readonly result: LoadResult | undefined;
}

/** The limit: the largest that held and the smallest that didn't, with why; undefined where there was none of them. */
export interface Limit {
  readonly searched: Searched;
  readonly held: number | undefined;
  readonly broke: number | undefined;
  readonly why: string;
  /** Which resource was at its end, as far as it can be seen. */
  readonly resource: string;
  readonly tries: readonly Try[];
}

/** How close the two come, as a share of the limit. */
const CLOSE = 0.1;
/** Tries at most: each is a whole run. */
const MOST_TRIES = 14;

/**
 * Doubles from `first` until a try breaks, or `most` held; then halves the distance. `attempt` makes one run. `processors` are this
 * machine's.
 */
export async function searchLimit(
  searched: Searched,
  first: number,
  most: number,
  processors: number,
  attempt: (value: number) => Promise<Try>,
): Promise<Limit> {
  const tries: Try[] = [];
  let held: Try | undefined;
  let broke: Try | undefined;
  let value = Math.min(first, most);
  while (tries.length < MOST_TRIES) {
    const tried = await attempt(value);
    tries.push(tried);
    if (tried.isGood) held = tried;
    else broke = tried;
    if (held?.value === most) break;
    if (broke !== undefined && (broke.value <= 1 || (broke.value - (held?.value ?? 0)) <= broke.value * CLOSE)) break;
    const next = broke === undefined ? Math.min(most, value * 2) : Math.round((broke.value + (held?.value ?? 0)) / 2);
    if (tries.some((one) => one.value === next)) break;
    value = next;
  }
  return {
    searched,
    held: held?.value,
    broke: broke?.value,
    why: broke?.why ?? "nothing broke",
    resource: broke === undefined ? "none" : resourceOf(broke.result, processors),
    tries,
  };
}

/** Cores of a process that runs JavaScript on one thread, from which on it has none left. */
const FULL = 0.85;

/** What was at its end in a run, on a machine of so many processors. */
export function resourceOf(result: LoadResult | undefined, processors: number): string {
  if (result === undefined) return "not known: the run could not be begun";
  const { gauges, reasons, verdict } = result;
  const busy = (["cloudcore", "api", "fleet"] as const).flatMap((name) => {
    const cpu = gauges[`${name}.cpu`];
    const cores = name === "fleet" ? result.processes : 1;
    return cpu === undefined || cpu.mean < FULL * cores
      ? []
      : [`${name}: ${(cpu.mean * 100).toFixed(0)} % of a processor`];
  });
  if (verdict === "none") return `the generator (${reasons[0] ?? "it was late"})`;
  if (busy.length > 0) return busy.join(", ");
  const all = (["cloudcore", "api", "fleet"] as const).reduce(
    (sum, name) => sum + (gauges[`${name}.cpu`]?.mean ?? 0),
    0,
  );
  return all >= FULL * processors
    ? `this machine: all processes together take ${(all * 100).toFixed(0)} % of a processor, and it has ${processors}`
    : "none of the processors: see what the errors and the slowest operations say";
}

/** Why a run is not good: its crossed thresholds, or why it has no verdict. */
export function whyBroken({ reasons, thresholds, verdict }: LoadResult): string {
  if (verdict === "none") return reasons.join("; ");
  return thresholds.filter((one) => one.verdict === "crossed")
    .map(({ found, text, unit }) => `${text} (${inUnit(found, unit)})`).join(", ");
}
