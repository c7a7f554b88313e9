// Values for a device's properties, from its seed: the same seed gives the same values on every runtime.
import { faker } from "@faker-js/faker/locale/en";
import type { ModelProperty } from "../../protocol/apis/device.ts";
import type { Random } from "../../base/random/random.ts";

/** Gives the next value of a property, as the text that travels. */
export type ValueSource = () => string;

const DEFAULT_LOW = 0;
const DEFAULT_HIGH = 100;

/** A source that fits the property's type and bounds; numbers stay within `minimum` and `maximum` (0 and 100 without). */
export function valueSource(property: ModelProperty, random: Random): ValueSource {
  // One faker for all (the package with every language costs a tenth of a second to load): seeded anew for each value.
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
      return () => String(seeded().number.float({ min, max, fractionDigits: 2 }));
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
