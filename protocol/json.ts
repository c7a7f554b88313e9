// JSON as it is read and written between us and others: whole numbers beyond 2⁵³ keep every digit.

/** Numbers of fewer digits are always exact, so texts without this many digits in a row are parsed without a closer look. */
const LONG = 16;
const whole = /^-?\d+$/;

// Unless another library has set one: JSON.stringify throws at a BigInt, and writes its digits with this (ECMA-262 JSON.rawJSON).
const prototype = BigInt.prototype as { toJSON?: () => unknown };
const raw = JSON as typeof JSON & { rawJSON(text: string): unknown };
if (prototype.toJSON === undefined) {
  Object.defineProperty(prototype, "toJSON", {
    value: function (this: bigint) {
      return raw.rawJSON(this.toString());
    },
    configurable: true,
    writable: true,
  });
}

/**
 * As JSON.parse, but a whole number that no double holds exactly becomes a BigInt, which JSON.stringify writes digit for digit.
 * Throws SyntaxError, too, where it is nested deeper than the stack.
 */
export function parseJson(text: string): unknown {
  if (!hasLong(text)) return JSON.parse(text);
  try {
    return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
  } catch (error) {
    throw error instanceof RangeError ? new SyntaxError("JSON that is nested too deep") : error;
  }
}

/** Whether the text has this many digits in a row: then every sixteenth character hits one, and only these are read. */
function hasLong(text: string): boolean {
  for (let i = LONG - 1; i < text.length; i += LONG) {
    if (!isDigit(text, i)) continue;
    let from = i;
    while (from > 0 && isDigit(text, from - 1)) from--;
    let to = i + 1;
    while (to - from < LONG && isDigit(text, to)) to++;
    if (to - from >= LONG) return true;
  }
  return false;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** The third argument is the value's own text (Node 21 and later, Deno). */
function exact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { source = "" } = context ?? {};
  if (typeof value !== "number" || Number.isSafeInteger(value) || !whole.test(source)) return value;
  // A power of two, say, may be written as it came all the same.
  return String(value) === source ? value : BigInt(source);
}

/** For readers whose every whole number is a BigInt: a number, unless that would lose digits. */
export function narrowed(value: unknown): unknown {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A copy in which BigInts are the nearest numbers, for checks that know no others. The value itself where it has none. */
export function withoutBigInts(value: unknown): unknown {
  return hasBigInt(value) ? rounded(value) : value;
}

function hasBigInt(value: unknown): boolean {
  if (typeof value === "bigint") return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasBigInt);
}

function rounded(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]));
}
