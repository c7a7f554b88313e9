// What a load run has found: the data that its report is made of.
import type { Histogram } from "hdr-histogram-js";
import type { Versions } from "../model/result.ts";
import { type CountName, type FlowName, type GaugeName, isFlow, isGauge } from "./metrics.ts";
import { edgesOf, type LoadProfile, type Phase } from "./profile.ts";
import type { Recorder, Sample, SlowOperation } from "./recorder.ts";
import { holds, type Threshold } from "./thresholds.ts";

/** The percentiles that are kept. */
export const percentiles = [50, 75, 90, 95, 99, 99.9, 100] as const;

/** One flow: how often, and milliseconds. `values` are at `percentiles`, `distribution` is at finer ones, for the plot. */
export interface FlowResult {
  readonly flow: FlowName;
  readonly count: number;
  readonly mean: number;
  readonly values: readonly number[];
  readonly distribution: readonly (readonly [percentile: number, ms: number])[];
}

/** A phase, with the seconds at which it began and ended. */
export interface PhaseResult {
  readonly name: string;
  readonly shape: Phase["shape"];
  readonly isJudged: boolean;
  /** Whether connections were lost or a process was killed at its begin. */
  readonly hasFault: boolean;
  readonly began: number;
  readonly ended: number;
  readonly flows: readonly FlowResult[];
}

/** A threshold and the number that it was compared with; undefined where there was none. */
export interface ThresholdResult {
  readonly text: string;
  readonly verdict: "held" | "crossed" | "not judged";
  readonly found: number | undefined;
  /** What the number is measured in. */
  readonly unit: "ms" | "bytes" | "share" | "";
}

/** `passed`, `crossed` (a threshold or a comparison was), `none` where the generator was the bottleneck, `interrupted`. */
export type LoadVerdict = "passed" | "crossed" | "none" | "interrupted";

/** A whole run. Times since the first phase began are seconds; before it they are less than nothing. */
export interface LoadResult {
  readonly format: "skep.load/1";
  readonly run: string;
  readonly name: string;
  readonly file: string;
  readonly target: string;
  readonly seed: number;
  readonly edges: number;
  readonly processes: number;
  readonly plan: readonly string[];
  readonly versions: Versions;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Milliseconds. */
  readonly took: number;
  readonly verdict: LoadVerdict;
  /** Why there is no verdict, or why it ended early. */
  readonly reasons: readonly string[];
  readonly thresholds: readonly ThresholdResult[];
  readonly phases: readonly PhaseResult[];
  readonly flows: readonly FlowResult[];
  readonly gauges: Readonly<Partial<Record<GaugeName, GaugeResult>>>;
  readonly counts: Readonly<Record<CountName, number>>;
  readonly errors: readonly { readonly reason: string; readonly count: number }[];
  readonly slowest: readonly SlowOperation[];
  readonly samples: readonly Sample[];
}

/** A gauge over the judged time. `growth` compares the mean of its last third with that of its first, less 1. */
export interface GaugeResult {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  readonly last: number;
  readonly growth: number;
}

/** A flow's histogram as numbers. */
export function flowResult(flow: FlowName, histogram: Histogram): FlowResult {
  const fine = [0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.99, 100];
  return {
    flow,
    count: histogram.totalCount,
    mean: Math.round(histogram.mean * 10) / 10,
    values: percentiles.map((percentile) => histogram.getValueAtPercentile(percentile)),
    distribution: fine.map((percentile) => [percentile, histogram.getValueAtPercentile(percentile)]),
  };
}

/** A gauge's samples as numbers; undefined where there are none. */
export function gaugeResult(samples: readonly Sample[], gauge: GaugeName): GaugeResult | undefined {
  const values = samples.flatMap(({ gauges }) => gauges[gauge] ?? []);
  if (values.length === 0) return undefined;
  const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / Math.max(1, of.length);
  const third = Math.max(1, Math.floor(values.length / 3));
  const first = mean(values.slice(0, third));
  return {
    min: Math.min(...values),
    mean: mean(values),
    max: Math.max(...values),
    last: values.at(-1) as number,
    growth: first === 0 ? 0 : mean(values.slice(-third)) / first - 1,
  };
}

/** Gauges that are told by their last value, and by their mean, where a threshold doesn't say. All others are told by their highest. */
const byLast: ReadonlySet<GaugeName> = new Set(["edges", "edges.connected", "edges.ready", "pods.running"]);
const byMean = /\.cpu$|^messages\.|^operations$/;

/** Judges a threshold by what was recorded. `samples` are those of the judged time. */
export function judge(
  threshold: Threshold,
  recorder: Pick<Recorder, "flows" | "counts">,
  samples: readonly Sample[],
  profile: Pick<LoadProfile, "fleet">,
): ThresholdResult {
  const { aggregation, isShare, metric, text } = threshold;
  let found: number | undefined;
  let unit: ThresholdResult["unit"] = "";
  if (isFlow(metric)) {
    const histogram = recorder.flows.get(metric);
    if (histogram !== undefined && aggregation !== undefined) {
      found = aggregation.of === "p"
        ? histogram.getValueAtPercentile(aggregation.percentile)
        : aggregation.of === "count"
        ? histogram.totalCount
        : aggregation.of === "mean"
        ? histogram.mean
        : aggregation.of === "min"
        ? histogram.minNonZeroValue
        : histogram.maxValue;
      unit = aggregation.of === "count" ? "" : "ms";
    } else if (aggregation?.of === "count") found = 0;
  } else if (isGauge(metric)) {
    const result = gaugeResult(samples, metric);
    const of = aggregation?.of ?? (byLast.has(metric) ? "last" : byMean.test(metric) ? "mean" : "max");
    if (result !== undefined && of !== "p" && of !== "count") found = result[of];
    unit = of === "growth" ? "share" : metric.endsWith(".rss") ? "bytes" : metric === "generator.lag" ? "ms" : "";
    if (isShare && of !== "growth" && found !== undefined) {
      found /= edgesOf(profile);
      unit = "share";
    }
  } else found = recorder.counts[metric as CountName];
  if (found === undefined) return { text, verdict: "not judged", found, unit };
  return { text, verdict: holds(threshold, found) ? "held" : "crossed", found, unit };
}

/** What a verdict is made of. `late` is the 99th percentile of how late operations began, in milliseconds. */
export interface VerdictFacts {
  readonly thresholds: readonly ThresholdResult[];
  /** Whether a threshold has ended the run. */
  readonly isCrossed: boolean;
  readonly late: number;
  readonly maxLag: number;
  readonly interruption: string | undefined;
  /** Whether the target or the fleet has ended by itself. */
  readonly hasBroken: boolean;
}

/** The verdict, with a reason where it needs one. What the generator itself was too slow for says nothing of its target. */
export function verdictOf(
  { hasBroken, interruption, isCrossed, late, maxLag, thresholds }: VerdictFacts,
): { readonly verdict: LoadVerdict; readonly reason: string | undefined } {
  if (interruption !== undefined) return { verdict: "interrupted", reason: interruption };
  if (hasBroken) return { verdict: "none", reason: undefined };
  if (late > maxLag) {
    const reason =
      `the generator was the bottleneck: 1 % of the operations began ${late} ms late or later, and ${maxLag} ms are allowed (maxLag); use less load, more --processes, or another machine for the target`;
    return { verdict: "none", reason };
  }
  const crossed = isCrossed || thresholds.some(({ verdict }) => verdict === "crossed");
  return { verdict: crossed ? "crossed" : "passed", reason: undefined };
}
