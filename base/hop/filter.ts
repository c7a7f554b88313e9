// Filters over hop records, written in CEL: `direction == "down" && resource.contains("thermometer")`.
import { SkepError } from "../error/skep-error.ts";
import { Environment } from "@marcbachmann/cel-js";
import { objectOf } from "./about.ts";
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

/** What each field is, for `--help` and the console. Times are milliseconds. */
export const hopFields: Readonly<Record<keyof HopRecord | "kind" | "ns" | "name", string>> = {
  time: "Unix milliseconds",
  hop: "where it was seen, such as hub.write",
  direction: "down or up",
  node: "the edge",
  id: "the message's id",
  parent: "the id of the message that it answers",
  operation: "insert, update, delete, query, response …",
  resource: "its path, such as default/configmap/app",
  kind: "of the object that the path names, in small letters",
  ns: "namespace of that object (`namespace` is a reserved word of CEL)",
  name: "of that object",
  source: "the module that sent it",
  group: "the module's group",
  version: "resourceVersion of the object inside",
  size: "characters of its JSON",
  wait: "milliseconds in the lane before its first write",
  ack: "milliseconds from its first write to the acknowledgement",
  attempt: "how many times it has been written",
  outcome: "what came of it, or why it was not sent",
  text: "the message as JSON, where the hop has it",
};

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
