// A load run judged against an earlier one: by ratios, since machines differ less from themselves than from each other.
import { readFile } from "node:fs/promises";
import { reasonOf } from "../../base/log/logger.ts";
import { InputFileError } from "../files/manifest.ts";
import type { FlowName, GaugeName } from "./metrics.ts";
import { type LoadResult, percentiles } from "./result.ts";

/** One number of both runs. */
export interface Comparison {
  readonly what: string;
  readonly before: number;
  readonly now: number;
  readonly ratio: number;
  readonly isWorse: boolean;
}

/** How much worse a number may be, and below what differences say nothing: milliseconds, cores, bytes. */
const WORSE = { latency: 1.5, usage: 1.25 } as const;
const LEAST = { latency: 20, cpu: 0.1, rss: 50_000_000 } as const;
/** Percentiles that are compared: the highest ones are luck. */
const COMPARED = [50, 95] as const;
const GAUGES: readonly GaugeName[] = ["cloudcore.cpu", "api.cpu", "fleet.cpu", "cloudcore.rss", "api.rss", "fleet.rss"];
/** Flows that say more about the generator than about the target. */
const OWN: ReadonlySet<FlowName> = new Set(["generator.late"]);

/** The report of an earlier run. Rejects with InputFileError. */
export async function readResult(file: string): Promise<LoadResult> {
  let read: Partial<LoadResult>;
  try {
    read = JSON.parse(await readFile(file, "utf8")) as Partial<LoadResult>;
  } catch (error) {
    throw new InputFileError(`can't read the report ${file}`, { details: [reasonOf(error)] });
  }
  if (read.format !== "skep.load/1" || !Array.isArray(read.flows)) {
    throw new InputFileError(`${file} is no report of a load run: it is the load.json that skep load has written`);
  }
  return read as LoadResult;
}

/** What both have measured, the worst first. Processor time is compared for each operation or message, so that loads may differ a little. */
export function compare(before: LoadResult, now: LoadResult): Comparison[] {
  const found: Comparison[] = [];
  const add = (what: string, was: number, is: number, worse: number, least: number) => {
    const ratio = was === 0 ? (is === 0 ? 1 : Infinity) : is / was;
    found.push({ what, before: was, now: is, ratio, isWorse: ratio > worse && is - was > least });
  };
  for (const flow of now.flows) {
    const other = before.flows.find((one) => one.flow === flow.flow);
    if (other === undefined || OWN.has(flow.flow) || flow.count === 0 || other.count === 0) continue;
    for (const percentile of COMPARED) {
      const at = percentiles.indexOf(percentile);
      add(`${flow.flow} p(${percentile})`, other.values[at] ?? 0, flow.values[at] ?? 0, WORSE.latency, LEAST.latency);
    }
  }
  for (const name of GAUGES) {
    const [was, is] = [before.gauges[name], now.gauges[name]];
    if (was === undefined || is === undefined) continue;
    if (name.endsWith(".rss")) add(name, was.max, is.max, WORSE.usage, LEAST.rss);
    else add(name, was.mean, is.mean, WORSE.usage, LEAST.cpu);
  }
  add("lost", before.counts.lost, now.counts.lost, 1, 0);
  add("errors", before.counts.errors, now.counts.errors, 1, 0);
  return found.sort((a, b) => b.ratio - a.ratio);
}

/** Why two runs should not be compared; undefined where they may. */
export function incomparable(before: LoadResult, now: LoadResult): string | undefined {
  if (before.name !== now.name) return `it is of another profile, ${before.name}`;
  if (before.edges !== now.edges) return `it had ${before.edges} edges, this one ${now.edges}`;
  if (before.verdict === "none" || before.verdict === "interrupted") return `it has no verdict (${before.verdict})`;
  return undefined;
}
