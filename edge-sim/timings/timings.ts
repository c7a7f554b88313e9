// The timers of an edge, as edgecore has them. Milliseconds.
import type { Random } from "../../base/random/random.ts";

/** Every protocol timer of an edge. A time scale divides them all, and the cloud's with them. */
export interface EdgeTimings {
  /** Interval of keepalives (`edgeHub.heartbeat`). */
  readonly heartbeat: number;
  /** Pause before dialling again after a connection is lost or fails (twice the heartbeat). */
  readonly reconnectWait: number;
  /** Pause between the five attempts of one round of dialling. */
  readonly dialRetry: number;
  /** Interval of lease renewals: a quarter of the lease's 40 s. */
  readonly lease: number;
  /** Interval of reports of an unchanged node status. */
  readonly nodeStatus: number;
  /** Interval of node statuses in v1.1 (`node-status-update-frequency`). */
  readonly nodeStatusV11: number;
  /** Interval at which an edge of v1.1 reports all its pods again (`meta.sync.podstatus.interval`). */
  readonly podStatusSyncV11: number;
  /** Interval of retries for pods whose status could not be reported, or whose configmap is missing. */
  readonly podSync: number;
  /** Time containers take to stop; the pod's grace period if that is shorter. */
  readonly podStop: number;
  /** Delay before a container that ended is restarted (a kubelet's first back-off). */
  readonly crashBackoff: number;
  /** Delay before a failed certificate renewal is retried; doubled each time, up to the second value. */
  readonly renewRetry: number;
  readonly renewRetryCap: number;
  /** Timeout of requests to the cloud (`remoteQueryTimeout`). */
  readonly answer: number;
  /** Delay before an unconfirmed report is resent. */
  readonly confirm: number;
  /** Time after which the message limit permits one more message (`edgeHub.messageQPS`, 30); keepalives are exempt. */
  readonly messageRefill: number;
  /** Time after which a mapper may report once more over DMI. */
  readonly dmiRefill: number;
  /** One millisecond of a device's own cycles (`reportCycle`). */
  readonly deviceMillisecond: number;
  /** By which fraction of itself each interval of keepalives, leases and node statuses is longer or shorter at most. */
  readonly jitter: number;
}

export const edgecoreTimings: EdgeTimings = {
  heartbeat: 15_000,
  reconnectWait: 30_000,
  dialRetry: 5_000,
  lease: 10_000,
  nodeStatus: 300_000,
  nodeStatusV11: 10_000,
  podStatusSyncV11: 60_000,
  podSync: 10_000,
  podStop: 1_000,
  crashBackoff: 10_000,
  renewRetry: 2_000,
  renewRetryCap: 32_000,
  answer: 60_000,
  confirm: 60_000,
  messageRefill: 1000 / 30,
  dmiRefill: 1000,
  deviceMillisecond: 1,
  jitter: 0,
};

/** An interval as `every` takes it: spread by the timings' jitter. */
export function spread(ms: number, { jitter }: EdgeTimings, random: Random): number | (() => number) {
  return jitter === 0 ? ms : () => random.jitter(ms, jitter);
}

/** All times divided by the same number. */
export function scaledTimings(timings: EdgeTimings, timeScale: number): EdgeTimings {
  return Object.fromEntries(
    Object.entries(timings).map(([name, ms]) => [name, name === "jitter" ? ms : ms / timeScale]),
  ) as unknown as EdgeTimings;
}
