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
  "enrolment",
  "quic",
  "csi",
  "services",
] as const;
export type Capability = typeof capabilities[number];

/**
 * Whether an environment that can't be made for one scenario can't be made for the others either. All else is that scenario's own: its
 * devices, its brokers, a fleet that isn't ready in time.
 */
export function isOfTheRun(error: unknown): boolean {
  if (error instanceof SuppressedError) return isOfTheRun(error.suppressed);
  if (error instanceof KubeApiError) return [401, 403].includes(error.status.code);
  return factsOf(error)?.endsRun === true;
}

/** A place to run scenarios. */
export interface Target {
  readonly name: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly timeScale: number;
  readonly patience: number;
  /** An environment for one scenario. Rejects where it can't be opened: then nothing is left running. */
  open(scenario: Scenario, seed: number, signal: AbortSignal): Promise<Environment>;
  close(): Promise<void>;
}
