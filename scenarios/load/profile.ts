// A load profile: the fleet, what is done with it, how much of it and when, and what must hold.
import type { ScenarioCohort } from "../cohorts/cohort.ts";
import type { FaultWords } from "../files/faults.ts";
import type { Position } from "../files/position.ts";
import type { Threshold } from "./thresholds.ts";

/** The kinds of operations, in the order in which they are explained. */
export const operationKinds = ["pods", "restarts", "configmaps", "reports", "desired", "queries"] as const;
export type OperationKind = typeof operationKinds[number];

/** One kind of operation: its share of all, and how it is done. Times in milliseconds, sizes in bytes. */
export interface Mix {
  readonly kind: OperationKind;
  /** Of all operations, in proportion to the other kinds' shares. */
  readonly share: number;
  /** `pods`: how long one lives from its being Running to its deletion. */
  readonly alive: number;
  /** `configmaps`, `reports`: bytes of a value. */
  readonly size: number;
  /** `configmaps`: how many edges use each one. */
  readonly edges: number;
  /** `configmaps`: how many there are. */
  readonly count: number;
}

export type Shape = "constant" | "ramp" | "step" | "spike" | "soak" | "storm";

/** A fault of a phase: on which edges' links (a share of them), and what. */
export interface PhaseFault extends FaultWords {
  readonly cohort?: string;
  readonly edges?: number;
}

/** One phase. Rates are operations a second (open), users are loops that each wait for their operation (closed). */
export interface Phase {
  readonly name: string;
  readonly shape: Shape;
  readonly model: "open" | "closed";
  /** Milliseconds. */
  readonly for: number;
  /** At the begin and at the end; a constant phase has the same, a spike's second one is its peak. */
  readonly from: number;
  readonly to: number;
  /** `step`: how many. */
  readonly steps: number;
  /** `storm`: the share of the edges that lose their connections at its begin, and for how many milliseconds. */
  readonly lost: number;
  readonly away: number;
  /** What is wrong with links while it lasts. */
  readonly faults: readonly PhaseFault[];
  /** What of the target is killed at its begin, and started again. */
  readonly restart: "api" | "cloudcore" | undefined;
  /** Closed: milliseconds a user waits between two operations, and the part of it that is random. */
  readonly think: number;
  readonly jitter: number;
  /** False for warm-up. */
  readonly isJudged: boolean;
}

/** What is there before anything is measured but joins. */
export interface Standing {
  /** Pods of each edge, and configmaps that each of them uses. */
  readonly podsPerEdge: number;
  readonly configmapsPerPod: number;
}

export interface LoadProfile {
  readonly name: string;
  readonly description: string;
  readonly position: Position;
  /** Where a part of it stands, such as `["fleet", 0, "devices"]`. */
  readonly where: (path: readonly (string | number)[]) => Position;
  readonly seed: number;
  readonly fleet: readonly ScenarioCohort[];
  /** Edges that join a second; undefined as fast as the cloud admits them. */
  readonly joinRate: number | undefined;
  /** Whether edges come with certificates, as those do that have been there before, or enrol with the token. */
  readonly joinWith: "certificates" | "token";
  /** Milliseconds for all to be Ready, and for what stands to be there. */
  readonly joinWithin: number;
  /** Milliseconds after which an operation that nothing was seen of counts as lost. */
  readonly lostAfter: number;
  /** Milliseconds of its own lateness (99th percentile) from which on the generator is to blame. */
  readonly maxLag: number;
  /** Milliseconds; `jitter` is a fraction of each. */
  readonly timings: Readonly<Partial<Record<"heartbeat" | "lease" | "nodeStatus" | "jitter", number>>>;
  readonly standing: Standing;
  readonly phases: readonly Phase[];
  readonly mix: readonly Mix[];
  readonly thresholds: readonly Threshold[];
}

/** How many edges a profile has. */
export function edgesOf({ fleet }: Pick<LoadProfile, "fleet">): number {
  return fleet.reduce((sum, { count = 1 }) => sum + count, 0);
}

/** Milliseconds of all phases. */
export function durationOf({ phases }: Pick<LoadProfile, "phases">): number {
  return phases.reduce((sum, phase) => sum + phase.for, 0);
}
