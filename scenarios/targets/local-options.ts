// How the local target is configured.
import type { Logger } from "../../base/log/logger.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import type { KubernetesBinaries, KubernetesImage } from "./kubernetes-image.ts";
import type { Capability } from "../model/capabilities.ts";

/** Which cloudcore serves the edges: ours in this process or in one of its own, KubeEdge's program or a container, or one that runs already. */
export type CloudcoreChoice =
  | { readonly runs: "here" | "process" }
  | { readonly runs: "go"; readonly program: string; readonly replicas?: number }
  | { readonly runs: "container"; readonly image: string; readonly isOurs: boolean; readonly replicas?: number }
  | { readonly runs: "elsewhere"; readonly address: HubAddress };

/** Which edgecore, and the containers that its pods become. */
export interface EdgecoreChoice {
  readonly edgecore: string;
  readonly isImage: boolean;
  /** Socket of a container runtime (CRI); undefined for a simulated one of each edge's own, in which every image is there and nothing is started. */
  readonly runtime?: string;
}

/** How scenarios are run here. */
export interface LocalOptions {
  readonly logger: Logger;
  /** What reports call it. Default: what it is made of. */
  readonly name?: string;
  readonly timeScale: number;
  readonly bind: string;
  /** The first of a block of ports: API, hub, enrolment. Without it, or 0, each environment has a free block. */
  readonly port?: number;
  /** Bytes for the messages of each scenario. Default: `limits.hopBytes`. */
  readonly hopBytes?: number;
  /** A cluster instead of the embedded API, and the context in it that is meant. */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** A Kubernetes that Docker starts for the run, instead. */
  readonly image?: KubernetesImage | KubernetesBinaries;
  /** Default: ours, in this process. */
  readonly cloudcore?: CloudcoreChoice;
  /** By cohort: labels (`KEY=VALUE`) of Nodes that are there and take the place of simulated edges. */
  readonly nodes?: Readonly<Record<string, string>>;
  /** Real edges that are started in the place of simulated ones. */
  readonly edgecore?: EdgecoreChoice;
  /** Timers that are not KubeEdge's own, before they are scaled. Milliseconds. */
  readonly timings?: TargetTimings;
  /** What `within` is multiplied by. Default: by what it is made of. */
  readonly patience?: number;
  readonly with?: readonly Capability[];
  readonly without?: readonly Capability[];
  /** What everything is labelled with that is made in a cluster of others. Default: a random one. */
  readonly run?: string;
  /** What is appended to the names of a scenario's edges there. Default: a random one for each scenario. */
  readonly suffix?: () => string;
  /** Use a cluster that another cloudcore has served, with its CA. */
  readonly takeOver?: boolean;
}

/** Milliseconds. */
export interface TargetTimings {
  readonly heartbeat?: number;
  readonly reconnectWait?: number;
  readonly lease?: number;
  /** Of our cloudcore. */
  readonly ackRetry?: number;
}
