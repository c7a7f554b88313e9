// Durations as people write them: `500ms`, `2s`, `1m30s`.

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The form, for the schema of the format. */
export const durationPattern = "^(\\d+(\\.\\d+)?(ms|s|m|h))+$";

/** Milliseconds. Throws RangeError for what is no duration. */
export function milliseconds(text: string): number {
  if (!new RegExp(durationPattern).test(text)) {
    throw new RangeError(`"${text}" is no duration such as 500ms, 2s or 1m30s`);
  }
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(number) * (units[unit as string] as number);
  }
  return total;
}

/** A duration for people: `0.4 s`, `12 s`, `2 m 5 s`. */
export function spoken(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return `${Math.floor(ms / 60_000)} m ${Math.round((ms % 60_000) / 1000)} s`;
}
