// The numbers of a cloudcore of ours, read from its Prometheus metrics: resends, and how long messages took in the hub.

/** What is read. Histograms are by their upper bounds in seconds, cumulative as Prometheus has them. */
export interface HubMetrics {
  readonly resends: number;
  readonly wait: ReadonlyMap<number, number>;
  readonly acked: ReadonlyMap<number, number>;
}

/** Reads them out of the texts of all hubs, summed up; what is not there is 0 or empty. */
export function hubMetrics(texts: readonly string[]): HubMetrics {
  const value = (name: string) =>
    texts.reduce((sum, text) => sum + Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0), 0);
  const buckets = (name: string) => {
    const sums = new Map<number, number>();
    for (const text of texts) {
      for (const [, le, count] of text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\d+)`, "gm"))) {
        const bound = le === "+Inf" ? Infinity : Number(le);
        sums.set(bound, (sums.get(bound) ?? 0) + Number(count));
      }
    }
    return sums;
  };
  return {
    resends: value("skep_hub_resends_total"),
    wait: buckets("skep_hub_wait_seconds"),
    acked: buckets("skep_hub_ack_seconds"),
  };
}

/** What was added to a histogram since before, as counts by whole milliseconds: each bucket at its upper bound, the last one at the one before. */
export function addedTo(
  before: ReadonlyMap<number, number>,
  now: ReadonlyMap<number, number>,
): (readonly [ms: number, count: number])[] {
  const added: (readonly [number, number])[] = [];
  let below = 0;
  let bound = 0;
  for (const [le, count] of [...now].sort(([a], [b]) => a - b)) {
    const since = count - (before.get(le) ?? 0);
    bound = le === Infinity ? bound : le;
    if (since > below) added.push([Math.ceil(bound * 1000), since - below]);
    below = since;
  }
  return added;
}
