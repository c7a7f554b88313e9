// Keeps the last log lines of all levels beside what is printed, so that a person can see an edge's own.
import type { LogLevel } from "./levels.ts";
import type { Fields, Logger } from "./logger.ts";

/** A line. `fields` are those of its logger and its own. */
export interface KeptLine {
  /** Unix milliseconds. */
  readonly time: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Fields;
}

/** Lines kept; the oldest fall out. */
const LINES = 20_000;

/** The last lines of a process. */
export class LogRing {
  readonly #lines: KeptLine[] = [];
  #next = 0;

  /** A logger that keeps each line here, and hands it on. */
  wrap(inner: Logger, fields: Fields = {}): Logger {
    const keep = (level: LogLevel, message: string, own: Fields = {}) => {
      this.#lines[this.#next++ % LINES] = { time: Date.now(), level, message, fields: { ...fields, ...own } };
      inner[level](message, own);
    };
    return {
      debug: (message, own) => keep("debug", message, own),
      info: (message, own) => keep("info", message, own),
      warn: (message, own) => keep("warn", message, own),
      error: (message, own) => keep("error", message, own),
      with: (more) => this.wrap(inner.with(more), { ...fields, ...more }),
    };
  }

  /** The last `count` lines about an edge, oldest first: its own, and those of the cloud that name it. */
  about(node: string, count: number): KeptLine[] {
    const found: KeptLine[] = [];
    for (let i = this.#next - 1; i >= Math.max(0, this.#next - LINES) && found.length < count; i--) {
      const line = this.#lines[i % LINES] as KeptLine;
      if (line.fields.edge === node || line.fields.node === node) found.push(line);
    }
    return found.reverse();
  }
}
