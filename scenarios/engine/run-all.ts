// Runs many scenarios: some at the same time, again where they failed and that was asked for, until one fails for good.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { Target } from "../model/target.ts";
import type { Environment } from "../model/environment.ts";
import type { FirstMessage, RunResult, ScenarioResult } from "../model/result.ts";
import type { Progress } from "../model/progress.ts";
import { type RunOptions, runScenario } from "./run.ts";
import type { Scenario } from "../model/scenario.ts";
import { versionsOf } from "../model/versions.ts";

/** How the run goes. */
export interface RunAllOptions
  extends Pick<RunOptions, "steps" | "wrongFiles" | "opened" | "closed" | "record" | "observed"> {
  readonly target: Target;
  /** Used where a scenario has no seed of its own, or for all with `forceSeed`. */
  readonly seed: number;
  readonly forceSeed: boolean;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Scenarios at the same time. Default: 1. Each needs an environment of its own. */
  readonly parallel?: number;
  /** How often a scenario that failed is tried again. */
  readonly retries?: number;
  /** No further scenario is begun once one has failed. */
  readonly bail?: boolean;
}

/** What came of it; `impossible` is why the rest could not be run, where it could not. */
export interface RunAll {
  readonly run: RunResult;
  readonly impossible: unknown;
}

/** Runs them all. Rejects where nothing at all could be run. */
export async function runAll(scenarios: readonly Scenario[], options: RunAllOptions): Promise<RunAll> {
  const { bail = false, parallel = 1, progress, seed, signal, target } = options;
  const startedAt = Date.now();
  const results: (ScenarioResult | undefined)[] = scenarios.map(() => undefined);
  let firstMessage: FirstMessage | undefined;
  let impossible: unknown;
  let next = 0;
  // The first environment has the machine for itself until it is open: its start is what a user waits for, and is printed.
  const { promise: firstIsOpen, resolve: firstOpened } = Promise.withResolvers<void>();
  const isOver = () =>
    signal.aborted || impossible !== undefined || (bail && results.some((result) => result?.verdict === "failed"));
  const worker = async () => {
    while (next < scenarios.length && !isOver()) {
      const index = next++;
      const scenario = scenarios[index] as Scenario;
      progress.began?.(scenario, index, scenarios.length);
      const beforeOpening = Date.now();
      const opened = (environment: Environment) => {
        if (index === 0) firstMessage ??= firstMessageOf(environment, beforeOpening);
        firstOpened();
        options.opened?.(environment);
      };
      try {
        const result = await runWithRetries(scenario, options, opened);
        results[index] = result;
        progress.ended?.(result, index, scenarios.length);
      } catch (error) {
        // A target that can't be opened for one scenario can't be for the others; what has run is reported all the same.
        impossible ??= error;
      }
      firstOpened();
    }
  };
  const others = Array.from({ length: Math.min(parallel, scenarios.length) - 1 }, () => firstIsOpen.then(worker));
  await Promise.all([worker(), ...others]);
  // What has run is reported all the same.
  await target.close().catch((error) => impossible ??= error);
  const done = results.filter((result) => result !== undefined);
  if (impossible !== undefined && done.length === 0) throw impossible;
  const run: RunResult = {
    target: target.name,
    run: target.run,
    seed,
    timeScale: target.timeScale,
    patience: target.patience,
    versions: versionsOf(),
    startedAt,
    took: Date.now() - startedAt,
    interrupted: signal.aborted || impossible !== undefined,
    notRun: scenarios.filter((_, i) => results[i] === undefined).map(({ name }) => name),
    ...judgedIn(done),
    scenarios: done,
    firstMessage,
  };
  return { run, impossible };
}

/** Invariants by whether any scenario could show what they need. */
function judgedIn(scenarios: readonly ScenarioResult[]): Pick<RunResult, "judged" | "notJudged"> {
  const all = scenarios.flatMap(({ invariants }) => invariants);
  const judged = new Set(all.filter(({ verdict }) => verdict !== "not judged").map(({ name }) => name));
  const others = new Set(all.map(({ name }) => name).filter((name) => !judged.has(name)));
  return { judged: [...judged], notJudged: [...others] };
}

/** A scenario that passes on a later try is flaky: it counts as passed, and is marked. */
async function runWithRetries(
  scenario: Scenario,
  options: RunAllOptions,
  opened: (environment: Environment) => void,
): Promise<ScenarioResult> {
  const { retries = 0, signal } = options;
  const earlier: ScenarioResult["failures"][number][] = [];
  let last: ScenarioResult | undefined;
  for (let tried = 1;; tried++) {
    const found = await runScenario(scenario, { ...options, opened }).catch((error) => {
      if (last === undefined) throw error;
      return undefined;
    });
    // No environment for another try: the result of the last one counts.
    if (found === undefined) return last as ScenarioResult;
    const flaky = tried > 1 && found.verdict === "passed";
    const result = { ...found, tries: tried, flaky, earlier: [...earlier] };
    const isLast = result.verdict !== "failed" || tried > retries || signal.aborted;
    if (isLast) return result;
    earlier.push(...result.failures);
    last = result;
  }
}

/** From the start of the process, which the launcher has noted, to the first acknowledgement. */
function firstMessageOf(environment: Environment, beforeOpening: number): FirstMessage | undefined {
  const first = firstOf(environment.hops.since(0), (record) => record.hop === "hub.ack");
  if (first === undefined) return undefined;
  const startedAt = Number(process.env.SKEP_STARTED_AT ?? performance.timeOrigin);
  const { api, certificates, cloudcore } = environment.times;
  const total = first.time - startedAt;
  const load = beforeOpening - startedAt;
  return {
    total,
    load,
    api,
    certificates,
    cloudcore,
    join: Math.max(0, total - load - api - certificates - cloudcore),
  };
}

function firstOf(records: Iterable<HopRecord>, is: (record: HopRecord) => boolean): HopRecord | undefined {
  for (const record of records) if (is(record)) return record;
  return undefined;
}
