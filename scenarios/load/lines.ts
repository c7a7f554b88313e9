// A load run in lines of text: while it goes on, and when it has ended.
import { spoken } from "../files/duration.ts";
import type { FlowName } from "./metrics.ts";
import type { Sample } from "./recorder.ts";
import { type GaugeResult, type LoadResult, percentiles, type ThresholdResult } from "./result.ts";

/** Bytes for people. */
export function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.round(bytes / 1e3)} kB`;
}

/** A rate or a count for people. */
export function number(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** One sample in one line: `phase · edges · messages · flows · own lag · usage`. */
export function sampleLine({ at, errors, flows, gauges }: Sample, phase: string): string {
  const of = (name: keyof typeof gauges) => gauges[name] ?? 0;
  const parts = [
    `${at < 0 ? "" : `${Math.round(at)} s `}${phase}`,
    `${of("edges.connected")}/${of("edges")} connected, ${of("edges.ready")} Ready`,
    `${number(of("messages.up"))}/s up ${number(of("messages.down"))}/s down`,
    ...Object.entries(flows).filter(([flow]) => flow !== "generator.late" && flow !== "api.call").map(([flow, taken]) =>
      `${flow} ${number(taken.count)}/s p50 ${taken.p50} p99 ${taken.p99} ms`
    ),
    ...(errors > 0 ? [`${errors} errors`] : []),
    `lag ${of("generator.lag")} ms`,
    ...(["fleet", "cloudcore", "api"] as const).flatMap((name) =>
      gauges[`${name}.rss`] === undefined
        ? []
        : [`${name} ${number(of(`${name}.cpu`) * 100)} % ${size(of(`${name}.rss`))}`]
    ),
  ];
  return parts.join(" · ");
}

/** A number as its unit is written. */
export function inUnit(found: number | undefined, unit: ThresholdResult["unit"]): string {
  if (found === undefined) return "nothing was measured";
  switch (unit) {
    case "ms":
      return spoken(found);
    case "bytes":
      return size(found);
    case "share":
      return `${(found * 100).toFixed(1)} %`;
    default:
      return number(found);
  }
}

const signs = { held: "✓", crossed: "✗", "not judged": "–" } as const;

/** The verdict in one line. */
export function verdictLine({ thresholds, verdict }: Pick<LoadResult, "thresholds" | "verdict">): string {
  const crossed = thresholds.filter((one) => one.verdict === "crossed").length;
  const held = thresholds.filter((one) => one.verdict === "held").length;
  switch (verdict) {
    case "passed":
      return thresholds.length === 0 ? "done; there were no thresholds" : `passed: ${held} thresholds held`;
    case "crossed":
      return `crossed: ${crossed} of ${thresholds.length} thresholds`;
    case "none":
      return "no verdict";
    case "interrupted":
      return "interrupted: what follows is of what ran";
  }
}

/** The result for a terminal: flows, gauges, counts, errors, thresholds, verdict. */
export function resultLines(result: LoadResult): string[] {
  const { counts, errors, flows, gauges, reasons, thresholds } = result;
  const head = ["flow", "count", ...percentiles.map((percentile) => percentile === 100 ? "max" : `p${percentile}`)];
  const rows = [...flows].sort(byOrder).map(({ count, flow, values }) => [flow, String(count), ...values.map(String)]);
  const told = Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ");
  return [
    ...flows.length === 0 ? [] : [...table([head, ...rows]), "(milliseconds)", ""],
    ...usageLines(gauges),
    told,
    ...errors.slice(0, 5).map(({ count, reason }) => `  ${count} × ${reason}`),
    "",
    ...thresholds.map(({ found, text, unit, verdict }) => `${signs[verdict]} ${text}   ${inUnit(found, unit)}`),
    verdictLine(result),
    ...reasons.map((reason) => `  ${reason}`),
  ];
}

const order: readonly FlowName[] = [
  "join",
  "ready",
  "reconnect",
  "lease.late",
  "pod.running",
  "pod.gone",
  "configmap.acked",
];

function byOrder(a: { readonly flow: FlowName }, b: { readonly flow: FlowName }): number {
  const place = (flow: FlowName) => order.includes(flow) ? order.indexOf(flow) : order.length;
  return place(a.flow) - place(b.flow);
}

function usageLines(gauges: LoadResult["gauges"]): string[] {
  return (["fleet", "cloudcore", "api"] as const).flatMap((name) => {
    const [cpu, rss] = [gauges[`${name}.cpu`], gauges[`${name}.rss`]] as (GaugeResult | undefined)[];
    if (rss === undefined) return [];
    return [
      `${name}: ${number((cpu?.mean ?? 0) * 100)} % of a processor, ${size(rss.last)} at the end, ${
        size(rss.max)
      } at most`,
    ];
  });
}

/** Columns side by side, the first to the left, all others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ")
  );
}
