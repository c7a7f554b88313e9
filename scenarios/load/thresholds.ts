// Thresholds: what a load run must hold, such as `pod.running p(99) < 2s`, read and judged.
import { milliseconds } from "../files/duration.ts";

/** How a metric's values become one number. */
export type Aggregation =
  | { readonly of: "p"; readonly percentile: number }
  | { readonly of: "mean" | "min" | "max" | "count" | "last" | "growth" };

/** One threshold, as it was written. */
export interface Threshold {
  readonly text: string;
  readonly metric: string;
  readonly aggregation: Aggregation | undefined;
  readonly comparison: "<" | "<=" | ">" | ">=" | "==" | "!=";
  /** Milliseconds, bytes, or a number; a share of the edges where it was written in percent of `edges.*`. */
  readonly value: number;
  readonly isShare: boolean;
  /** Whether the run ends when it is crossed, after so many milliseconds of judged time. */
  readonly abortAfter: number | undefined;
}

/** A text that is no threshold; the message says what is. */
export class ThresholdError extends Error {}

const form = /^([a-z][\w.]*)(?:\s+(p\((\d+(?:\.\d+)?)\)|mean|min|max|count|last|growth))?\s*(<=|>=|==|!=|<|>)\s*(\S+)$/;
const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Reads one. Throws ThresholdError. */
export function parseThreshold(text: string, abortAfter?: number): Threshold {
  const [, metric = "", named, percentile, comparison = "", written = ""] = form.exec(text.trim()) ?? [];
  if (metric === "") {
    throw new ThresholdError(
      `"${text}" is no threshold such as pod.running p(99) < 2s, edges.ready == 100%, lost == 0, cloudcore.rss < 1GiB`,
    );
  }
  if (percentile !== undefined && Number(percentile) > 100) {
    throw new ThresholdError(`p(${percentile}): 100 is the most`);
  }
  const aggregation: Aggregation | undefined = named === undefined
    ? undefined
    : percentile === undefined
    ? { of: named as "mean" }
    : { of: "p", percentile: Number(percentile) };
  return {
    text: text.trim(),
    metric,
    aggregation,
    comparison: comparison as Threshold["comparison"],
    ...numberOf(written),
    abortAfter,
  };
}

function numberOf(text: string): Pick<Threshold, "value" | "isShare"> {
  const [, digits = "", unit = ""] = /^(-?\d+(?:\.\d+)?)([A-Za-z%/]*)$/.exec(text) ?? [];
  if (digits !== "") {
    if (unit === "" || unit === "/s") return { value: Number(digits), isShare: false };
    if (unit === "%") return { value: Number(digits) / 100, isShare: true };
    const factor = byteUnits[unit];
    if (factor !== undefined) return { value: Number(digits) * factor, isShare: false };
  }
  try {
    return { value: milliseconds(text), isShare: false };
  } catch {
    throw new ThresholdError(`"${text}" is no number, duration (2s), size (1GiB) or share (100%)`);
  }
}

/** Whether it holds for a number. */
export function holds({ comparison, value }: Pick<Threshold, "comparison" | "value">, found: number): boolean {
  switch (comparison) {
    case "<":
      return found < value;
    case "<=":
      return found <= value;
    case ">":
      return found > value;
    case ">=":
      return found >= value;
    case "==":
      return found === value;
    case "!=":
      return found !== value;
  }
}
