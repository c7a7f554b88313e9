// How long messages take in the hub, as Prometheus counts durations.
import { Histogram } from "prom-client";
import { metricsAbout } from "../../monitor/monitor.ts";

/** Seconds: the hub's own work is milliseconds, resends come after five seconds and more. */
const BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

/** A histogram by its name in `metricsAbout`; it belongs to no registry yet. */
export function durationsOf(name: keyof typeof metricsAbout): Histogram {
  return new Histogram({ name, help: metricsAbout[name] ?? "", buckets: BOUNDS, registers: [] });
}
