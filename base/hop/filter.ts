// Filters over hop records, written in CEL: `direction == "down" && resource.contains("thermometer")`.
import { SkepError } from "../error/skep-error.ts";
import { Environment } from "@marcbachmann/cel-js";
import { objectOf } from "./about.ts";
import { hopFields } from "./fields.ts";
import type { HopRecord } from "./hop.ts";

/** A filter that can't be used: not CEL, an unknown field, or not a condition. */
export class HopFilterError extends SkepError {
  readonly code = "SKEP_HOP_FILTER";
  readonly expression: string;
  constructor(expression: string, reason: string) {
    super(`filter \`${expression}\`: ${reason}`);
    this.expression = expression;
  }
}

const numbers: ReadonlySet<string> = new Set(["time", "size", "wait", "ack", "attempt"]);

let environment: Environment | undefined;

/**
 * Compiles a filter. The fields are those of `hopFields`; numbers compare with integer and decimal literals alike.
 * Throws HopFilterError for bad syntax, unknown names, or an expression that isn't true or false.
 */
export function compileHopFilter(expression: string): (record: HopRecord) => boolean {
  environment ??= Object.keys(hopFields).reduce(
    (built, name) => built.registerVariable(name, numbers.has(name) ? "dyn" : "string"),
    new Environment({ enableOptionalTypes: false, homogeneousAggregateLiterals: false }),
  );
  let evaluate: (context: Record<string, unknown>) => unknown;
  try {
    const parsed = environment.parse(expression);
    const checked = parsed.check();
    if (!checked.valid) throw checked.error ?? new Error("it does not fit the fields of a hop record");
    if (checked.type !== "bool" && checked.type !== "dyn") throw new Error(`gives ${checked.type}, not true or false`);
    evaluate = parsed;
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
    throw new HopFilterError(expression, `${reason}; the fields are ${Object.keys(hopFields).join(", ")}`);
  }
  // A path is taken apart only where the filter may look at its parts.
  const isAboutObject = /\b(kind|ns|name)\b/.test(expression);
  return (record) => {
    const fields = record as unknown as Record<string, unknown>;
    if (!isAboutObject) return evaluate(fields) === true;
    const { kind, name, namespace: ns } = objectOf(record.resource);
    return evaluate({ ...fields, kind, ns, name }) === true;
  };
}
