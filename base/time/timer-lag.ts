// How late this process's timers are: whether a fleet is too large for it.
import { type Clock, every } from "./clock.ts";

/** How often it is looked how late timers are. */
const LAG_EVERY_MS = 50;

/** The largest delay of this process's timers since the last call, in milliseconds. */
export function lagOf(clock: Clock): () => number {
  let lag = 0;
  let due = performance.now() + LAG_EVERY_MS;
  every(clock, LAG_EVERY_MS, () => {
    const now = performance.now();
    lag = Math.max(lag, now - due);
    due = now + LAG_EVERY_MS;
  });
  return () => {
    const last = Math.round(lag);
    lag = 0;
    return last;
  };
}
