// Times as Kubernetes writes them.

/** The end of the year 9999, Unix milliseconds: RFC 3339 writes no later time. */
const LAST_MS = 253_402_300_799_000;

/** metav1.Time: RFC 3339 in whole seconds. `now` is Unix milliseconds; what lies beyond the year 9999 is written as its end. */
export function secondsOf(now: number): string {
  return new Date(Math.min(now, LAST_MS)).toISOString().replace(/\.\d+Z$/, "Z");
}

/** metav1.MicroTime, as Lease times must be: six digits. `now` is Unix milliseconds. */
export function microsOf(now: number): string {
  return new Date(now).toISOString().replace(/\.(\d+)Z$/, ".$1000Z");
}
