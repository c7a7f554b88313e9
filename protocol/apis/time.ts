// Times as Kubernetes writes them.

/** The end of the year 9999, Unix milliseconds: RFC 3339 writes no later time. */
const LAST_MS = 253_402_300_799_000;

/** metav1.Time: RFC 3339 in whole seconds. `now` is Unix milliseconds; what lies beyond the year 9999 is written as its end. */
export function secondsOf(now: number): string {
  const second = Math.floor(Math.min(now, LAST_MS) / 1000);
  if (second !== last.second) last = { second, text: new Date(second * 1000).toISOString().replace(".000Z", "Z") };
  return last.text;
}

/** Most times that are written are of the same second as the one before. */
let last = { second: Number.NaN, text: "" };

/** metav1.MicroTime, as Lease times must be: six digits. `now` is Unix milliseconds. */
export function microsOf(now: number): string {
  return new Date(now).toISOString().replace(/\.(\d+)Z$/, ".$1000Z");
}
