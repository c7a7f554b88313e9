// What a scenario runs in: a Kubernetes API, a cloudcore, edges, and the messages between them.
import type { HopRing } from "../../base/hop/ring.ts";
import type { Logger } from "../../base/log/logger.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { ApiFault } from "../../cloud/apiserver/http/faults.ts";
import type { Inspector } from "../../cloud/inspector.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import type { Capability } from "./capabilities.ts";
import type { KeptObjects } from "./kept-objects.ts";
import type { Fleet } from "../../edge-sim/fleet/fleet.ts";

/** Milliseconds the parts took to be there. */
export interface StartTimes {
  readonly api: number;
  readonly certificates: number;
  readonly cloudcore: number;
  readonly join: number;
}

/** Options of an edge that joins later. */
export interface JoinOptions {
  /** The edge whose certificate it shows. */
  readonly certificateOf?: string;
  readonly token?: string;
  /** The node name it connects with. Default: its own. */
  readonly node?: string;
}

/** What a scenario runs in. */
export interface Environment {
  readonly kube: KubeClient;
  readonly namespace: string;
  /** What the target can show and do. */
  readonly capabilities: ReadonlySet<Capability>;
  /** Whether others use this cluster, too: what is in other namespaces is not the scenario's. */
  readonly isShared: boolean;
  /** What everything is labelled with that is made in a cluster of others; empty elsewhere. */
  readonly labels: Readonly<Record<string, string>>;
  /** What is made outside the scenario's namespace, and removed at its end; undefined where the cluster is the scenario's own. */
  readonly kept: KeptObjects | undefined;
  /** A value with the names of edges that a scenario writes, such as `gw-0`, as these are called here. */
  named<T>(value: T): T;
  /** Whether variables must have been replaced before: names here are not made of those that the scenario writes. */
  readonly namesWhole: boolean;
  /** The edges of a cohort, as they are called here; none where there is no such cohort. */
  edgesOf(cohort: string): readonly string[];
  readonly fleet: Fleet;
  /** The hops of both ends, as far as they are ours. */
  readonly hops: HopRing;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly seed: number;
  /** Cloudcores that serve at the same time. */
  readonly cloudcores: number;
  /** How many times faster than KubeEdge's its timers are. */
  readonly timeScale: number;
  /** What `within` is multiplied by. */
  readonly patience: number;
  /** Which nodes an object (`namespace/type/name`) has been bound to, or was used at; undefined where the target can't tell. */
  owners(path: string): ReadonlySet<string> | undefined;
  /** What cloudcore knows of nodes and objects, where it is ours and in this process. */
  inspector(): Inspector | undefined;
  /** Counters and gauges of the cloud, as far as it is ours and answers. */
  metrics(): Promise<Record<string, number>>;
  /** Stops cloudcore, or kills it (SIGKILL) where it has a process of its own; settles when it has stopped. Of several: all, or that one. */
  stopCloudcore(kill?: boolean, replica?: number): Promise<void>;
  /** Starts it again at the same ports. */
  startCloudcore(replica?: number): Promise<void>;
  /** SIGSTOP, or SIGCONT, for a cloudcore with a process of its own. */
  freezeCloudcore(isFrozen: boolean, replica?: number): void;
  restartApiserver(): Promise<void>;
  /**
   * Makes the API server fail for all but the scenario itself, in addition to how it does already; the returned function ends this fault
   * alone. Without a fault all is well again.
   */
  disturbApiserver(fault?: ApiFault): () => void;
  /** Sets the clock of a part of the cloud, or of an edge, so many milliseconds forwards, or back where negative. */
  stepClock(whose: "cloudcore" | "apiserver" | { readonly edge: string }, by: number): void;
  /** An edge that comes later: it may come with another edge's certificate. */
  join(name: string, options: JoinOptions): Promise<void>;
  /** Path of cloudcore's socket for the CSI driver, where it has one that can be reached from here. */
  readonly csi: string | undefined;
  /** The bootstrap token that the fleet came with; empty where it had other credentials. */
  readonly token: string;
  readonly times: StartTimes;
  /** Stops everything; resolves with what was left behind, which is a bug of skep. */
  stop(): Promise<readonly string[]>;
}
