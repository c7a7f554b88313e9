// What a run has found: the data that every report is made of.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { StartTimes } from "./environment.ts";
import type { Difference } from "./match.ts";
import type { Position } from "../files/position.ts";

export type Verdict = "passed" | "failed" | "skipped";

/** Why something did not hold. */
export interface Failure {
  readonly message: string;
  readonly details: readonly string[];
  /** The file's line, where a step is to blame. */
  readonly position?: Position;
  /** What was found instead of what the step's arguments say. */
  readonly differences?: readonly Difference[];
  /** The last messages that had to do with it, oldest first. */
  readonly hops: readonly HopRecord[];
}

/** One step that was run. Milliseconds since the scenario began. */
export interface StepResult {
  readonly name: string;
  readonly kind: string;
  readonly line: number;
  readonly began: number;
  readonly took: number;
  readonly verdict: Verdict;
}

/** What a `show` step found. */
export interface Shown {
  readonly what: string;
  readonly lines: readonly string[];
}

/** One invariant: held, broken, or not judged because the target could not show what it needs. */
export interface InvariantResult {
  readonly name: string;
  readonly verdict: "held" | "broken" | "not judged";
  readonly details: readonly string[];
}

/** The milliseconds of one flow: `[ms, how often]`, ascending. `down pod`, `up query configmap`. */
export interface Latencies {
  readonly flow: string;
  readonly counts: readonly (readonly [ms: number, count: number])[];
}

/** What came of one scenario. */
export interface ScenarioResult {
  readonly name: string;
  readonly file: string;
  readonly tags: readonly string[];
  readonly seed: number;
  readonly verdict: Verdict;
  /** How often it was tried; `flaky` where it held on a later try only, `earlier` what failed before. */
  readonly tries: number;
  readonly flaky: boolean;
  readonly earlier: readonly Failure[];
  /** True for one whose files are wrong, so that nothing of it was run; it counts as failed. */
  readonly refused?: boolean;
  /** Why it was skipped; empty otherwise. */
  readonly reason: string;
  /** Milliseconds, environment included. */
  readonly took: number;
  readonly times: StartTimes | undefined;
  readonly steps: readonly StepResult[];
  readonly failures: readonly Failure[];
  /** What `show` steps put there. */
  readonly shown: readonly Shown[];
  readonly invariants: readonly InvariantResult[];
  /** How long messages took, by flow. */
  readonly latencies: readonly Latencies[];
  /** Messages seen, and how many were sent, acknowledged, sent again, dropped. */
  readonly messages: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** The recording of its messages, beside the reports, where one was made. */
  readonly recording?: string;
}

/** What ran it. */
export interface Versions {
  readonly skep: string;
  /** Node or Deno, with its version. */
  readonly runtime: string;
  readonly machine: string;
}

/** A whole run. */
export interface RunResult {
  readonly target: string;
  /** The label `skep/run` of everything that it made in a cluster of others. */
  readonly run: string;
  readonly seed: number;
  readonly timeScale: number;
  readonly patience: number;
  readonly versions: Versions;
  readonly startedAt: number;
  readonly took: number;
  /** True when the run was ended before all scenarios had their turn. */
  readonly interrupted: boolean;
  /** Names of scenarios that had no turn. */
  readonly notRun: readonly string[];
  /** Invariants that were judged in one scenario at least, and those for which the target showed too little. */
  readonly judged: readonly string[];
  readonly notJudged: readonly string[];
  readonly scenarios: readonly ScenarioResult[];
  readonly firstMessage: FirstMessage | undefined;
}

/** From the start of the process to the first message an edge acknowledged, in milliseconds, with its parts. */
export interface FirstMessage {
  readonly total: number;
  readonly load: number;
  readonly api: number;
  readonly certificates: number;
  /** The rest of cloudcore's start. */
  readonly cloudcore: number;
  readonly join: number;
}
