// Seeded randomness: the same seed gives the same fleet, values and faults on every runtime.

/** A deterministic stream of random numbers. Streams of different names never influence one another. */
export class Random {
  readonly seed: number;
  readonly #name: string;
  #state: [number, number, number, number];

  constructor(seed: number, name = "") {
    this.seed = seed;
    this.#name = name;
    this.#state = hash(`${seed}/${name}`);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** An independent stream; asking twice for the same name gives the same numbers twice. */
  stream(name: string): Random {
    return new Random(this.seed, `${this.#name}/${name}`);
  }

  /** A number in [0, 1). Generator: sfc32, 128 bits of state. */
  next(): number {
    const s = this.#state;
    const t = (((s[0] + s[1]) | 0) + s[3]) | 0;
    s[3] = (s[3] + 1) | 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = (s[2] + (s[2] << 3)) | 0;
    s[2] = (s[2] << 21) | (s[2] >>> 11);
    s[2] = (s[2] + t) | 0;
    return (t >>> 0) / 4294967296;
  }

  /** An integer in [low, high], both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** `value` spread evenly by ± `fraction` of itself. */
  jitter(value: number, fraction: number): number {
    return value * (1 + fraction * (2 * this.next() - 1));
  }
}

/** MurmurHash3-style mixing of a text into four 32-bit words. */
function hash(text: string): [number, number, number, number] {
  const words: [number, number, number, number] = [1779033703, 3144134277, 1013904242, 2773480762];
  const factors = [597399067, 2869860233, 951274213, 2716044179] as const;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    for (let w = 0; w < 4; w++) {
      words[w] = (words[(w + 1) & 3] as number) ^ Math.imul((words[w] as number) ^ code, factors[w] as number);
    }
  }
  return words;
}
