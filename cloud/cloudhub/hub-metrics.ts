// Gauges and counters of the hub: for the monitor in Prometheus' names, for scenarios in their own.
import { modules } from "../../protocol/message/names.ts";
import type { Bus } from "../beehive/bus.ts";
import type { Monitored } from "../monitor/monitor.ts";
import type { Sessions } from "./session/sessions.ts";
import type { DeliveryTotals } from "./session/session.ts";

/** What is counted. */
export interface HubMetricsDeps {
  readonly bus: Bus;
  readonly sessions: Sessions;
  readonly totals: DeliveryTotals;
  /** Why the hub does not serve edges; undefined where it does. */
  readonly notReady: () => string | undefined;
}

/** What the monitor shows. */
export function monitoredHub({ bus, notReady, sessions, totals }: HubMetricsDeps): Monitored {
  return {
    gauges: () => {
      const { waiting, fullest, unacknowledged, oldest } = laneGauges(sessions);
      const depths = [modules.edgecontroller, modules.devicecontroller, modules.cloudhub].map((name) =>
        bus.depth(name)
      );
      return {
        KubeEdge_CloudHub_connected_nodes: sessions.size,
        skep_hub_lane_messages: waiting,
        skep_hub_lane_depth_max: fullest,
        skep_hub_unacked_messages: unacknowledged,
        skep_hub_unacked_age_seconds_max: oldest / 1000,
        skep_bus_depth: Math.max(...depths),
      };
    },
    counters: () => {
      const { sent, acked, resent, drops, refusals, bytesDown, bytesUp } = totals;
      return {
        skep_hub_sent_total: sent,
        skep_hub_acked_total: acked,
        skep_hub_resends_total: resent,
        skep_hub_drops_total: { label: "reason", values: drops },
        skep_hub_refusals_total: { label: "reason", values: refusals },
        skep_hub_bytes_down_total: bytesDown,
        skep_hub_bytes_up_total: bytesUp,
      };
    },
    histograms: () => [totals.waits, totals.acks],
    notReady,
  };
}

/** What `at: metrics` of a scenario shows. */
export function scenarioMetrics(
  { bus, sessions, stray, totals }: Omit<HubMetricsDeps, "notReady"> & {
    /** Connections that are open and belong to no session. */
    readonly stray: number;
  },
): Record<string, number> {
  const { waiting, unacknowledged, oldest } = laneGauges(sessions);
  const { sent, acked, resent, dropped } = totals;
  return {
    connected_nodes: sessions.size,
    connections_without_session: stray,
    messages_sent: sent,
    messages_acked: acked,
    messages_resent: resent,
    messages_dropped: dropped,
    lane_waiting: waiting,
    lane_unacknowledged: unacknowledged,
    lane_oldest_unacked_ms: oldest,
    bus_edgecontroller_depth: bus.depth(modules.edgecontroller),
    bus_devicecontroller_depth: bus.depth(modules.devicecontroller),
    bus_cloudhub_depth: bus.depth(modules.cloudhub),
  };
}

function laneGauges(sessions: Sessions) {
  let waiting = 0;
  let fullest = 0;
  let unacknowledged = 0;
  let oldest = 0;
  for (const session of sessions.all()) {
    const gauges = session.gauges();
    waiting += gauges.waiting;
    fullest = Math.max(fullest, gauges.waiting);
    unacknowledged += gauges.inFlight;
    oldest = Math.max(oldest, gauges.oldest);
  }
  return { waiting, fullest, unacknowledged, oldest };
}
