// How devices and their mappers misbehave: desired values refused or delayed, reports that drift or are invalid, silence.
import { Random } from "../../base/random/random.ts";

/** What a device does wrong. Shares are of 1; times are milliseconds of the device's own. */
export interface Misbehaviour {
  /** The share of desired values that it does not apply: its value stays unchanged. */
  readonly refuses?: number;
  /** How long a desired value takes to have an effect; a newer one takes its place. */
  readonly lags?: number;
  /** How much further off each report of a number is than the one before. */
  readonly drifts?: number;
  /** The share of reports that are no value of the property's type. */
  readonly rubbish?: number;
  /** Periodically offline for `for`, then online for `every`; the first online period is random, up to `every`. */
  readonly offline?: { readonly every: number; readonly for: number };
}

/** Each is allowed as a twin's value on the wire, but none is a valid number, boolean or meaningful text. */
const invalidValues: readonly string[] = ["NaN", "-", "null", "undefined", "#REF", "1.2.3", "0x", "@".repeat(512), ""];

/** Decides the faults of one property. Uses its own random stream, so that faults don't change the generated values. */
export class Faults {
  readonly #misbehaviour: Misbehaviour;
  readonly #random: Random;
  #drift = 0;

  constructor(misbehaviour: Misbehaviour, random: Random) {
    this.#misbehaviour = misbehaviour;
    this.#random = random;
  }

  /** Whether the next desired value is refused. */
  refuses(): boolean {
    return this.#happens(this.#misbehaviour.refuses);
  }

  /** What is reported in place of `value`. */
  reported(value: string, type: string): string {
    if (this.#happens(this.#misbehaviour.rubbish)) {
      return invalidValues[this.#random.integer(0, invalidValues.length - 1)] as string;
    }
    const { drifts } = this.#misbehaviour;
    if (drifts === undefined || !["int", "float", "double"].includes(type) || !Number.isFinite(Number(value))) {
      return value;
    }
    this.#drift += drifts;
    return String(Number((Number(value) + this.#drift).toFixed(type === "int" ? 0 : 2)));
  }

  #happens(share = 0): boolean {
    return share > 0 && this.#random.next() < share;
  }
}

/** Those of a device that behaves: one for all, since nothing of it changes. */
export const noErrors = new Faults({}, new Random(0));
