// What several targets made of the same scenarios: their outcomes, and how the messages of the others differ from the first one's.
import type { HopRecord } from "../../base/hop/hop.ts";
import type { Environment } from "../model/environment.ts";
import type { RunResult, ScenarioResult, Verdict } from "../model/result.ts";
import type { Scenario } from "../model/scenario.ts";
import { type Difference, diffRecordings } from "../recording/diff.ts";

/** One scenario on one target. */
export interface MatrixCell {
  readonly target: string;
  readonly verdict: Verdict | "not run";
  /** Why it was skipped, or what failed first. */
  readonly reason: string;
  /** Milliseconds. */
  readonly took: number;
  /** Messages that edges sent and got. */
  readonly up: number;
  readonly down: number;
  /** Against the first target, where both ran it: of messages that are told apart by edge, operation and path. */
  readonly differences: readonly Difference[];
}

/** One scenario on all of them. */
export interface MatrixRow {
  readonly name: string;
  readonly file: string;
  readonly cells: readonly MatrixCell[];
}

/** Whether all targets that ran it came to the same, by the same messages. */
export function isAlike({ cells }: MatrixRow): boolean {
  const ran = cells.filter(({ verdict }) => verdict === "passed" || verdict === "failed");
  return new Set(ran.map(({ verdict }) => verdict)).size < 2 &&
    ran.every(({ differences }) => differences.length === 0);
}

/** Differences that are kept of one scenario. */
const KEPT = 50;
/** Hops of edges that are kept of one scenario, to be compared. */
const KEPT_HOPS = 20_000;

/** What edges see: all that is known of every target. */
const atEdges: ReadonlySet<string> = new Set(["edge.write", "edge.read"]);

/** A target's part. */
export class MatrixColumn {
  readonly name: string;
  readonly #first: MatrixColumn | undefined;
  readonly cells = new Map<string, MatrixCell>();
  readonly #seen = new Map<string, readonly HopRecord[]>();
  readonly order: { readonly key: string; readonly name: string; readonly file: string }[] = [];

  constructor(name: string, first: MatrixColumn | undefined) {
    this.name = name;
    this.#first = first;
  }

  /** Takes what the edges of one scenario have seen; of a scenario that is tried again, the last time counts. */
  observed(scenario: Scenario, environment: Environment): void {
    const hops = [...environment.hops.since(0)].filter(({ hop }) => atEdges.has(hop)).slice(-KEPT_HOPS);
    this.#seen.set(keyOf(scenario.name, scenario.position.file), hops.map((hop) => comparable(hop, environment)));
  }

  /** Takes the run as a whole, compares it with the first target's, and forgets what is compared with nothing more. */
  finished(run: RunResult): void {
    for (const result of run.scenarios) {
      const key = keyOf(result.name, result.file);
      const seen = this.#seen.get(key) ?? [];
      const before = this.#first?.cells.get(key)?.verdict === "passed" ? this.#first.#seen.get(key) : undefined;
      const isCompared = before !== undefined && result.verdict === "passed";
      this.order.push({ key, name: result.name, file: result.file });
      this.cells.set(key, {
        ...cellOf(this.name, result),
        up: seen.filter(({ direction }) => direction === "up").length,
        down: seen.filter(({ direction }) => direction === "down").length,
        differences: isCompared ? diffRecordings(before, seen).differences.slice(0, KEPT) : [],
      });
    }
    if (this.#first !== undefined) this.#seen.clear();
  }
}

export class MatrixResult {
  readonly #columns: MatrixColumn[] = [];

  /** The part of one more target. */
  column(name: string): MatrixColumn {
    const column = new MatrixColumn(name, this.#columns[0]);
    this.#columns.push(column);
    return column;
  }

  targets(): string[] {
    return this.#columns.map(({ name }) => name);
  }

  rows(): MatrixRow[] {
    const all = new Map(this.#columns.flatMap(({ order }) => order).map((each) => [each.key, each]));
    return [...all.values()].map(({ file, key, name }) => ({
      name,
      file,
      cells: this.#columns.map((column) => column.cells.get(key) ?? { ...nothing, target: column.name }),
    }));
  }
}

const nothing = { verdict: "not run", reason: "", took: 0, up: 0, down: 0, differences: [] } as const;

function cellOf(target: string, { failures, reason, took, verdict }: ScenarioResult): MatrixCell {
  return { ...nothing, target, verdict, reason: reason || failures[0]?.message || "", took };
}

function keyOf(name: string, file: string): string {
  return `${file}\n${name}`;
}

/** Without what a cluster of others makes different: the scenario's own namespace, the run's label. */
function comparable(hop: HopRecord, { isShared, namespace }: Environment): HopRecord {
  if (!isShared) return hop;
  const without = (text: string) => text.replaceAll(namespace, "default");
  const text = without(hop.text).replaceAll(onlyRunLabel, "").replaceAll(firstRunLabel, "").replaceAll(
    laterRunLabel,
    "",
  );
  return { ...hop, resource: without(hop.resource), text };
}

const firstRunLabel = /"skep\/run":"[^"]*",/g;
const laterRunLabel = /,"skep\/run":"[^"]*"/g;
const onlyRunLabel = /,?"labels":\{"skep\/run":"[^"]*"\}/g;
