// Which indexes of a Job are done, written as in its status: `1,3-5,7`.

/** A set of small numbers. */
export class Indexes {
  readonly #known = new Set<number>();

  /** Takes what a status says; what is no number is left out. */
  constructor(text: string) {
    for (const part of text.split(",")) {
      const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
      for (let index = Number(from); index <= Number(to); index++) this.#known.add(index);
    }
  }

  get size(): number {
    return this.#known.size;
  }

  add(index: number): void {
    this.#known.add(index);
  }

  has(index: number): boolean {
    return this.#known.has(index);
  }

  toString(): string {
    const ranges: [from: number, to: number][] = [];
    for (const index of [...this.#known].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === index - 1) last[1] = index;
      else ranges.push([index, index]);
    }
    return ranges.map(([from, to]) => from === to ? String(from) : to === from + 1 ? `${from},${to}` : `${from}-${to}`)
      .join(",");
  }
}
