// Where scenarios run: which cloudcore, which edges, which Kubernetes, and what these can show and do.
import type { Environment } from "./environment.ts";
import { factsOf } from "../../base/error/skep-error.ts";
import { KubeApiError } from "../../cloud/kube/client.ts";
import type { Scenario } from "./scenario.ts";

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
  "cloud-metrics",
  "enrolment",
  "quic",
  "csi",
  "services",
  "legacy-edges",
  "edge-control",
  "edge-stores",
  "edge-messages",
  "exec",
] as const;
export type Capability = typeof capabilities[number];

/** What each of them means, for the reference. */
export const capabilityMeanings: Readonly<Record<Capability, string>> = {
  pods: "pods run on its edges",
  configmaps: "edges get the configmaps and secrets of their pods",
  "device-twins": "its edges have devices that report and take values",
  "link-faults": "the links of its edges can be made bad",
  "cloudcore-restart": "its cloudcore can be stopped and started",
  "cloudcore-settings": "its cloudcore can be set up as the scenario says",
  "cloudcore-kill": "its cloudcore has a process that can be killed",
  "apiserver-restart": "its API server can be restarted",
  "cloud-messages": "what its cloudcore does with each message can be seen",
  "cloud-metrics": "the gauges and counters of its cloudcore can be seen",
  enrolment: "its edges enrol with a token",
  quic: "its cloudcore has a QUIC server",
  csi: "its cloudcore has the CSI driver's socket",
  services: "its cloudcore sends services and endpoints to edges of v1.1",
  "legacy-edges": "it takes edges of KubeEdge v1.1, with devices of v1alpha1",
  "edge-control": "its edges can be started, stopped and made to ask or to fail",
  "edge-stores": "what its edges hold, and what their devices have, can be seen",
  "edge-messages": "what its edges send and get can be seen",
  exec: "commands may be run on this machine: --allow-exec",
};

/**
 * Whether an environment that can't be made for one scenario can't be made for the others either. All else is that scenario's own: its
 * devices, its brokers, a fleet that isn't ready in time.
 */
export function isOfTheRun(error: unknown): boolean {
  if (error instanceof SuppressedError) return isOfTheRun(error.suppressed);
  if (error instanceof KubeApiError) return [401, 403].includes(error.status.code);
  return factsOf(error)?.endsRun === true;
}

/** A target that turns out to lack what a scenario needs, such as Nodes: the scenario is skipped with the reason. */
export class LackingError extends Error {}

/** A place to run scenarios. */
export interface Target {
  readonly name: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly timeScale: number;
  readonly patience: number;
  /** Scenarios that may run at the same time: each in a world of its own, or one by one in one that they share. */
  readonly parallel: number;
  /** What is on the label `skep/run` of everything that is made in a cluster of others. */
  readonly run: string;
  /** An environment for one scenario. Rejects with LackingError where it turns out to lack what the scenario needs, and where it can't be opened: then nothing is left running. */
  open(scenario: Scenario, seed: number, signal: AbortSignal): Promise<Environment>;
  close(): Promise<void>;
}
