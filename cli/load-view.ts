// A load run as the console shows it: its gauges and flows over time, its phases and faults as marks.
import type { Sample } from "../scenarios/load/recorder.ts";
import { RunView } from "../scenarios/tap/run-view.ts";

export class LoadView {
  #view = new RunView("skep load");
  #phase = "";
  #latest: Readonly<Record<string, number>> = {};

  /** The gauges of the last second. */
  get latest(): Readonly<Record<string, number>> {
    return this.#latest;
  }

  /** Begins a run of this name; runs of a search for a limit each have their own. */
  of(name: string): RunView {
    this.#phase = "";
    return this.#view = new RunView(`skep load: ${name}`);
  }

  /** Something that happened. */
  say(text: string): void {
    this.#view.mark(text);
  }

  sampled({ at, errors, flows, gauges }: Sample, phase: string): void {
    if (phase !== this.#phase) this.#view.mark(`phase ${phase}`, at);
    this.#phase = phase;
    this.#latest = { ...gauges, errors };
    for (const [name, value] of Object.entries(this.#latest)) this.#view.point(name, at, value);
    for (const [flow, { p50, p99 }] of Object.entries(flows)) {
      this.#view.point(`${flow} p50 ms`, at, p50);
      this.#view.point(`${flow} p99 ms`, at, p99);
    }
  }
}
