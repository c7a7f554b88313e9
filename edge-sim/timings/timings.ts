// The timers of an edge, as edgecore has them. Milliseconds.

/** Every protocol timer of an edge; a fleet may run them all faster, together with its cloud's. */
export interface EdgeTimings {
  /** Between two keepalives (`edgeHub.heartbeat`). */
  readonly heartbeat: number;
  /** After a connection is lost, or cannot be made (twice the heartbeat). */
  readonly reconnectWait: number;
  /** Between the five tries of one round of dialling. */
  readonly dialRetry: number;
  /** Between two renewals of the node's lease: a quarter of its 40 s. */
  readonly lease: number;
  /** Between two reports of an unchanged node status. */
  readonly nodeStatus: number;
  /** Between two statuses of a node of v1.1 (`node-status-update-frequency`). */
  readonly nodeStatusV11: number;
  /** After which an edge of v1.1 says again how all its pods are (`meta.sync.podstatus.interval`). */
  readonly podStatusSyncV11: number;
  /** Between two looks at pods whose status could not be reported, or whose configmap is missing. */
  readonly podSync: number;
  /** What containers take to stop, at most; a pod's grace if that is shorter. */
  readonly podStop: number;
  /** After which a container that ended is started again (a kubelet's first back-off). */
  readonly crashBackoff: number;
  /** After which the renewal of a certificate that failed is tried again; doubled each time, up to the second. */
  readonly renewRetry: number;
  readonly renewRetryCap: number;
  /** What an answer of the cloud may take (`remoteQueryTimeout`). */
  readonly answer: number;
  /** After which a report that was not confirmed is sent again. */
  readonly confirm: number;
  /** After which a message more may go to the cloud (`edgeHub.messageQPS`, 30); heartbeats may always. */
  readonly messageRefill: number;
  /** After which a mapper may report once more over DMI. */
  readonly dmiRefill: number;
  /** One millisecond of a device's own cycles (`reportCycle`). */
  readonly deviceMillisecond: number;
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
};

/** All of them divided by the same number. */
export function scaledTimings(timings: EdgeTimings, timeScale: number): EdgeTimings {
  return Object.fromEntries(
    Object.entries(timings).map(([name, ms]) => [name, ms / timeScale]),
  ) as unknown as EdgeTimings;
}
