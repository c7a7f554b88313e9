// Scenarios as code: the steps of the files as functions, from the same table, for TypeScript modules and for test runners.
import { basename } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { silentLogger } from "../../base/log/logger.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import type { Fleet } from "../../edge-sim/fleet/fleet.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { compileHopFilter } from "../../base/hop/filter.ts";
import { stepKinds, stepTable } from "../steps/table.ts";
import { localTarget } from "../targets/local.ts";
import type { Environment } from "../model/environment.ts";
import type { InvariantResult } from "../model/result.ts";
import { ScenarioRun } from "../engine/run.ts";
import { defaultFleet } from "../cohorts/cohort.ts";
import { type Position, ScenarioError } from "../files/position.ts";
import { type Scenario, type ScenarioFields, type Step, type StepRunner, withDefaults } from "../model/scenario.ts";
import { parserDefs, scenarioSchema } from "../engine/schema.ts";

/** Steps that only make sense in files: code has loops and promises. */
type FileOnly = "repeat" | "parallel";
type Kinds = typeof stepKinds;

/** The words a step may carry beside its own. */
export type StepWords = Pick<Partial<Step>, "name" | "id" | "timeout" | "if" | "each" | "as">;

/**
 * The steps as functions. Each takes what the step takes in a file and resolves with its value: the object for `apply`,
 * `patch` and `expect`. Rejects where the step does not hold.
 */
export type StepFunctions = {
  readonly [Name in keyof Kinds as Name extends FileOnly ? never : Name]: (
    args: Parameters<Kinds[Name]["run"]>[1],
    words?: StepWords,
  ) => Promise<unknown>;
};

/** What a scenario in code works with. */
export interface Session extends StepFunctions {
  /** The API, by the client that skep itself uses. */
  readonly kube: KubeClient;
  readonly namespace: string;
  readonly fleet: Fleet;
  readonly environment: Environment;
  /** @deprecated The former name of `environment`. */
  readonly world: Environment;
  /** Messages seen so far, oldest first; `where` is CEL over the fields of a hop record. */
  messages(where?: string): HopRecord[];
}

const fileOnly: ReadonlySet<string> = new Set(["repeat", "parallel"] satisfies FileOnly[]);
const ajv = new Ajv({ allErrors: true, strict: false });
let checkOptions: ValidateFunction | undefined;
const checks = new Map<string, ValidateFunction>();

/** The session of a run: every function does its step there, as a step of a file is done. */
export function sessionOf(run: StepRunner, environment: Environment, position: Position): Session {
  const functions = Object.values(stepKinds).filter(({ name }) => !fileOnly.has(name)).map(({ name }) => [
    name,
    async (args: unknown, words: StepWords = {}) => {
      const at = callerIn(position);
      refuse(name, args, at);
      return await run.step({ kind: name, args, ...words, position: at });
    },
  ]);
  return {
    ...Object.fromEntries(functions) as StepFunctions,
    kube: environment.kube,
    namespace: environment.namespace,
    fleet: environment.fleet,
    environment,
    world: environment,
    messages: (where = "true") => [...environment.hops.since(0)].filter(compileHopFilter(where)),
  };
}

/** The line of the scenario's own module that is calling now; its first one where the stack doesn't tell. */
function callerIn(position: Position): Position {
  const found = (new Error().stack ?? "").split("\n").find((line) => line.includes(basename(position.file)));
  const [, line = 1, column = 1] = /:(\d+):(\d+)\)?$/.exec(found ?? "") ?? [];
  return { file: position.file, line: Number(line), column: Number(column) };
}

function refuse(name: string, args: unknown, position: Position): void {
  const { schema } = stepKinds[name as keyof typeof stepKinds];
  const check = checks.get(name) ?? ajv.compile({ ...schema, $defs: parserDefs });
  checks.set(name, check);
  if (check(args)) return;
  throw new ScenarioError(position, `${name}: ${ajv.errorsText(check.errors, { dataVar: name })}`);
}

/** Options of a scenario, as in a file. */
export type ScenarioOptions = Omit<ScenarioFields, "seed"> & { readonly seed?: number };

/** A scenario in code: what `export default scenario(…)` of a module that `skep run` is given exports. */
export interface CodedScenario {
  readonly name: string;
  readonly options: ScenarioOptions;
  readonly body: (session: Session) => Promise<void>;
}

/** Names a scenario, with its options where it has any. */
export function scenario(name: string, body: CodedScenario["body"]): CodedScenario;
export function scenario(name: string, options: ScenarioOptions, body: CodedScenario["body"]): CodedScenario;
export function scenario(
  name: string,
  options: ScenarioOptions | CodedScenario["body"],
  body?: CodedScenario["body"],
): CodedScenario {
  if (typeof options === "function") return { name, options: {}, body: options };
  return { name, options, body: body ?? (() => Promise.resolve()) };
}

/** A coded scenario as the engine has them. */
export function scenarioFromCode({ body, name, options }: CodedScenario, file: string): Scenario {
  const position = { file, line: 1, column: 1 };
  checkOptions ??= ajv.compile({ ...scenarioSchema, $defs: parserDefs });
  if (!checkOptions({ skep: 1, name, steps: [{ wait: "1ms" }], ...options })) {
    throw new ScenarioError(position, ajv.errorsText(checkOptions.errors, { dataVar: "scenario" }));
  }
  return {
    name,
    position,
    ...withDefaults(options),
    steps: [],
    catch: [],
    finally: [],
    body: (run, environment) => body(sessionOf(run, environment, position)),
  };
}

/** How an environment is started from a test. */
export interface StartOptions extends Pick<ScenarioOptions, "cloudcore" | "fleet" | "seed"> {
  /** How many edges, where `fleet` does not say. Default: 10, with two thermometers each. */
  readonly edges?: number;
  /** Divides every protocol timer. Default: 10. */
  readonly timeScale?: number;
  /** The first of a block of ports. Default: free ones. */
  readonly port?: number;
}

/** An environment that stands until it is stopped. */
export interface Started extends Session, AsyncDisposable {
  /** Judges what must hold at the end of every scenario; waits for what has to settle. */
  judge(): Promise<InvariantResult[]>;
  /** Stops everything. Rejects where something was left behind. */
  stop(): Promise<void>;
}

/** Starts an API, a cloudcore and a fleet, and resolves when every edge is Ready. `await using` stops them. */
export async function start(options: StartOptions = {}): Promise<Started> {
  const { cloudcore = {}, edges, port = 0, seed = 1, timeScale = 10 } = options;
  const fleet = options.fleet ??
    defaultFleet.map((cohort) => ({ ...cohort, ...(edges === undefined ? {} : { count: edges }) }));
  const target = localTarget({ logger: silentLogger, timeScale, bind: "127.0.0.1", port });
  const coded = scenarioFromCode(
    { name: "a test", options: { fleet, cloudcore }, body: () => Promise.resolve() },
    "code",
  );
  const controller = new AbortController();
  const environment = await target.open(coded, seed, controller.signal);
  const run = new ScenarioRun(
    coded,
    environment,
    controller.signal,
    { progress: {}, signal: controller.signal, steps: stepTable },
    () => false,
  );
  let stopped: Promise<void> | undefined;
  const stop = () =>
    stopped ??= (async () => {
      controller.abort(new Error("stopped"));
      await run.settled().catch(() => {});
      const left = await environment.stop();
      await target.close();
      if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    })();
  return {
    ...sessionOf(run, environment, coded.position),
    judge: () => run.judge(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
