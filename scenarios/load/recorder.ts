// Collects what a load run measures: a histogram per flow and phase, samples over time, counts, the slowest operations.
import { build, type Histogram } from "hdr-histogram-js";
import type { FlowCounts } from "../../edge-sim/load/flow-counts.ts";
import type { CountName, FlowName, GaugeName } from "./metrics.ts";

/** One moment: Unix milliseconds (in a result, seconds since the first phase began), gauges, and what flows took since the last one. */
export interface Sample {
  readonly at: number;
  readonly gauges: Readonly<Partial<Record<GaugeName, number>>>;
  readonly flows: Readonly<
    Partial<Record<FlowName, { readonly count: number; readonly p50: number; readonly p99: number }>>
  >;
  /** Errors and lost operations since the last sample. */
  readonly errors: number;
}

/** An operation that took long, and what happened on its way: milliseconds since it was due. */
export interface SlowOperation {
  readonly flow: FlowName;
  readonly what: string;
  readonly took: number;
  /** Seconds since the first phase began. */
  readonly at: number;
  readonly hops: readonly { readonly name: string; readonly at: number }[];
}

/** Samples kept; of more, each two become one. */
const MAX_SAMPLES = 7200;
/** Slow operations kept. */
const SLOWEST = 10;
/** Milliseconds that histograms tell apart at most; beyond it all is as slow. */
const HIGHEST_MS = 3_600_000;

/** Of what is told while a phase is judged, all is kept; of other times, samples alone. */
export class Recorder {
  /** By phase, in order; joins come before the first one and belong to none. */
  readonly phases = new Map<string, Map<FlowName, Histogram>>();
  /** All judged time. */
  readonly flows = new Map<FlowName, Histogram>();
  readonly counts: Record<CountName, number> = { lost: 0, errors: 0, replaced: 0, resends: 0, reconnects: 0 };
  readonly reasons = new Map<string, number>();
  readonly slowest: SlowOperation[] = [];
  samples: Sample[] = [];
  #since = new Map<FlowName, Histogram>();
  #errorsSince = 0;
  #phase: Map<FlowName, Histogram> | undefined;
  #isJudged = true;
  /** Warm-up: Unix milliseconds. */
  #unjudgedFrom = Infinity;
  #unjudgedTo = Infinity;

  /** From `now` on all belongs to this phase; to none before the first one and after the last. */
  begin(phase: string | undefined, isJudged: boolean, now: number): void {
    if (this.#isJudged && !isJudged) this.#unjudgedFrom = now;
    if (!this.#isJudged && isJudged) this.#unjudgedTo = now;
    this.#isJudged = isJudged;
    if (phase === undefined) {
      this.#phase = undefined;
      return;
    }
    this.#phase = this.phases.get(phase) ?? new Map<FlowName, Histogram>();
    this.phases.set(phase, this.#phase);
  }

  /** Whether what was due then is judged. Default: what is due now. */
  judges(due?: number): boolean {
    return due === undefined ? this.#isJudged : due < this.#unjudgedFrom || due >= this.#unjudgedTo;
  }

  /** One operation of a flow, in milliseconds. */
  add(flow: FlowName, ms: number, count = 1, isJudged = this.#isJudged): void {
    const value = Math.min(HIGHEST_MS, Math.max(0, Math.round(ms)));
    of(this.#since, flow, 2).recordValueWithCount(value, count);
    if (!isJudged) return;
    of(this.flows, flow).recordValueWithCount(value, count);
    if (this.#phase !== undefined) of(this.#phase, flow).recordValueWithCount(value, count);
  }

  addCounts(flow: FlowName, counts: FlowCounts): void {
    for (const [ms, count] of counts) this.add(flow, ms, count);
  }

  count(name: CountName, by = 1, isJudged = this.#isJudged): void {
    if (name === "errors" || name === "lost") this.#errorsSince += by;
    if (isJudged) this.counts[name] += by;
  }

  /** An error, by its reason: the first hundred reasons are told apart. */
  error(reason: string, by = 1): void {
    this.count("errors", by);
    if (this.reasons.size >= 100 && !this.reasons.has(reason)) return;
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + by);
  }

  /** Keeps it where it is among the slowest. */
  slow(operation: SlowOperation): void {
    const at = this.slowest.findIndex(({ took }) => took < operation.took);
    if (at === -1 && this.slowest.length >= SLOWEST) return;
    this.slowest.splice(at === -1 ? this.slowest.length : at, 0, operation);
    this.slowest.length = Math.min(this.slowest.length, SLOWEST);
  }

  /** How many milliseconds a flow's operation takes at least to be among the slowest. */
  get slowFrom(): number {
    return this.slowest.length < SLOWEST ? 0 : this.slowest.at(-1)?.took ?? 0;
  }

  /** A sample of now, which it returns. */
  sample(at: number, gauges: Sample["gauges"]): Sample {
    const flows = Object.fromEntries(
      [...this.#since].map(([flow, histogram]) => [flow, {
        count: histogram.totalCount,
        p50: histogram.getValueAtPercentile(50),
        p99: histogram.getValueAtPercentile(99),
      }]),
    );
    const sample = { at, gauges, flows, errors: this.#errorsSince };
    this.#since = new Map();
    this.#errorsSince = 0;
    this.samples.push(sample);
    if (this.samples.length > MAX_SAMPLES) this.samples = this.samples.filter((_, i) => i % 2 === 1);
    return sample;
  }
}

function of(flows: Map<FlowName, Histogram>, flow: FlowName, digits: 2 | 3 = 3): Histogram {
  let found = flows.get(flow);
  if (found === undefined) {
    found = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: HIGHEST_MS,
      numberOfSignificantValueDigits: digits,
    });
    flows.set(flow, found);
  }
  return found;
}
