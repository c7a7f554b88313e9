// Values for a device's properties, from its seed: the same seed gives the same values on every runtime.
import { faker } from "@faker-js/faker/locale/en";
import type { ModelProperty } from "../../protocol/apis/device.ts";
import type { Random } from "../../base/random/random.ts";

/** Gives the next value of a property, as the text that travels. */
export type ValueSource = () => string;

/** A value as people write it. */
export type Scalar = string | number | boolean;

/**
 * How a property's values come about; exactly one key. They follow one another report by report, not by the clock: so a
 * fleet reports the same values at any pace of the machine.
 */
export interface ValueSpec {
  /** Always this. */
  readonly constant?: Scalar;
  /** One after the other, each for `hold` reports (1), and again from the first. */
  readonly step?: { readonly values: readonly Scalar[]; readonly hold?: number };
  /** Up and down between the two, once in `period` reports, beginning in the middle. */
  readonly sine?: { readonly low: number; readonly high: number; readonly period: number };
  /** From one to the other in that many reports, and again. */
  readonly ramp?: { readonly from: number; readonly to: number; readonly reports: number };
  /** Each at most `step` away from the one before, never out of the bounds. Begins in the middle. */
  readonly randomWalk?: { readonly low: number; readonly high: number; readonly step: number };
  /** One of these at random. */
  readonly enumerated?: readonly Scalar[];
  /** Grows by `by` (1) with each report, from `from` (0). */
  readonly counter?: { readonly from?: number; readonly by?: number };
}

const DEFAULT_LOW = 0;
const DEFAULT_HIGH = 100;
const FRACTION_DIGITS = 2;

/**
 * The configured source, or one that fits the property's type and bounds: its numbers stay within `minimum` and
 * `maximum` (0 and 100 without). Numbers of an INT are rounded, others have two digits at most.
 */
export function valueSource(property: ModelProperty, random: Random, spec?: ValueSpec): ValueSource {
  return spec === undefined ? anyValue(property, random) : specified(spec, property, random);
}

function specified(spec: ValueSpec, { type }: ModelProperty, random: Random): ValueSource {
  const { constant, counter, enumerated, ramp, randomWalk, sine, step } = spec;
  const digits = type === "INT" ? 0 : FRACTION_DIGITS;
  const number = (value: number) => String(Number(value.toFixed(digits)));
  const byTurn = (valueAt: (turn: number) => string): ValueSource => {
    let turn = 0;
    return () => valueAt(turn++);
  };
  if (constant !== undefined) return () => String(constant);
  if (step !== undefined) {
    const { hold = 1, values } = step;
    return byTurn((turn) => String(values[Math.floor(turn / hold) % values.length]));
  }
  if (sine !== undefined) {
    const { high, low, period } = sine;
    return byTurn((turn) =>
      number((low + high) / 2 + (high - low) / 2 * Math.sin(2 * Math.PI * (turn % period) / period))
    );
  }
  if (ramp !== undefined) {
    const { from, reports, to } = ramp;
    return byTurn((turn) => number(reports === 1 ? from : from + (to - from) * (turn % reports) / (reports - 1)));
  }
  if (randomWalk !== undefined) {
    const { high, low, step } = randomWalk;
    let value = (low + high) / 2;
    return () => {
      const current = number(value);
      value = Math.min(high, Math.max(low, value + step * (2 * random.next() - 1)));
      return current;
    };
  }
  if (enumerated !== undefined) return () => String(enumerated[random.integer(0, enumerated.length - 1)]);
  const { by = 1, from = 0 } = counter ?? {};
  return byTurn((turn) => number(from + by * turn));
}

function anyValue(property: ModelProperty, random: Random): ValueSource {
  // One faker for all (the package with every language costs a tenth of a second to load): seeded again for each value.
  const seeded = () => {
    faker.seed(random.integer(0, 2 ** 31 - 1));
    return faker;
  };
  const min = numberOr(property.minimum, DEFAULT_LOW);
  const max = Math.max(min, numberOr(property.maximum, DEFAULT_HIGH));
  switch (property.type) {
    case "INT":
      return () => String(seeded().number.int({ min: Math.ceil(min), max: Math.max(Math.ceil(min), Math.floor(max)) }));
    case "FLOAT":
    case "DOUBLE":
      return () => String(seeded().number.float({ min, max, fractionDigits: FRACTION_DIGITS }));
    case "BOOLEAN":
      return () => String(seeded().datatype.boolean());
    case "BYTES":
    case "STREAM":
      return () => seeded().string.hexadecimal({ length: 8, prefix: "" });
    default:
      return () => seeded().word.noun().replace(/[^a-zA-Z0-9-]/g, "-");
  }
}

function numberOr(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return text === undefined || text === "" || !Number.isFinite(value) ? otherwise : value;
}
