// Where scenarios run: which cloudcore, which edges, which Kubernetes, and what these can show and do.
import type { Capability } from "./capabilities.ts";
import type { Environment } from "./environment.ts";
import { factsOf } from "../../base/error/skep-error.ts";
import { KubeApiError } from "../../cloud/kube/client.ts";
import type { Scenario } from "./scenario.ts";

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
  /** A cohort that it has Nodes for, where edges are not simulated. */
  readonly cohort?: string;
  /** What is on the label `skep/run` of everything that is made in a cluster of others. */
  readonly run: string;
  /** An environment for one scenario. Rejects with LackingError where it turns out to lack what the scenario needs, and where it can't be opened: then nothing is left running. */
  open(scenario: Scenario, seed: number, signal: AbortSignal): Promise<Environment>;
  close(): Promise<void>;
}
