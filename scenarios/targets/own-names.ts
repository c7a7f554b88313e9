// Names of edges that are a run's own: in a cluster that others use, too, `gw-0` of two runs must be two Nodes.
import { randomBytes } from "node:crypto";
import type { Scenario, Step } from "../model/scenario.ts";

/** What is appended to the names of a run's edges: a dash and five letters or digits. */
export function newSuffix(): string {
  return `-${randomBytes(5).toString("hex").slice(0, 5)}`;
}

/**
 * Appends `suffix` to the names of a scenario's edges wherever they stand in the texts of a value: `gw-0`, `edge/gw-0` and the
 * device `gw-0-thermometer-0`. Names that have it already stay. Without a suffix a value stays as it is.
 */
export function renamer(scenario: Scenario, suffix: string): <T>(value: T) => T {
  if (suffix === "") return (value) => value;
  const steps = [...scenario.steps, ...scenario.catch, ...scenario.finally];
  const names = [
    ...scenario.fleet.map(({ cohort }) => `${RegExp.escape(cohort)}-\\d+`),
    ...steps.flatMap(joiningIn).map((name) => RegExp.escape(name)),
  ].sort((one, other) => other.length - one.length);
  if (names.length === 0) return (value) => value;
  const pattern = new RegExp(`(?<![A-Za-z0-9])(?:${names.join("|")})(?![A-Za-z0-9]|${RegExp.escape(suffix)})`, "g");
  const inText = (text: string) => text.replace(pattern, (name) => `${name}${suffix}`);
  const renamed = (value: unknown): unknown => {
    if (typeof value === "string") return inText(value);
    if (Array.isArray(value)) return value.map(renamed);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [inText(key), renamed(inner)]));
  };
  return renamed as <T>(value: T) => T;
}

/** The names of edges that come later, by a step or one inside it. */
function joiningIn({ args, kind }: Step): string[] {
  if (kind === "parallel") return (args as readonly Step[]).flatMap(joiningIn);
  if (kind === "repeat") return (args as { readonly steps: readonly Step[] }).steps.flatMap(joiningIn);
  const { join } = (args ?? {}) as { readonly join?: unknown };
  return kind === "edge" && typeof join === "string" && !join.includes("$") ? [join] : [];
}
