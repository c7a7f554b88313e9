// The timers of a target: KubeEdge's own but for those that its description names, divided by its time scale.
import { type CloudCoreConfig, defaultConfig, scaled } from "../../cloud/config/config.ts";
import { edgecoreTimings, type EdgeTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import type { LocalOptions } from "./local-options.ts";

type Timed = Pick<LocalOptions, "timings" | "timeScale">;

/** The edges' timers. */
export function edgeTimingsOf({ timeScale, timings = {} }: Timed): EdgeTimings {
  const { ackRetry: _, ...own } = timings;
  return scaledTimings({ ...edgecoreTimings, ...own }, timeScale);
}

/** The configuration of our cloudcore, with its timers. */
export function cloudTimingsOf({ timeScale, timings = {} }: Timed): CloudCoreConfig {
  const { ackRetry, heartbeat } = timings;
  return scaled({
    ...defaultConfig,
    ...(ackRetry === undefined ? {} : { ackRetry }),
    // As with KubeEdge's own numbers: two heartbeats may be missed.
    ...(heartbeat === undefined ? {} : { keepaliveInterval: 2 * heartbeat }),
  }, timeScale);
}
