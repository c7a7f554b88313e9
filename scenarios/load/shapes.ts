// How much load a phase makes at each moment, and when its operations are due.
import type { Phase } from "./profile.ts";

/** Where in a spike its peak begins and ends, as shares of the phase. */
const PEAK_FROM = 1 / 3;
const PEAK_TO = 2 / 3;

/** Operations a second, or users, so many milliseconds after a phase began. */
export function loadAt({ for: length, from, shape, steps, to }: Phase, ms: number): number {
  const done = length === 0 ? 1 : Math.min(1, Math.max(0, ms / length));
  switch (shape) {
    case "ramp":
      return from + (to - from) * done;
    case "step":
      return from + (to - from) * Math.min(steps - 1, Math.floor(done * steps)) / Math.max(1, steps - 1);
    case "spike":
      return done >= PEAK_FROM && done < PEAK_TO ? to : from;
    default:
      return from;
  }
}

/** Milliseconds of a step in which the load is taken as the same. */
const GRAIN_MS = 10;
/** What sums of many small numbers may be off by. */
const ROUNDING = 1e-6;

/**
 * When the operations of an open phase are due, in milliseconds since it began: as many as the rate makes up, evenly spread.
 * They don't depend on how long operations take, so a slow target can't lower its own load.
 */
export function* arrivals(phase: Phase): Generator<number> {
  let owed = 0;
  for (let ms = 0; ms < phase.for; ms += GRAIN_MS) {
    const grain = Math.min(GRAIN_MS, phase.for - ms);
    const rate = loadAt(phase, ms + grain / 2) / 1000;
    if (rate <= 0) continue;
    const before = owed;
    owed += rate * grain;
    for (let next = Math.floor(before + ROUNDING) + 1; next <= owed + ROUNDING; next++) {
      yield Math.min(phase.for, ms + (next - before) / rate);
    }
  }
}

/** How many operations an open phase has. */
export function arrivalCount(phase: Phase): number {
  let sum = 0;
  for (let ms = 0; ms < phase.for; ms += GRAIN_MS) {
    const grain = Math.min(GRAIN_MS, phase.for - ms);
    sum += loadAt(phase, ms + grain / 2) * grain / 1000;
  }
  return Math.floor(sum + ROUNDING);
}
