// How long acknowledgements took since somebody looked last, as percentiles.
import { build } from "hdr-histogram-js";
import type { HopRing } from "../../base/hop/ring.ts";

/** Milliseconds in which several readers get the same numbers. */
const FRESH_MS = 900;

export class AckTimes {
  readonly #ring: HopRing;
  #position: number;
  #readAt = -Infinity;
  #last: Readonly<Record<string, number>> = {};

  constructor(ring: HopRing) {
    this.#ring = ring;
    this.#position = ring.position;
  }

  /** `ack p50 ms` and `ack p99 ms`; nothing where nothing was acknowledged, or no hops are taken. */
  read(): Readonly<Record<string, number>> {
    if (performance.now() - this.#readAt < FRESH_MS) return this.#last;
    this.#readAt = performance.now();
    const times = build({ highestTrackableValue: 3_600_000 });
    for (const hop of this.#ring.since(this.#position)) {
      if (hop.hop === "hub.ack") times.recordValue(Math.max(0, hop.ack));
    }
    this.#position = this.#ring.position;
    this.#last = times.totalCount === 0
      ? {}
      : { "ack p50 ms": times.getValueAtPercentile(50), "ack p99 ms": times.getValueAtPercentile(99) };
    return this.#last;
  }
}
