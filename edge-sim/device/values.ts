// Values for a device's properties, from its seed: the same seed gives the same values on every runtime.
import { base, en, Faker } from "@faker-js/faker";
import type { ModelProperty } from "../../protocol/apis/device.ts";
import type { Random } from "../../base/random/random.ts";

/** Gives the next value of a property, as the text that travels. */
export type ValueSource = () => string;

const DEFAULT_LOW = 0;
const DEFAULT_HIGH = 100;

/** A source that fits the property's type and bounds; numbers stay within `minimum` and `maximum` (0 and 100 without). */
export function valueSource(property: ModelProperty, random: Random): ValueSource {
  const faker = new Faker({ locale: [en, base], seed: random.integer(0, 2 ** 31 - 1) });
  const min = numberOr(property.minimum, DEFAULT_LOW);
  const max = Math.max(min, numberOr(property.maximum, DEFAULT_HIGH));
  switch (property.type) {
    case "INT":
      return () => String(faker.number.int({ min: Math.ceil(min), max: Math.max(Math.ceil(min), Math.floor(max)) }));
    case "FLOAT":
    case "DOUBLE":
      return () => String(faker.number.float({ min, max, fractionDigits: 2 }));
    case "BOOLEAN":
      return () => String(faker.datatype.boolean());
    case "BYTES":
    case "STREAM":
      return () => faker.string.hexadecimal({ length: 8, prefix: "" });
    default:
      return () => faker.word.noun().replace(/[^a-zA-Z0-9-]/g, "-");
  }
}

function numberOr(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return text === undefined || text === "" || !Number.isFinite(value) ? otherwise : value;
}
