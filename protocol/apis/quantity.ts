// Kubernetes quantities such as 250m, 1.5Gi or 2e3 (apimachinery `pkg/api/resource/quantity.go`).

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const pattern = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/;

/** Its value as a number; undefined for what is no quantity. Beyond 2⁵³ the last digits are lost. */
export function quantityOf(text: unknown): number | undefined {
  const match = pattern.exec(String(text));
  if (match === null) return undefined;
  const [, digits = "", exponent, suffix = ""] = match;
  return exponent === undefined ? Number(digits) * (suffixes[suffix] ?? NaN) : Number(`${digits}e${exponent}`);
}
