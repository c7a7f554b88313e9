// Where scenarios run: which cloudcore, which edges, which Kubernetes, and what these can show and do.
import { factsOf } from "../../base/error/skep-error.ts";
import type { HopRing } from "../../base/hop/ring.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Clock } from "../../base/time/clock.ts";
import { KubeApiError, type KubeClient } from "../../cloud/kube/client.ts";
import type { Fleet } from "../../edge-sim/fleet/fleet.ts";
import type { Scenario } from "../engine/scenario.ts";

/** What a target can show or do; a scenario that needs more is skipped with the reason. */
export const capabilities = [
  "pods",
  "configmaps",
  "device-twins",
  "link-faults",
  "cloudcore-restart",
  "cloudcore-settings",
  "cloudcore-kill",
  "apiserver-restart",
  "cloud-messages",
  "enrolment",
  "quic",
  "csi",
  "services",
] as const;
export type Capability = typeof capabilities[number];

/**
 * Whether a world that can't be made for one scenario can't be made for the others either. All else is that scenario's own: its
 * devices, its brokers, a fleet that isn't ready in time.
 */
export function isOfTheRun(error: unknown): boolean {
  if (error instanceof KubeApiError) return [401, 403].includes(error.status.code);
  return factsOf(error)?.endsRun === true;
}

/** Milliseconds the parts took to be there. */
export interface StartTimes {
  readonly api: number;
  readonly certificates: number;
  readonly cloudcore: number;
  readonly join: number;
}

/** How an edge comes that comes later. */
export interface JoinOptions {
  /** The edge whose certificate it shows. */
  readonly certificateOf?: string;
  readonly token?: string;
  /** The node it says it is, where that isn't its name. */
  readonly node?: string;
}

/** What a scenario runs in. */
export interface World {
  readonly kube: KubeClient;
  readonly namespace: string;
  /** Whether others use this cluster, too: what is in other namespaces is not the scenario's. */
  readonly isShared: boolean;
  /** A value with the names of edges that a scenario writes, such as `gw-0`, as these are called here. */
  named<T>(value: T): T;
  readonly fleet: Fleet;
  /** The hops of both ends, as far as they are ours. */
  readonly hops: HopRing;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly seed: number;
  /** What `within` is multiplied by. */
  readonly patience: number;
  /** Which nodes a pod or device (`namespace/type/name`) has been bound to; undefined where the target can't tell. */
  owners(path: string): ReadonlySet<string> | undefined;
  /** Counters and gauges of the cloud, as far as it is ours. */
  metrics(): Record<string, number>;
  /** Stops cloudcore, or kills it (SIGKILL) where it has a process of its own; settles when it is gone. */
  stopCloudcore(kill?: boolean): Promise<void>;
  /** Starts it again at the same ports. */
  startCloudcore(): Promise<void>;
  restartApiserver(): Promise<void>;
  /** An edge that comes later: it may come with another edge's certificate. */
  join(name: string, options: JoinOptions): Promise<void>;
  /** Path of cloudcore's socket for the CSI driver, where it has one that can be reached from here. */
  readonly csi: string | undefined;
  /** The bootstrap token that the fleet came with; empty where it had another way in. */
  readonly token: string;
  readonly times: StartTimes;
  /** Everything is stopped; tells what was left behind, which is a fault of ours. */
  stop(): Promise<readonly string[]>;
}

/** A place to run scenarios. */
export interface Target {
  readonly name: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly timeScale: number;
  readonly patience: number;
  /** A world for one scenario. Rejects where it can't be had: then nothing is left running. */
  open(scenario: Scenario, seed: number, signal: AbortSignal): Promise<World>;
  close(): Promise<void>;
}
