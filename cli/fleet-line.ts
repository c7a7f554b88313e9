// What `skep fleet` shows: one live line in a terminal, a line for each change elsewhere, JSON where it is asked for.
import type { FleetReport } from "../edge-sim/fleet/workers.ts";

/** Milliseconds below which a rate would say nothing. */
const LEAST_MS = 500;

export class FleetLine {
  readonly #flags: { readonly json?: boolean; readonly quiet?: boolean };
  readonly #edges: number;
  /** Whether each report is written as JSON, for a caller that sums the reports of several fleets. */
  readonly #tellsAll: boolean;
  readonly #people: NodeJS.WriteStream;
  #before: { readonly up: number; readonly down: number; readonly at: number } | undefined;
  #rates = "";
  #last = "";
  #isReady = false;

  constructor(flags: { readonly json?: boolean; readonly quiet?: boolean }, edges: number, tellsAll: boolean) {
    this.#flags = flags;
    this.#edges = edges;
    this.#tellsAll = tellsAll && flags.json === true;
    this.#people = flags.json ? process.stderr : process.stdout;
  }

  /** Something beside the line. */
  say(text: string): void {
    if (!this.#flags.quiet) this.#people.write(`${this.#clear()}${text}\n`);
  }

  show(report: FleetReport | undefined): void {
    if (report === undefined) return;
    // Some processes may not have reported yet.
    const line = lineOf({ ...report, edges: this.#edges });
    const text = `${line}${this.#pace(report)}`;
    const becameReady = report.ready === this.#edges && !this.#isReady;
    this.#isReady ||= becameReady;
    if (this.#tellsAll) process.stdout.write(`${JSON.stringify(report)}\n`);
    else if (becameReady) {
      this.#people.write(`${this.#clear()}${text}\nready\n`);
      if (this.#flags.json) process.stdout.write(`${JSON.stringify({ ...report, ready: true })}\n`);
    } else if (this.#people.isTTY) this.#people.write(`${this.#clear()}${text}`);
    else if (line !== this.#last && !this.#flags.quiet) this.#people.write(`${text}\n`);
    this.#last = line;
  }

  end(): void {
    if (this.#people.isTTY) this.#people.write("\n");
  }

  #clear(): string {
    return this.#people.isTTY ? "\r\x1b[2K" : "";
  }

  /** Messages a second since the last report, and the lag. */
  #pace({ down, lag, up }: FleetReport): string {
    const at = performance.now();
    const before = this.#before;
    const ms = before === undefined ? 0 : at - before.at;
    if (before === undefined || ms >= LEAST_MS) {
      const each = (now: number, then: number) => Math.round((now - then) * 1000 / ms);
      if (before !== undefined) this.#rates = `, ${each(up, before.up)}/s up, ${each(down, before.down)}/s down`;
      this.#before = { up, down, at };
    }
    return `${this.#rates}, lag ${lag} ms`;
  }
}

function lineOf({ connected, connections, devices, edges, podsRunning, ready }: FleetReport): string {
  const again = Math.max(0, connections - edges);
  return `${edges} edges: ${connected} connected, ${ready} Ready, ${podsRunning} pods running, ${devices} devices, ${again} reconnects`;
}
