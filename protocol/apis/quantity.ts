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
