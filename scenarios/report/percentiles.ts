// Percentiles of flows, over all scenarios of a run.
import { build } from "hdr-histogram-js";
import type { RunResult } from "../model/result.ts";

/** The percentiles that are shown. */
export const percentiles = [50, 75, 90, 95, 99, 99.9, 100] as const;

/** One flow: how many messages, and milliseconds at each of `percentiles`. */
export interface FlowPercentiles {
  readonly flow: string;
  readonly count: number;
  readonly values: readonly number[];
}

/** Flows by name. */
export function flowPercentiles({ scenarios }: Pick<RunResult, "scenarios">): FlowPercentiles[] {
  const flows = new Map<string, ReturnType<typeof build>>();
  for (const { flow, counts } of scenarios.flatMap(({ latencies }) => latencies)) {
    const histogram = flows.get(flow) ?? build({ numberOfSignificantValueDigits: 3 });
    flows.set(flow, histogram);
    for (const [ms, count] of counts) histogram.recordValueWithCount(Math.max(0, ms), count);
  }
  return [...flows].sort(([a], [b]) => a < b ? -1 : 1).map(([flow, histogram]) => ({
    flow,
    count: histogram.totalCount,
    values: percentiles.map((percentile) => histogram.getValueAtPercentile(percentile)),
  }));
}
