// Turns a scenario of a YAML file into a TypeScript module that does the same: the steps have the same names and arguments there.
import { isAbsolute, join } from "node:path";
import { needsOf } from "../engine/needs.ts";
import { ScenarioError } from "../files/position.ts";
import type { Scenario, Step } from "../model/scenario.ts";
import type { StepTable } from "../model/step-kind.ts";

/** Characters of a line. */
const LINE = 116;
/** Steps that code says in its own way. */
const FLOW = new Set(["repeat", "parallel"]);

/**
 * The module's text. What its fleet names, such as models and stages, has to stand beside the module. Throws ScenarioError for what code has no
 * words for. `imported` is where it imports skep from; `from` the folder that the scenario's own files are in, as seen from the module.
 */
export function scenarioModule(scenario: Scenario, table: StepTable, imported: string, from: string): string {
  const { cloudcore, fleet, name, seed, tags, timeout } = scenario;
  // Of a scenario in code the steps are not known beforehand: it says what they need.
  const needs = [...needsOf(scenario, table)];
  const options = {
    ...(tags.length === 0 ? {} : { tags }),
    ...(needs.length === 0 ? {} : { needs }),
    ...(seed === undefined ? {} : { seed }),
    ...(timeout === "60s" ? {} : { timeout }),
    ...(fleet.length === 0 ? {} : { fleet }),
    ...(Object.keys(cloudcore).length === 0 ? {} : { cloudcore }),
  };
  const writer = new Writer(from);
  const main = writer.steps(scenario.steps, 1 + Number(scenario.catch.length + scenario.finally.length > 0));
  const atEnd = writer.steps(scenario.finally, 2);
  const onFailure = writer.steps(scenario.catch, 2);
  const body = scenario.catch.length + scenario.finally.length === 0 ? main : [
    "  try {",
    ...main,
    ...(scenario.catch.length === 0 ? [] : ["  } catch (error) {", ...onFailure, "    throw error;"]),
    ...(scenario.finally.length === 0 ? [] : ["  } finally {", ...atEnd]),
    "  }",
  ];
  const steps = [...writer.used].sort().join(", ");
  const head = `export default scenario(${JSON.stringify(name)}, `;
  return [
    `import { scenario } from ${JSON.stringify(imported)};`,
    "",
    `${head}${code(options, 0, new Set(), head.length + steps.length + 20)}, async ({ ${steps} }) => {`,
    ...body,
    "});",
    "",
  ].join("\n");
}

class Writer {
  readonly used = new Set<string>();
  readonly #from: string;

  constructor(from: string) {
    this.#from = from;
  }

  steps(steps: readonly Step[], depth: number, counters: ReadonlySet<string> = new Set()): string[] {
    return steps.flatMap((step) => this.#step(step, depth, counters));
  }

  #step(step: Step, depth: number, counters: ReadonlySet<string>): string[] {
    const indent = "  ".repeat(depth);
    const word = FLOW.has(step.kind)
      ? (["id", "timeout", "if", "each", "as"] as const).find((each) => step[each] !== undefined)
      : undefined;
    if (word !== undefined) {
      throw new ScenarioError(step.position, `${word} at ${step.kind} is not exported: put it at the steps inside`);
    }
    if (FLOW.has(step.kind)) {
      const comment = step.name === undefined ? [] : [`${indent}// ${step.name}`];
      return [...comment, ...this.#flow(step, depth, counters)];
    }
    this.used.add(step.kind === "delete" ? "delete: remove" : step.kind);
    const words = Object.fromEntries(
      (["name", "id", "timeout", "if", "each", "as"] as const).flatMap((word) =>
        step[word] === undefined ? [] : [[word, step[word]]]
      ),
    );
    const call = `${indent}await ${step.kind === "delete" ? "remove" : step.kind}(`;
    const more = Object.keys(words).length === 0 ? "" : `, ${code(words, depth, counters)}`;
    const args = code(this.#withPaths(step), depth, counters, call.length + more.length);
    return [`${call}${args}${more});`];
  }

  #flow(step: Step, depth: number, counters: ReadonlySet<string>): string[] {
    const indent = "  ".repeat(depth);
    if (step.kind === "parallel") {
      const each = (step.args as readonly Step[]).flatMap((inner) => {
        const lines = this.#step(inner, depth + 2, counters);
        return [`${indent}  (async () => {`, ...lines, `${indent}  })(),`];
      });
      return [`${indent}await Promise.all([`, ...each, `${indent}]);`];
    }
    const { every, steps, times } = step.args as {
      readonly times: number;
      readonly every?: string;
      readonly steps: readonly Step[];
    };
    const pause = every === undefined ? [] : [`${indent}  if (i > 0) await wait(${JSON.stringify(every)});`];
    if (every !== undefined) this.used.add("wait");
    return [
      `${indent}for (let i = 0; i < ${times}; i++) {`,
      ...pause,
      ...this.steps(steps, depth + 1, new Set([...counters, "i"])),
      `${indent}}`,
    ];
  }

  /** Files that a step names are beside the scenario, not beside the module. */
  #withPaths({ args, kind }: Step): unknown {
    if (!["apply", "delete", "assert", "run"].includes(kind)) return args;
    const moved = (part: unknown): unknown => {
      if (typeof part === "string") return isAbsolute(part) ? part : relativePath(join(this.#from, part));
      if (Array.isArray(part)) return part.map(moved);
      return part;
    };
    const isWrapped = typeof args === "object" && args !== null && "objects" in args;
    return isWrapped ? { ...args, objects: moved(args.objects) } : moved(args);
  }
}

function relativePath(path: string): string {
  const found = path.replaceAll("\\", "/");
  return found.startsWith(".") || isAbsolute(found) ? found : `./${found}`;
}

/** A value as TypeScript, after so many characters of a line. A text with a loop's counter in it, `$i`, is a template. */
function code(value: unknown, depth: number, counters: ReadonlySet<string> = new Set(), before = 0): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return textCode(value, counters);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => code(item, depth + 1, counters))
    : Object.entries(value).filter(([, inner]) => inner !== undefined).map(([key, inner]) =>
      `${/^[A-Za-z_]\w*$/.test(key) ? key : textKey(key, counters)}: ${code(inner, depth + 1, counters)}`
    );
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return `${open}${close}`;
  const line = isList ? `[${parts.join(", ")}]` : `{ ${parts.join(", ")} }`;
  if (line.length + Math.max(before, depth * 2 + 10) < LINE && !line.includes("\n")) return line;
  const indent = "  ".repeat(depth);
  return `${open}\n${parts.map((part) => `${indent}  ${part},\n`).join("")}${indent}${close}`;
}

function textCode(text: string, counters: ReadonlySet<string>): string {
  const pattern = new RegExp(
    String.raw`\$(?:(${[...counters].join("|") || "(?!)"})(?!\w)|\{(${[...counters].join("|") || "(?!)"})\})`,
    "g",
  );
  if (!pattern.test(text)) return JSON.stringify(text);
  pattern.lastIndex = 0;
  let made = "";
  let at = 0;
  const escaped = (part: string) => part.replace(/[\\`]|\$(?=\{)/g, "\\$&");
  for (const found of text.matchAll(pattern)) {
    made += `${escaped(text.slice(at, found.index))}\${${found[1] ?? found[2]}}`;
    at = found.index + found[0].length;
  }
  return `\`${made}${escaped(text.slice(at))}\``;
}

function textKey(key: string, counters: ReadonlySet<string>): string {
  const text = textCode(key, counters);
  return text.startsWith("`") ? `[${text}]` : text;
}
