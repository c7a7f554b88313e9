// Kubernetes quantities such as 250m, 1.5Gi or 2e3 (apimachinery `pkg/api/resource/quantity.go`).

/** Decimal suffixes: the power of ten. */
const decimal: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Binary suffixes: the power of two. */
const binary: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

const pattern = /^([+-]?)(?:(\d{1,64})(?:\.(\d{0,64}))?|\.(\d{1,64}))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/;

/**
 * Its value in units of 10^-`digits` (0: whole ones, 3: thousandths), rounded away from zero, as Kubernetes rounds
 * (`Quantity.ScaledValue`). Undefined for what is no quantity. Beyond 2⁵³ the last digits are lost.
 */
export function quantityOf(text: unknown, digits = 0): number | undefined {
  const match = pattern.exec(String(text));
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = match[4] ?? "", , exponent, suffix = ""] = match;
  const tens = digits - fraction.length + (exponent === undefined ? decimal[suffix] ?? 0 : Number(exponent));
  const amount = BigInt(whole + fraction) << BigInt(binary[suffix] ?? 0);
  const scaled = tens >= 0 ? amount * 10n ** BigInt(tens) : roundedUp(amount, 10n ** BigInt(-tens));
  return Number(sign === "-" ? -scaled : scaled);
}

function roundedUp(amount: bigint, unit: bigint): bigint {
  return (amount + unit - 1n) / unit;
}

/** What Kubernetes answers to a text that is no quantity. */
export const QUANTITY_RULE =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const decimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"] as const;
const binarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] as const;

/**
 * A quantity as Kubernetes writes it: without a fraction and with the largest suffix of its family that allows this
 * (`0.5Gi` is `512Mi`, `1000m` is `1`, `1.5` is `1500m`). Undefined for what is no quantity.
 */
export function canonicalQuantity(text: string): string | undefined {
  if (/^(0|[1-9]\d{0,2})$/.test(text)) return text;
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = match[4] ?? "", , exponent, suffix = ""] = match;
  let amount = BigInt(whole + fraction);
  const minus = sign === "-" ? "-" : "";
  if (amount === 0n) return "0";
  const bits = binary[suffix];
  if (bits !== undefined) {
    const shifted = amount << BigInt(bits);
    const unit = 10n ** BigInt(fraction.length);
    // A binary quantity below one is written with decimal suffixes, as Kubernetes does.
    if (shifted % unit !== 0n && shifted / unit < 1024n) return decimalForm(minus, shifted, -fraction.length);
    let value = roundedUp(shifted, unit);
    let i = 0;
    while (i < binarySuffixes.length - 1 && value % 1024n === 0n) {
      value /= 1024n;
      i++;
    }
    return `${minus}${value}${binarySuffixes[i]}`;
  }
  let tens = (exponent === undefined ? decimal[suffix] ?? 0 : Number(exponent)) - fraction.length;
  // Nothing finer than 10⁻⁹ is kept.
  if (tens < -9) {
    amount = roundedUp(amount, 10n ** BigInt(-9 - tens));
    tens = -9;
  }
  if (exponent === undefined) return decimalForm(minus, amount, tens);
  while (amount % 10n === 0n) {
    amount /= 10n;
    tens++;
  }
  const step = ((tens % 3) + 3) % 3;
  const power = tens - step;
  return `${minus}${amount * 10n ** BigInt(step)}${power === 0 ? "" : `e${power}`}`;
}

function decimalForm(minus: string, amount: bigint, tens: number): string {
  while (amount % 10n === 0n) {
    amount /= 10n;
    tens++;
  }
  const step = ((tens % 3) + 3) % 3;
  let power = tens - step;
  let value = amount * 10n ** BigInt(step);
  while (power > 18) {
    value *= 1000n;
    power -= 3;
  }
  return `${minus}${value}${decimalSuffixes[power / 3 + 3]}`;
}
