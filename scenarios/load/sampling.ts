// Takes a sample once a second: what each process uses, what the edges report, what the cloudcore tells.
import { usageOf } from "../../base/process/usage.ts";
import type { EdgeProcesses } from "./edge-processes.ts";
import { addedTo, type HubMetrics, hubMetrics } from "./hub-metrics.ts";
import type { GaugeName } from "./metrics.ts";
import type { Operations } from "./operations.ts";
import type { Recorder, Sample } from "./recorder.ts";
import type { LoadTarget } from "./target.ts";

/** Where the numbers come from, and where they go. */
export interface SamplerDeps {
  readonly target: LoadTarget;
  readonly edges: EdgeProcesses;
  readonly operations: Operations;
  readonly recorder: Recorder;
  /** By how many milliseconds this process's timers were late, at most, since the last call. */
  readonly lag: () => number;
}

/** What only grows, at one moment. */
type Totals = Readonly<Record<"up" | "down" | "operations", number>> & { readonly at: number };

/** Milliseconds between two reads of the cloudcore's metrics. */
const METRICS_MS = 5000;

export class Sampler {
  readonly #deps: SamplerDeps;
  /** By process: its processor time at the last sample. */
  readonly #usage = new Map<string, { readonly at: number; readonly cpu: number }>();
  #before: Totals | undefined;
  #hub: HubMetrics | undefined;
  #hubReadAt = -Infinity;

  constructor(deps: SamplerDeps) {
    this.#deps = deps;
  }

  /** A sample of `now` (Unix milliseconds), which the recorder has, too. The last one has the cloudcore's metrics in any case. */
  async sample(now: number, isLast = false): Promise<Sample> {
    const { edges, lag, recorder, target } = this.#deps;
    const [cloudcore, api, generator] = await Promise.all([
      target.usage("cloudcore"),
      target.usage("api"),
      usageOf(process.pid),
    ]);
    await this.#readHub(now, isLast);
    const fleet = edges.haveReported ? { cpu: edges.sum("cpu"), rss: edges.sum("rss") } : undefined;
    const gauges: Partial<Record<GaugeName, number>> = {};
    for (const [name, usage] of Object.entries({ cloudcore, api, generator, fleet })) {
      if (usage === undefined) continue;
      const before = this.#usage.get(name);
      this.#usage.set(name, { at: now, cpu: usage.cpu });
      if (name !== "generator") gauges[`${name}.rss` as GaugeName] = usage.rss;
      if (before !== undefined && now > before.at) {
        gauges[`${name}.cpu` as GaugeName] = Math.max(0, usage.cpu - before.cpu) * 1000 / (now - before.at);
      }
    }
    if (edges.haveReported) Object.assign(gauges, this.#ofFleet(now));
    gauges["generator.lag"] = Math.max(lag(), edges.lag);
    return recorder.sample(now, gauges);
  }

  #ofFleet(now: number): Partial<Record<GaugeName, number>> {
    const { edges, operations } = this.#deps;
    const totals = { up: edges.sum("up"), down: edges.sum("down"), operations: operations.begun, at: now };
    const before = this.#before;
    this.#before = totals;
    const rate = (of: "up" | "down" | "operations") =>
      before === undefined || now <= before.at
        ? undefined
        : Math.max(0, totals[of] - before[of]) * 1000 / (now - before.at);
    const rates = { "messages.up": rate("up"), "messages.down": rate("down"), operations: rate("operations") };
    return {
      ...Object.fromEntries(Object.entries(rates).filter(([, value]) => value !== undefined)),
      edges: edges.sum("edges"),
      "edges.connected": edges.sum("connected"),
      "edges.ready": edges.sum("ready"),
      "pods.running": edges.sum("podsRunning"),
    };
  }

  async #readHub(now: number, isLast: boolean): Promise<void> {
    if (!isLast && now - this.#hubReadAt < METRICS_MS) return;
    this.#hubReadAt = now;
    const { recorder, target } = this.#deps;
    const texts = await target.metrics();
    if (texts.length === 0) return;
    const read = hubMetrics(texts);
    const before = this.#hub;
    this.#hub = read;
    if (before === undefined) return;
    recorder.count("resends", Math.max(0, read.resends - before.resends));
    recorder.addCounts("downstream.wait", addedTo(before.wait, read.wait));
    recorder.addCounts("downstream.acked", addedTo(before.acked, read.acked));
  }
}
