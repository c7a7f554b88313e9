// What goes on in a run, for the console: numbers over time, and moments such as faults and steps.

/** A moment. */
export interface RunMark {
  /** Unix milliseconds. */
  readonly time: number;
  readonly text: string;
}

/** What the console shows. */
export interface RunFacts {
  readonly title: string;
  /** By name: `[time, value]`, oldest first. */
  readonly series: Readonly<Record<string, readonly (readonly [time: number, value: number])[]>>;
  readonly marks: readonly RunMark[];
}

/** Points of a series, and marks; the oldest are forgotten. */
const POINTS = 900;
const MARKS = 500;

/** Collects them. */
export class RunView {
  readonly #series = new Map<string, [number, number][]>();
  readonly #marks: RunMark[] = [];
  title: string;

  constructor(title: string) {
    this.title = title;
  }

  point(name: string, time: number, value: number): void {
    const points = this.#series.get(name) ?? [];
    this.#series.set(name, points);
    points.push([time, value]);
    if (points.length > POINTS) points.shift();
  }

  mark(text: string, time = Date.now()): void {
    this.#marks.push({ time, text });
    if (this.#marks.length > MARKS) this.#marks.shift();
  }

  facts(): RunFacts {
    return { title: this.title, series: Object.fromEntries(this.#series), marks: this.#marks };
  }
}
