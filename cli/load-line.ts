// What `skep load` shows while it runs: one live line in a terminal, a line every five seconds elsewhere.
import { sampleLine } from "../scenarios/load/lines.ts";
import type { Sample } from "../scenarios/load/recorder.ts";
import type { LoadProgress } from "../scenarios/load/run.ts";

/** Samples between two lines where there is no terminal. */
const EVERY = 5;
/** Columns where the terminal doesn't say. */
const DEFAULT_COLUMNS = 120;

export class LoadLine implements LoadProgress {
  readonly #flags: { readonly json?: boolean; readonly quiet?: boolean };
  readonly #people: NodeJS.WriteStream;
  #samples = 0;
  #isOpen = false;

  constructor(flags: { readonly json?: boolean; readonly quiet?: boolean }) {
    this.#flags = flags;
    this.#people = flags.json ? process.stderr : process.stdout;
  }

  /** Whether all is to be said. */
  get isTalkative(): boolean {
    return this.#flags.quiet !== true;
  }

  say(text: string): void {
    if (!this.#flags.quiet) this.tell(text);
  }

  /** Also where little is to be said. */
  tell(text: string): void {
    this.#people.write(`${this.#clear()}${text}\n`);
  }

  sampled(sample: Sample, phase: string): void {
    if (this.#flags.quiet) return;
    const line = sampleLine(sample, phase);
    if (this.#people.isTTY) {
      this.#people.write(`${this.#clear()}${line.slice(0, (this.#people.columns ?? DEFAULT_COLUMNS) - 1)}`);
      this.#isOpen = true;
    } else if (++this.#samples % EVERY === 0) this.#people.write(`${line}\n`);
  }

  end(): void {
    if (this.#isOpen) this.#people.write(this.#clear());
  }

  #clear(): string {
    if (!this.#isOpen) return "";
    this.#isOpen = false;
    return "\r\x1b[2K";
  }
}
