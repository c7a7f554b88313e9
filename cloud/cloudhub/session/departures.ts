// Why nodes are not connected: the last refusal or disconnection of each, for people who look for one.
import type { Clock } from "../../../base/time/clock.ts";

/** How a connection ended, or that there was none. */
export interface Departure {
  readonly what: "refused" | "disconnected";
  /** Unix milliseconds. */
  readonly at: number;
  readonly reason: string;
}

/** Nodes whose last departure is remembered; the oldest are forgotten. */
const REMEMBERED = 16_384;

/** The last departure of each node. */
export class Departures {
  readonly #clock: Clock;
  readonly #last = new Map<string, Departure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(node: string): Departure | undefined {
    return this.#last.get(node);
  }

  note(node: string, what: Departure["what"], reason: string): void {
    this.#last.delete(node);
    this.#last.set(node, { what, at: this.#clock.now(), reason });
    const [oldest] = this.#last.keys();
    if (this.#last.size > REMEMBERED && oldest !== undefined) this.#last.delete(oldest);
  }
}
