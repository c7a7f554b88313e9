// Names of edges that are a run's own: in a cluster that others use, too, `gw-0` of two runs must be two Nodes.
import { randomBytes } from "node:crypto";
import type { Scenario, Step } from "../model/scenario.ts";

/** What is appended to the names of a run's edges: a dash and five letters or digits. */
export function newSuffix(): string {
  return `-${randomBytes(5).toString("hex").slice(0, 5)}`;
}

/** Keys under which a text alone is the name of an edge or its Node. */
const nameKeys: ReadonlySet<string> = new Set([
  "start",
  "stop",
  "restart",
  "edge",
  "node",
  "nodeName",
  "name",
  "certificateOf",
  "kubernetes.io/hostname",
]);
/** Keys under which a text is the name of a cohort, which may look like an edge of another one. */
const cohortKeys: ReadonlySet<string> = new Set(["cohort", "each"]);
/** A number of an edge, or the variable that a scenario counts with. */
const NUMBER = String.raw`(?:\d+|\$\w+|\$\{\w+\})`;

/** Appends the run's suffix to the names of a scenario's edges, in all fields of the scenario. */
export class EdgeNames {
  readonly #suffix: string;
  /** Names of edges that join, without a number: words that may mean something else. */
  readonly #words = new Set<string>();
  readonly #numbered: RegExp;

  /** Without a suffix nothing is renamed. */
  constructor(scenario: Scenario, suffix: string) {
    this.#suffix = suffix;
    const cohorts = new Set(scenario.fleet.map(({ cohort }) => cohort));
    for (const step of [...scenario.steps, ...scenario.catch, ...scenario.finally]) {
      for (const name of joiningIn(step)) {
        const cohort = new RegExp(`^(.+)-${NUMBER}$`).exec(name)?.[1];
        if (cohort === undefined && !name.includes("$")) this.#words.add(name);
        else if (cohort === undefined) continue;
        else cohorts.add(cohort);
      }
    }
    const longestFirst = [...cohorts].sort((one, other) => other.length - one.length).map((name) =>
      RegExp.escape(name)
    );
    const names = longestFirst.length === 0 ? "(?!)" : `(?:${longestFirst.join("|")})-${NUMBER}`;
    this.#numbered = new RegExp(`(?<![A-Za-z0-9])${names}(?![A-Za-z0-9]|${RegExp.escape(suffix)})`, "g");
  }

  /**
   * A value with these names in its texts: `gw-0`, `edge/gw-0`, the device `gw-0-thermometer-0`. A name without a number, such as
   * `late`, counts only where an edge is meant: alone under a key such as `edge` or `name`, as a part of a path (`edge/late`), as a literal in CEL (`node == "late"`).
   */
  named<T>(value: T): T {
    if (this.#suffix === "") return value;
    const { join } = (value ?? {}) as { readonly join?: unknown };
    if (typeof join !== "string" || Array.isArray(value)) return this.#renamed(value, "") as T;
    // What the step `edge` takes. A name made of an edge's, as `$EDGE-twin`, is a run's own already.
    return { ...this.#renamed(value, "") as T, join: this.#joining(join) };
  }

  #joining(name: string): string {
    const renamed = this.#numbers(name);
    if (renamed !== name || name.includes("$") || name.endsWith(this.#suffix)) return renamed;
    // One that a scenario in code brings is known from now on.
    this.#words.add(name);
    return `${name}${this.#suffix}`;
  }

  #renamed(value: unknown, key: string): unknown {
    if (typeof value === "string") return this.#text(value, key);
    if (Array.isArray(value)) return value.map((item) => this.#renamed(item, key));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [this.#numbers(name), this.#renamed(inner, name)]),
    );
  }

  #text(text: string, key: string): string {
    if (cohortKeys.has(key)) return text;
    if (nameKeys.has(key) && this.#words.has(text)) return `${text}${this.#suffix}`;
    // A segment of a path or topic, or a literal of CEL that is not compared with a field of other words.
    return this.#numbers(text).replace(
      /(?<=\/|(?<!(?:direction|hop|operation|outcome|source|group) *(?:==|!=) *)["'])[a-z0-9-]+(?=["'/]|$)/g,
      (name) => this.#words.has(name) ? `${name}${this.#suffix}` : name,
    );
  }

  #numbers(text: string): string {
    return text.replace(this.#numbered, (name) => `${name}${this.#suffix}`);
  }
}

/** The names of edges that come later, by a step or one inside it. */
function joiningIn({ args, kind }: Step): string[] {
  if (kind === "parallel") return (args as readonly Step[]).flatMap(joiningIn);
  if (kind === "repeat") return (args as { readonly steps: readonly Step[] }).steps.flatMap(joiningIn);
  const { join } = (args ?? {}) as { readonly join?: unknown };
  return kind === "edge" && typeof join === "string" ? [join] : [];
}
