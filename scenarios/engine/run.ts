// Runs scenarios: an environment for each, its steps, its invariants, its verdict.
import { Environment as CelEnvironment } from "@marcbachmann/cel-js";
import type { HopRecord } from "../../base/hop/hop.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import { reasonOf } from "../../base/log/logger.ts";
import type { StepTable } from "../model/step-kind.ts";
import type { Progress } from "../model/progress.ts";
import { StepFailure } from "../model/step-failure.ts";
import { isOfTheRun, LackingError, type Target } from "../model/target.ts";
import type { Environment } from "../model/environment.ts";
import { DEFAULT_WITHIN, type StepContext } from "../model/context.ts";
import { substitute, unknownVariable, valueAt, type Variables } from "../files/variables.ts";
import { milliseconds } from "../files/duration.ts";
import { judgeInvariants } from "./invariants.ts";
import { latenciesOf } from "./latencies.ts";
import type { Failure, InvariantResult, ScenarioResult, Shown, StepResult } from "../model/result.ts";
import { defaultFleet } from "../cohorts/cohort.ts";
import { needsOf } from "./needs.ts";
import type { Scenario, Step } from "../model/scenario.ts";

export interface RunOptions {
  readonly target: Target;
  /** The kinds of steps that there are. */
  readonly steps: StepTable;
  /** What is wrong with the files that a scenario names: a line each. Such a scenario fails without being run. */
  readonly wrongFiles: (scenario: Scenario) => Promise<readonly string[]>;
  /** Used where a scenario has no seed of its own, or for all with `forceSeed`. */
  readonly seed: number;
  readonly forceSeed: boolean;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Called when a scenario's environment is there. */
  readonly opened?: (environment: Environment) => void;
  /** Called when it has been stopped. */
  readonly closed?: (environment: Environment) => void;
  /** Called at the end of its steps, before the environment is stopped. */
  readonly observed?: (scenario: Scenario, environment: Environment) => void;
  /** Keeps the hops of a scenario that has failed; resolves with the file's name, beside the reports. */
  readonly record?: (scenario: Scenario, environment: Environment) => Promise<string>;
}

/** Milliseconds for the steps of `catch`, and as many for those of `finally`; and after an interruption. */
const FINALLY_MS = 10_000;
const INTERRUPTED_FINALLY_MS = 1000;
/** Messages shown with a failure. */
const SHOWN_HOPS = 16;

/** One scenario, from its environment to its verdict. Rejects only where there can be no environment: then nothing has been run. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioResult> {
  const { target } = options;
  const seed = options.forceSeed ? options.seed : scenario.seed ?? options.seed;
  const began = performance.now();
  const base = {
    name: scenario.name,
    file: scenario.position.file,
    tags: scenario.tags,
    seed,
    steps: [],
    failures: [],
    shown: [],
    tries: 1,
    flaky: false,
    earlier: [],
    latencies: [],
    invariants: [],
    messages: 0,
    metrics: {},
    times: undefined,
  };
  const lacking = [...needsOf(scenario, options.steps)].filter((need) =>
    !(target.capabilities as ReadonlySet<string>).has(need)
  );
  if (lacking.length > 0) {
    return { ...base, verdict: "skipped", reason: `${target.name} has no ${lacking.join(", ")}`, took: 0 };
  }
  const refusals = scenario.refusals ?? await options.wrongFiles(scenario);
  if (refusals.length > 0) {
    const failures = refusals.map((message) => ({ message, details: [], hops: [] }));
    return { ...base, verdict: "failed", reason: "", refused: true, failures, took: performance.now() - began };
  }
  const timeout = AbortSignal.timeout(milliseconds(scenario.timeout) * target.patience);
  const signal = AbortSignal.any([options.signal, timeout]);
  let environment: Environment;
  try {
    environment = await target.open(
      scenario.fleet.length === 0 ? { ...scenario, fleet: defaultFleet } : scenario,
      seed,
      signal,
    );
  } catch (error) {
    if (options.signal.aborted) {
      return { ...base, verdict: "skipped", reason: reasonOf(options.signal.reason), took: performance.now() - began };
    }
    if (error instanceof LackingError) {
      return { ...base, verdict: "skipped", reason: error.message, took: performance.now() - began };
    }
    if (isOfTheRun(error) && !signal.aborted) throw error;
    const failure = {
      message: `the environment could not be created: ${reasonOf(error)}`,
      details: detailsOf(error),
      hops: [],
    };
    return { ...base, verdict: "failed", reason: "", failures: [failure], took: performance.now() - began };
  }
  options.opened?.(environment);
  const run = new ScenarioRun(scenario, environment, signal, options, () => timeout.aborted);
  await run.steps();
  const invariants = options.signal.aborted ? [] : await run.judge();
  const metrics = await environment.metrics();
  const latencies = latenciesOf(environment.hops.since(0));
  options.observed?.(scenario, environment);
  // What can't be cleaned up is a finding too, and hides no other.
  const left = await environment.stop().catch((error) => [`the environment could not be stopped: ${reasonOf(error)}`]);
  if (!options.signal.aborted) {
    invariants.push({ name: "nothing is left behind", verdict: left.length === 0 ? "held" : "broken", details: left });
  }
  const broken = invariants.filter((invariant) => invariant.verdict === "broken");
  const failures = [
    ...run.failures,
    ...broken.map(({ name, details }) => ({ message: `invariant broken: ${name}`, details, hops: [] })),
  ];
  options.closed?.(environment);
  const isInterrupted = options.signal.aborted && failures.length === 0;
  const recording = failures.length === 0 ? undefined : await options.record?.(scenario, environment).catch((error) => {
    failures.push({ message: `its recording could not be written: ${reasonOf(error)}`, details: [], hops: [] });
    return undefined;
  });
  return {
    ...base,
    verdict: isInterrupted ? "skipped" : failures.length === 0 ? "passed" : "failed",
    reason: isInterrupted ? reasonOf(options.signal.reason) : "",
    took: performance.now() - began,
    times: environment.times,
    steps: run.results,
    failures,
    shown: run.shown,
    invariants,
    latencies,
    messages: environment.hops.position,
    metrics,
    ...(recording === undefined ? {} : { recording }),
  };
}

/** The steps of one scenario in its environment. */
export class ScenarioRun {
  readonly results: StepResult[] = [];
  readonly failures: Failure[] = [];
  readonly shown: Shown[] = [];
  readonly #scenario: Scenario;
  readonly #environment: Environment;
  readonly #signal: AbortSignal;
  readonly #progress: Progress;
  readonly #table: StepTable;
  readonly #interruption: AbortSignal;
  readonly #isLate: () => boolean;
  readonly #began = performance.now();
  readonly #kept: Record<string, unknown>;
  readonly #positions = new Map<string, number>();
  readonly #background: Promise<void>[] = [];

  constructor(
    scenario: Scenario,
    environment: Environment,
    signal: AbortSignal,
    { progress, signal: interruption, steps }: Pick<RunOptions, "progress" | "signal" | "steps">,
    isLate: () => boolean,
  ) {
    this.#scenario = scenario;
    this.#environment = environment;
    this.#signal = signal;
    this.#progress = progress;
    this.#table = steps;
    this.#interruption = interruption;
    this.#isLate = isLate;
    const [ca = "", ...jwt] = environment.token.split(".");
    this.#kept = { NAMESPACE: environment.namespace, TOKEN: environment.token, TOKEN_CA: ca, TOKEN_JWT: jwt.join(".") };
  }

  async steps(): Promise<void> {
    const scenario = this.#scenario;
    const total = scenario.steps.length;
    try {
      for (const [i, step] of scenario.steps.entries()) {
        this.#progress.step?.(scenario, nameOf(step), i, total);
        await this.#step(step, {}, this.#signal, true);
      }
      await scenario.body?.(this, this.#environment);
      await Promise.all(this.#background);
    } catch (error) {
      this.#failed(error);
      await this.#quietly(scenario.catch);
    } finally {
      await Promise.allSettled(this.#background);
      await this.#quietly(scenario.finally);
    }
  }

  /** One step of a scenario in code; resolves with its value. */
  async step(step: Step): Promise<unknown> {
    return await this.#step(step, {}, this.#signal, true);
  }

  /** Waits for what goes on in the background. Rejects with the first of its failures. */
  async settled(): Promise<void> {
    await Promise.all(this.#background);
  }

  async judge(): Promise<InvariantResult[]> {
    try {
      return await judgeInvariants(this.#environment, this.#signal);
    } catch (error) {
      return [{ name: "the invariants could be judged", verdict: "broken", details: [reasonOf(error)] }];
    }
  }

  /** Steps after the end: a failure of theirs is reported but hides no other. */
  async #quietly(steps: readonly Step[]): Promise<void> {
    // Their own time: the scenario's may be over. After an interruption there is little left for all that has to stop.
    const signal = this.#interruption.aborted
      ? AbortSignal.timeout(INTERRUPTED_FINALLY_MS)
      : AbortSignal.any([AbortSignal.timeout(FINALLY_MS), this.#interruption]);
    for (const step of steps) {
      try {
        await this.#step(step, {}, signal, true);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  /** Once, or once for each edge of a cohort; resolves with the last value. */
  async #step(step: Step, variables: Variables, signal: AbortSignal, isShown: boolean): Promise<unknown> {
    let last: unknown;
    const edges = step.each === undefined ? [undefined] : this.#edgesOf(step.each, step);
    for (const edge of edges) {
      last = await this.#once(step, edge === undefined ? variables : { ...variables, EDGE: edge }, signal, isShown);
    }
    return last;
  }

  async #once(step: Step, variables: Variables, outer: AbortSignal, isShown: boolean): Promise<unknown> {
    const began = performance.now();
    const all = { ...this.#kept, ...variables };
    const signal = step.timeout === undefined
      ? outer
      : AbortSignal.any([outer, AbortSignal.timeout(this.#within(step.timeout))]);
    const record = (verdict: StepResult["verdict"]) => {
      if (!isShown) return;
      const name = substitute(nameOf(step), all) as string;
      this.results.push({
        name,
        kind: step.kind,
        line: step.position.line,
        began: began - this.#began,
        took: performance.now() - began,
        verdict,
      });
    };
    if (step.id !== undefined) this.#positions.set(step.id, this.#environment.hops.position);
    try {
      signal.throwIfAborted();
      if (step.if !== undefined && !isTrue(this.#environment.named(step.if), all)) {
        record("skipped");
        return undefined;
      }
      const kind = this.#table.get(step.kind);
      if (kind === undefined) throw new Error(`no step ${step.kind}`);
      const value = await kind.run(this.#context(all, signal), argsOf(step, all, this.#environment) as never);
      for (const [name, path] of Object.entries(step.as ?? {})) this.#kept[name] = valueAt(value, path);
      record("passed");
      return value;
    } catch (error) {
      record("failed");
      throw error instanceof FailedStep ? error : new FailedStep(step, error);
    }
  }

  #context(variables: Variables, signal: AbortSignal): StepContext {
    return {
      environment: this.#environment,
      world: this.#environment,
      scenario: this.#scenario,
      variables,
      signal,
      since: (id) => {
        if (id === undefined) return 0;
        const position = this.#positions.get(id);
        if (position === undefined) throw new StepFailure(`since: no step with the id "${id}" has run`);
        return position;
      },
      within: (duration) => this.#within(duration ?? DEFAULT_WITHIN),
      run: async (steps, more = {}) => {
        for (const step of steps) await this.#step(step, { ...variables, ...more }, signal, false);
      },
      show: (what, lines) => void this.shown.push({ what, lines }),
      background: (work) => {
        work.catch(() => {});
        this.#background.push(work);
      },
    };
  }

  #within(duration: string): number {
    return milliseconds(duration) * this.#environment.patience;
  }

  #edgesOf(cohort: string, step: Step): string[] {
    const names = [...this.#environment.edgesOf(cohort)];
    if (names.length > 0) return names;
    throw new FailedStep(step, new StepFailure(`each: there is no cohort "${cohort}"`));
  }

  #failed(error: unknown): void {
    // A step that an interruption aborted is no failure.
    if (this.#interruption.aborted) return;
    const cause = error instanceof FailedStep ? error.cause : error;
    const about = cause instanceof StepFailure ? cause.about : "";
    const late = this.#isLate() && !(cause instanceof StepFailure);
    const what = error instanceof FailedStep ? nameOf(error.step) : "the scenario";
    const message = late
      ? `${what}: the scenario's ${this.#scenario.timeout} were over`
      : `${what}: ${reasonOf(cause)}`;
    this.failures.push({
      message,
      details: detailsOf(cause),
      ...(cause instanceof StepFailure && cause.differences.length > 0 ? { differences: cause.differences } : {}),
      ...(error instanceof FailedStep ? { position: error.step.position } : {}),
      hops: this.#hopsAbout(about),
    });
  }

  #hopsAbout(about: string) {
    const all = [...this.#environment.hops.since(0)];
    // Edges renew their leases all the time: these messages would hide the relevant ones.
    const isNoise = about.includes("lease")
      ? () => false
      : ({ operation, resource }: HopRecord) => operation === "keepalive" || resource.includes("/lease/");
    const shown = all.filter((hop) => hop.resource.includes(about) && !isNoise(hop)).slice(-SHOWN_HOPS);
    // Reports go to others: what the messages say, secrets among it, stays out of them.
    return shown.map((hop) => ({ ...hop, text: "" }));
  }
}

/** A step that failed, with the reason as its cause. */
class FailedStep extends Error {
  readonly step: Step;
  constructor(step: Step, cause: unknown) {
    super(reasonOf(cause), { cause });
    this.name = "FailedStep";
    this.step = step;
  }
}

function nameOf(step: Step): string {
  if (step.name !== undefined) return step.name;
  const args = step.args as Record<string, unknown> | string;
  if (typeof args === "string") return `${step.kind} ${args}`;
  if (Array.isArray(args)) return step.kind;
  const { at = "", kind = "", name = "", object } = args as Record<string, unknown> & {
    readonly object?: { readonly kind: string; readonly name: string };
  };
  const about = object ?? { kind, name: name || (args as { metadata?: { name?: string } }).metadata?.name || "" };
  return [step.kind, at, about.kind, about.name].filter((word) => word !== "").join(" ");
}

/** Steps whose texts, alone or in a list, are names of files. */
const takesFiles: ReadonlySet<string> = new Set(["apply", "delete", "assert", "run"]);

/**
 * A step's arguments with edge names and variables replaced. Nested steps are replaced only when they run: `$i`
 * means nothing yet.
 */
function argsOf(step: Step, variables: Variables, environment: Environment): unknown {
  if (step.kind === "parallel") return step.args;
  if (step.kind !== "repeat") {
    const unknown = unknownVariable(step.args, variables);
    if (unknown === undefined) {
      return environment.namesWhole
        ? named({ ...step, args: substitute(step.args, variables) }, environment)
        : substitute(named(step, environment), variables);
    }
    const known = Object.keys(variables).map((name) => `$${name}`).join(", ");
    throw new StepFailure(`there is no variable ${unknown} here; there are ${known}`);
  }
  const { steps, ...rest } = step.args as { readonly steps: readonly Step[] };
  return { ...substitute(rest, variables) as object, steps };
}

function named({ args, kind }: Step, environment: Environment): unknown {
  if (!takesFiles.has(kind)) return environment.named(args);
  const isFile = (value: unknown) => typeof value === "string";
  if (typeof args === "object" && args !== null && "objects" in args) {
    const { objects, ...rest } = args;
    return { ...environment.named(rest), objects: named({ args: objects, kind } as Step, environment) };
  }
  if (Array.isArray(args)) return args.map((each) => isFile(each) ? each : environment.named(each));
  return isFile(args) ? args : environment.named(args);
}

const conditions = new CelEnvironment({ unlistedVariablesAreDyn: true });

function isTrue(expression: string, variables: Variables): boolean {
  try {
    return conditions.evaluate(expression, variables as Record<string, unknown>) === true;
  } catch (error) {
    throw new StepFailure(`if: ${expression}`, [reasonOf(error).split("\n")[0] ?? ""]);
  }
}

function detailsOf(error: unknown): string[] {
  if (error instanceof SuppressedError) return detailsOf(error.suppressed);
  return error instanceof SkepError ? [...error.details] : [];
}
