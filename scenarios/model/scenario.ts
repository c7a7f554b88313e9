// A scenario, as read from its file and checked.
import type { ScenarioCohort } from "../cohorts/cohort.ts";
import type { Position } from "../files/position.ts";
import type { Environment } from "./environment.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";

/** What of our cloudcore is other than KubeEdge's defaults. */
export interface ScenarioCloudcore {
  readonly nodeLimit?: number;
  /** How long edges' certificates and bootstrap tokens are good for: durations; the first is divided by the time scale. */
  readonly edgeCertLifetime?: string;
  readonly tokenLifetime?: string;
  /** Whether what edges ask is checked: not, with a line in the log for what they may not, or with refusal. */
  readonly authorization?: "off" | "log" | "on";
  /** With the CSI driver's socket. */
  readonly csi?: boolean;
  /** In a process of its own, which can be killed. */
  readonly process?: boolean;
  /** How many of it serve the same API, behind a balancer. Default: 1. */
  readonly replicas?: number;
}

/** One step: which, with what arguments, and the words that every step may carry. */
export interface Step {
  readonly kind: string;
  readonly args: unknown;
  readonly name?: string;
  readonly id?: string;
  readonly if?: string;
  readonly timeout?: string;
  readonly each?: string;
  readonly as?: Readonly<Record<string, string>>;
  readonly position: Position;
}

/** Runs single steps, for scenarios in code. */
export interface StepRunner {
  /** Resolves with the step's value. */
  step(step: Step): Promise<unknown>;
}

/** One scenario. Durations are texts as written. */
export interface Scenario {
  readonly name: string;
  readonly position: Position;
  /** Where a part of it stands, such as `["fleet", 0, "stages"]`; the scenario itself where it was written in code. */
  readonly where?: (path: readonly (string | number)[]) => Position;
  /** Why it can't be run, where its file is no scenario. */
  readonly refusals?: readonly string[];
  readonly tags: readonly string[];
  readonly needs: readonly string[];
  readonly seed: number | undefined;
  readonly timeout: string;
  readonly fleet: readonly ScenarioCohort[];
  readonly cloudcore: ScenarioCloudcore;
  readonly steps: readonly Step[];
  readonly catch: readonly Step[];
  readonly finally: readonly Step[];
  /** What a scenario in code does instead of steps. */
  readonly body?: (run: StepRunner, environment: Environment) => Promise<void>;
}

/** Options of a scenario beside its name and its steps. */
export type ScenarioFields = Partial<Pick<Scenario, "tags" | "needs" | "seed" | "timeout" | "fleet" | "cloudcore">>;

/** The fields, with their defaults. */
export function withDefaults(fields: ScenarioFields): Required<ScenarioFields> {
  return {
    tags: fields.tags ?? [],
    needs: fields.needs ?? [],
    seed: fields.seed,
    timeout: fields.timeout ?? "60s",
    fleet: fields.fleet ?? [],
    cloudcore: fields.cloudcore ?? {},
  };
}

/** Names one Kubernetes object; the namespace is the scenario's where none is given. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** What `apply` and `delete` take: files, objects, or several of them. */
export type Manifest = string | KubeObject | readonly (string | KubeObject)[];
