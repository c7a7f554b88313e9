// Times as Kubernetes writes them.

/** metav1.Time: RFC 3339 in whole seconds. `now` is Unix milliseconds. */
export function secondsOf(now: number): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
}

/** metav1.MicroTime, as Lease times must be: six digits. `now` is Unix milliseconds. */
export function microsOf(now: number): string {
  return new Date(now).toISOString().replace(/\.(\d+)Z$/, ".$1000Z");
}
