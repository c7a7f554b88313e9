// How long things took, by flow, counted by whole milliseconds: small enough to be sent to another process every second.

/** Counts of one flow: `[ms, how often]`. */
export type FlowCounts = readonly (readonly [ms: number, count: number])[];

/** Milliseconds beyond which all are counted alike: nobody waits longer for anything here. */
const MOST_MS = 3_600_000;

/** Counts until they are taken. */
export class FlowCounter {
  #flows = new Map<string, Map<number, number>>();

  /** One that took so many milliseconds; less than nothing, by clocks that differ, is nothing. */
  add(flow: string, ms: number): void {
    let counts = this.#flows.get(flow);
    if (counts === undefined) this.#flows.set(flow, counts = new Map());
    const whole = Math.min(MOST_MS, Math.max(0, Math.round(ms)));
    counts.set(whole, (counts.get(whole) ?? 0) + 1);
  }

  /** What was counted since the last call. */
  take(): Record<string, FlowCounts> {
    const taken = Object.fromEntries([...this.#flows].map(([flow, counts]) => [flow, [...counts]]));
    this.#flows = new Map();
    return taken;
  }
}
