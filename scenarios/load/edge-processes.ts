// The fleet of a load run: edges in processes of their own, told what to do and asked what they saw.
import { type ChildProcess, spawn } from "node:child_process";
import { eachLine } from "../../base/process/lines.ts";
import { selfCommand } from "../../base/process/self-command.ts";
import type { HubAddress } from "../../edge-sim/edgehub/hub-address.ts";
import { edgeName } from "../../edge-sim/fleet/fleet.ts";
import type { EdgeOperation } from "../../edge-sim/load/edge-load.ts";
import type { EdgeCommand, EdgeProcessReport } from "../../edge-sim/load/protocol.ts";
import type { ScenarioCohort } from "../cohorts/cohort.ts";
import type { FaultWords } from "../files/faults.ts";

/** Characters of a report: one may name many objects. */
const MAX_LINE = 16 * 1024 * 1024;
const STOP_MS = 5000;
const LAST_WORD = "skep: ";

export class EdgeProcesses implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];
  readonly #cohorts: readonly ScenarioCohort[];
  readonly #names: readonly string[];
  readonly #indices: ReadonlyMap<string, number>;
  readonly #ended = Promise.withResolvers<string>();
  readonly #reports: (EdgeProcessReport | undefined)[] = [];
  #onReport: (report: EdgeProcessReport) => void = () => {};
  #isStopping = false;

  /** Starts them; they load what they need, and wait for `configure`. */
  constructor(cohorts: readonly ScenarioCohort[], count: number) {
    this.#cohorts = cohorts;
    this.#names = cohorts.flatMap(({ cohort, count: edges = 1 }) =>
      Array.from({ length: edges }, (_, i) => edgeName(cohort, i))
    );
    this.#indices = new Map(this.#names.map((name, i) => [name, i]));
    for (let index = 0; index < count; index++) {
      const [program, ...args] = selfCommand();
      const child = spawn(program, [...args, "load-edges"], {
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, SKEP_PARENT: String(process.pid) },
      });
      this.#children.push(child);
      let lastWord = "";
      eachLine(child.stdout, MAX_LINE, (line) => {
        if (!line.startsWith("{")) return;
        const report = JSON.parse(line) as EdgeProcessReport;
        this.#reports[index] = report;
        this.#onReport(report);
      });
      eachLine(child.stderr, MAX_LINE, (line) => {
        lastWord = line.startsWith(LAST_WORD) ? line.slice(LAST_WORD.length) : line;
      });
      const ended = (why: string) => {
        if (!this.#isStopping) this.#ended.resolve(`a process of the fleet ended: ${lastWord === "" ? why : lastWord}`);
      };
      // A process that has ended does not read what is written to it.
      child.stdin?.on("error", () => {});
      child.once("error", (error) => ended(error.message));
      child.once("close", (code, signal) => ended(String(code ?? signal)));
    }
    process.once("exit", this.#kill);
  }

  /** Tells them where the cloud is, each a hub in turn, with whatever else they need; each begins with its part of the edges when it is told to start. */
  configure(
    hubs: readonly HubAddress[],
    config: Readonly<Record<string, unknown>>,
    labels: Readonly<Record<string, string>>,
    onReport: (report: EdgeProcessReport) => void,
  ): void {
    this.#onReport = onReport;
    const cohorts = this.#cohorts.map((cohort) => ({ ...cohort, labels: { ...cohort.labels, ...labels } }));
    for (const [index, child] of this.#children.entries()) {
      this.#write(child, {
        ...config,
        hub: hubs[index % hubs.length],
        cohorts,
        shard: { index, of: this.#children.length },
      });
    }
  }

  readonly #kill = (): void => {
    for (const child of this.#children) child.kill("SIGKILL");
  };

  /** Their process numbers. */
  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => pid ?? []);
  }

  /** The names of all edges. */
  get names(): readonly string[] {
    return this.#names;
  }

  get haveReported(): boolean {
    return this.#reports.length > 0;
  }

  /** The sum over all processes, as last reported. */
  sum(
    key: "edges" | "connected" | "ready" | "podsRunning" | "devices" | "connections" | "up" | "down" | "rss" | "cpu",
  ): number {
    return this.#reports.reduce((sum, report) => sum + (report?.[key] ?? 0), 0);
  }

  /** Milliseconds by which their timers were late, at most, in the last reports. */
  get lag(): number {
    // The array has holes until the first processes have reported: spread, they would be no numbers.
    return this.#reports.reduce((most, report) => Math.max(most, report?.lag ?? 0), 0);
  }

  /** Why an edge is not connected, where one says so. */
  get problem(): string | undefined {
    const { problem, refusal } = this.#reports.find((report) => report?.problem ?? report?.refusal) ?? {};
    return refusal ?? problem;
  }

  /** Settles when one of them has ended by itself, with its last words. */
  get failed(): Promise<string> {
    return this.#ended.promise;
  }

  start(): void {
    this.#all({ do: "start" });
  }

  /** Hands operations to the processes whose edges do them. */
  operate(operations: readonly EdgeOperation[]): void {
    const parts = this.#children.map((): EdgeOperation[] => []);
    for (const operation of operations) parts[this.#processOf(operation.edge)]?.push(operation);
    for (const [i, part] of parts.entries()) {
      if (part.length > 0) this.#write(this.#children[i] as ChildProcess, { do: "operate", operations: part });
    }
  }

  /** The names of a cohort's edges; of all where none is named. */
  namesOf(cohort: string | undefined): readonly string[] {
    if (cohort === undefined) return this.#names;
    const count = this.#cohorts.find((each) => each.cohort === cohort)?.count ?? 1;
    return Array.from({ length: count }, (_, i) => edgeName(cohort, i));
  }

  /** Puts a fault on the links of these edges. */
  disturb(edges: readonly string[], fault: FaultWords): void {
    if (edges.length > 0) this.#all({ do: "fault", edges, fault });
  }

  #processOf(edge: string): number {
    return (this.#indices.get(edge) ?? 0) % this.#children.length;
  }

  #all(command: EdgeCommand): void {
    for (const child of this.#children) this.#write(child, command);
  }

  #write(child: ChildProcess, value: unknown): void {
    child.stdin?.write(`${JSON.stringify(value)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#all({ do: "stop" });
    const late = setTimeout(this.#kill, STOP_MS);
    await Promise.all(
      this.#children.map((child) =>
        child.exitCode !== null || child.signalCode !== null
          ? undefined
          : new Promise<void>((resolve) => child.once("close", () => resolve()))
      ),
    );
    clearTimeout(late);
    process.off("exit", this.#kill);
  }
}
