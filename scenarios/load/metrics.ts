// What a load run measures: flows (how long something took), gauges (numbers over time) and counts.
import type { Threshold } from "./thresholds.ts";

/** Flows, with what they are timed from and to. */
export const flowNames = {
  "join": "an edge begins to enrol and dial, until it is connected",
  "ready": "the same until its Node is registered",
  "pod.running": "a pod is due to be created, until the API shows it Running",
  "pod.gone": "a pod is due to be deleted, until the API has it no more",
  "configmap.acked": "a configmap is due to be changed, until the last edge that uses it has stored the change",
  "desired.applied": "a desired value is due to be written, until the device has taken it",
  "report.seen": "a device's report is due, until its DeviceStatus shows the value",
  "query.answered": "an edge's question is due, until it has the answer",
  "lease.late": "an edge's lease is due to be renewed, until it is",
  "reconnect": "an edge loses its connection, until it has registered again",
  "downstream.wait": "a message enters an edge's lane in the hub, until it is written (our cloudcore alone)",
  "downstream.acked": "the same until the edge acknowledges it (our cloudcore alone)",
  "api.call": "an operation's call of the API is made, until it is answered",
  "generator.late": "an operation is due, until the generator begins it",
} as const;
export type FlowName = keyof typeof flowNames;

/** Numbers that are sampled once a second. Processor time is in cores, memory in bytes. */
export const gaugeNames = {
  "edges": "edges there are",
  "edges.connected": "edges that are connected",
  "edges.ready": "edges whose Node is registered",
  "pods.running": "pods that run at the edges",
  "messages.up": "messages from edges, a second",
  "messages.down": "messages to edges, a second",
  "operations": "operations begun, a second",
  "fleet.cpu": "processors that the edges use",
  "fleet.rss": "memory of the edges",
  "cloudcore.cpu": "processors that the cloudcore uses",
  "cloudcore.rss": "memory of the cloudcore",
  "api.cpu": "processors that the API uses",
  "api.rss": "memory of the API",
  "generator.cpu": "processors that the load generator uses",
  "generator.lag": "milliseconds by which the generator's timers are late",
} as const;
export type GaugeName = keyof typeof gaugeNames;

/** Numbers of the whole judged time. */
export const countNames = {
  "lost": "operations that nothing was seen of in time",
  "errors": "operations that failed",
  "replaced": "changes, reports and desired values that a newer one took the place of on the way",
  "resends": "messages that the hub sent again (our cloudcore alone)",
  "reconnects": "connections that edges lost",
} as const;
export type CountName = keyof typeof countNames;

export const isFlow = (name: string): name is FlowName => Object.hasOwn(flowNames, name);
export const isGauge = (name: string): name is GaugeName => Object.hasOwn(gaugeNames, name);
export const isCount = (name: string): name is CountName => Object.hasOwn(countNames, name);

/** Why a threshold can't be judged; undefined where it can. */
export function refuseMetric({ aggregation, isShare, metric }: Threshold): string | undefined {
  if (isFlow(metric)) {
    if (aggregation === undefined) {
      return `${metric} is many durations: say which, such as ${metric} p(99), max or count`;
    }
    if (aggregation.of === "last" || aggregation.of === "growth") return `${metric} has no ${aggregation.of}`;
    return undefined;
  }
  if (isGauge(metric)) {
    if (aggregation?.of === "p" || aggregation?.of === "count") return `${metric} has min, mean, max, last and growth`;
    const isOfEdges = metric.startsWith("edges.") || aggregation?.of === "growth";
    return isShare && !isOfEdges ? `${metric} is no share of the edges` : undefined;
  }
  if (isCount(metric)) return aggregation === undefined ? undefined : `${metric} is one number`;
  const all = [...Object.keys(flowNames), ...Object.keys(gaugeNames), ...Object.keys(countNames)];
  return `there is no metric ${metric}; there are ${all.join(", ")}`;
}
