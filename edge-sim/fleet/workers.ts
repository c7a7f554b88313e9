// A fleet in several processes: each worker runs one shard and writes its totals once a second as a JSON line.
import { SkepError } from "../../base/error/skep-error.ts";
import { eachLine } from "../../base/process/lines.ts";
import { type ChildProcess, spawn } from "node:child_process";
import type { FleetTotals } from "./fleet.ts";

/** A worker's report of its edges. */
export interface FleetReport extends FleetTotals {
  /** Milliseconds by which its timers were late, at most, since the last report. */
  readonly lag: number;
  /** Why the cloud refused all its edges for good. */
  readonly refusal?: string;
  /** Why the first of them isn't connected. */
  readonly problem?: string;
}

/** How they are started. */
export interface WorkersOptions {
  /** How many there are. */
  readonly count: number;
  /** Program and arguments of the process with that index. It writes a FleetReport a second, as JSON, on standard output. */
  readonly command: (index: number) => readonly string[];
  /** In the environment, beside this process's own. */
  readonly env: Readonly<Record<string, string>>;
  /** What they say on standard error, line by line. */
  readonly onLine: (line: string) => void;
}

/** A worker process that exited by itself; the message is its last error line. */
export class WorkerError extends SkepError {
  readonly code = "SKEP_WORKER";
}

/** Characters of a line of a process; longer ones are cut off there. */
const MAX_LINE = 64 * 1024;
/** Milliseconds for all of them to stop; then they are killed. */
const STOP_MS = 4000;
/** The prefix of skep's error messages. */
const LAST_WORD = "skep: ";

export class FleetWorkers {
  readonly #options: WorkersOptions;
  readonly #children: ChildProcess[] = [];
  readonly #reports: (FleetReport | undefined)[] = [];
  readonly #failed = Promise.withResolvers<never>();
  #isStopping = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#failed.promise.catch(() => {});
  }

  /** Starts them all. `failed` rejects with WorkerError as soon as one of them ends by itself. */
  start(): void {
    const { command, count, env, onLine } = this.#options;
    for (let index = 0; index < count; index++) {
      const [program = "", ...args] = command(index);
      const child = spawn(program, args, {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...env, SKEP_PARENT: String(process.pid) },
      });
      this.#children.push(child);
      let lastWord = "";
      eachLine(child.stdout, MAX_LINE, (line) => {
        const report = reportIn(line);
        if (report !== undefined) this.#reports[index] = report;
      });
      eachLine(child.stderr, MAX_LINE, (line) => {
        if (line.startsWith(LAST_WORD)) lastWord = line.slice(LAST_WORD.length);
        else onLine(line);
      });
      const ended = (why: string) => {
        if (!this.#isStopping) this.#failed.reject(new WorkerError(lastWord === "" ? why : lastWord));
      };
      child.once("error", (error) => ended(`a process of the fleet could not be started: ${error.message}`));
      child.once("close", (code, signal) => ended(`a process of the fleet ended with ${code ?? signal}`));
    }
    // Whatever ends this process takes them along.
    process.once("exit", this.#kill);
  }

  readonly #kill = (): void => {
    for (const child of this.#children) child.kill("SIGKILL");
  };

  /** Their process numbers. */
  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => pid ?? []);
  }

  /** Rejects with WorkerError when one of them ends by itself; never settles otherwise. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Totals of all, as last reported; undefined until one has reported. */
  report(): FleetReport | undefined {
    const reports = this.#reports.filter((report) => report !== undefined);
    return reports.length === 0 ? undefined : merged(reports);
  }

  /** Ends them; settles when their processes have exited. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const exits = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).map(
      (child) => {
        const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
        child.kill("SIGTERM");
        const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
        return closed.finally(() => clearTimeout(late));
      },
    );
    await Promise.all(exits);
    process.off("exit", this.#kill);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The sum of several; of lags the worst, a refusal only where all that have edges are refused. */
export function merged(reports: readonly FleetReport[]): FleetReport {
  const sum = (key: keyof FleetTotals) => reports.reduce((total, report) => total + report[key], 0);
  const refusals = reports.filter(({ edges }) => edges > 0).map(({ refusal }) => refusal);
  const [refusal] = refusals;
  const problem = reports.find(({ problem }) => problem !== undefined)?.problem;
  return {
    edges: sum("edges"),
    connected: sum("connected"),
    ready: sum("ready"),
    podsRunning: sum("podsRunning"),
    devices: sum("devices"),
    connections: sum("connections"),
    up: sum("up"),
    down: sum("down"),
    lag: Math.max(...reports.map(({ lag }) => lag)),
    ...(refusal === undefined || refusals.includes(undefined) ? {} : { refusal }),
    ...(problem === undefined ? {} : { problem }),
  };
}

function reportIn(line: string): FleetReport | undefined {
  try {
    const read = JSON.parse(line) as FleetReport;
    return typeof read.edges === "number" ? read : undefined;
  } catch {
    return undefined;
  }
}
