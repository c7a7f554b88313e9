// One timer wheel for the whole process: ten thousand edges set timers all the time and cancel most of them.
import type { Clock, Timer } from "./clock.ts";

/** Resolution in milliseconds. Protocol timers are seconds; scaled by ten they are still a hundred ticks. */
const TICK_MS = 5;
/** Slots of the wheel: 1024 × 5 ms is one turn of about five seconds. A power of two, so that a mask finds the slot. */
const SLOTS = 1024;

/** A timer in its slot; its own handle, since there are several for each of ten thousand edges. */
class Entry implements Timer {
  readonly due: number;
  readonly run: () => void;
  readonly #drop: (entry: Entry) => void;

  constructor(due: number, run: () => void, drop: (entry: Entry) => void) {
    this.due = due;
    this.run = run;
    this.#drop = drop;
  }

  cancel(): void {
    this.#drop(this);
  }
}
/** The longest delay of `setTimeout`, milliseconds. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * A hashed timer wheel on one native timer. Setting and cancelling cost O(1) however many timers there are.
 * Timers fire in the order they are due, never early, up to one tick late.
 */
export class TimerWheel implements Clock {
  readonly #slots: Set<Entry>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #origin = performance.now();
  #current = 0;
  #pending = 0;
  #armedFor = Infinity;
  #native: ReturnType<typeof setTimeout> | undefined;

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  /** How many timers are set: a gauge, and what a leak test looks at. */
  get pending(): number {
    return this.#pending;
  }

  after(ms: number, run: () => void): Timer {
    // An idle wheel stands still; let it catch up with the present first, or the scan would walk the idle hours.
    if (this.#pending === 0) this.#current = this.#tickNow();
    const elapsed = performance.now() - this.#origin;
    const due = Math.max(Math.ceil((elapsed + Math.max(0, ms)) / TICK_MS), this.#current + 1);
    const entry = new Entry(due, run, this.#drop);
    this.#slots[due & (SLOTS - 1)]?.add(entry);
    this.#pending++;
    if (due < this.#armedFor) this.#arm(due);
    return entry;
  }

  readonly #drop = (entry: Entry): void => {
    const slot = this.#slots[entry.due & (SLOTS - 1)];
    if (slot?.delete(entry) && --this.#pending === 0) this.#disarm();
  };

  #tickNow(): number {
    return Math.floor((performance.now() - this.#origin) / TICK_MS);
  }

  #arm(due: number): void {
    this.#disarm();
    this.#armedFor = due;
    const delay = Math.max(0, due * TICK_MS - (performance.now() - this.#origin));
    // A longer delay would fire at once; the turn looks again.
    this.#native = setTimeout(() => this.#turn(), Math.min(Math.ceil(delay), MAX_DELAY_MS));
  }

  #disarm(): void {
    if (this.#native !== undefined) clearTimeout(this.#native);
    this.#native = undefined;
    this.#armedFor = Infinity;
  }

  #turn(): void {
    this.#native = undefined;
    this.#armedFor = Infinity;
    const now = this.#tickNow();
    while (this.#current < now && this.#pending > 0) {
      this.#current++;
      this.#fire(this.#slots[this.#current & (SLOTS - 1)] as Set<Entry>);
    }
    if (this.#pending > 0 && this.#native === undefined) this.#arm(this.#nextDue());
    else if (this.#pending > 0) this.#arm(Math.min(this.#armedFor, this.#nextDue()));
  }

  #fire(slot: Set<Entry>): void {
    for (const entry of [...slot]) {
      // A callback of this very tick may have cancelled its neighbour.
      if (entry.due > this.#current || !slot.delete(entry)) continue;
      this.#pending--;
      entry.run();
    }
  }

  #nextDue(): number {
    for (let tick = this.#current + 1; tick <= this.#current + SLOTS; tick++) {
      for (const entry of this.#slots[tick & (SLOTS - 1)] as Set<Entry>) if (entry.due === tick) return tick;
    }
    // Nothing within a turn: look again when the wheel has gone round once.
    return this.#current + SLOTS;
  }
}
