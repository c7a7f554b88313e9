// Reads scenario files; refuses a wrong one with file, line, column, what was found and what is allowed.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { type Document, isMap, isNode, LineCounter, parseAllDocuments, parseDocument } from "yaml";
import { compileHopFilter, HopFilterError } from "../../base/hop/filter.ts";
import { reasonOf } from "../../base/log/logger.ts";
import { stepTable } from "../steps/table.ts";
import { narrowed, withoutBigInts } from "../../protocol/json.ts";
import { show } from "./match.ts";
import type { CodedScenario } from "./session.ts";
import {
  type Position,
  type Scenario,
  type ScenarioCohort,
  ScenarioError,
  type ScenarioFields,
  type Step,
  withDefaults,
} from "./scenario.ts";
import { cohortsSchema, parserDefs, scenarioSchema, stepWords } from "./schema.ts";

type Path = readonly (string | number)[];

const ajv = new Ajv({ allErrors: true, strict: false, verbose: true });
let checkScenario: ValidateFunction | undefined;
const stepChecks = new Map<string, ValidateFunction>();

/** The scenarios of a file, in order. Throws ScenarioError. */
export async function loadScenarios(file: string): Promise<Scenario[]> {
  if (isModule(file)) return [await loadCoded(file)];
  return parseScenarios(await readText(file), file);
}

/** The cohorts of a file that says `fleet:` and nothing else. Throws ScenarioError. */
export async function loadCohorts(file: string): Promise<readonly ScenarioCohort[]> {
  return parseCohorts(await readText(file), file).fleet;
}

/** As loadCohorts, with positions. */
function parseCohorts(text: string, file: string): Pick<Scenario, "fleet" | "position" | "where"> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, intAsBigInt: true });
  const parser = new Parser(document, lines, file);
  return { fleet: parser.cohorts(), position: { file, line: 1, column: 1 }, where: parser.where };
}

/** What a file holds, as `skep check` reads it: scenarios, or the cohorts of a fleet. Throws ScenarioError. */
export async function loadForCheck(
  file: string,
): Promise<{ readonly what: string; readonly parts: readonly Pick<Scenario, "fleet" | "position" | "where">[] }> {
  const text = isModule(file) ? undefined : await readText(file);
  const isCohorts = text !== undefined && /^fleet:/m.test(text) && !/^skep:/m.test(text);
  const parts = text === undefined
    ? [await loadCoded(file)]
    : isCohorts
    ? [parseCohorts(text, file)]
    : parseScenarios(text, file);
  const count = isCohorts ? parts[0]?.fleet.length ?? 0 : parts.length;
  const word = isCohorts ? "cohort" : "scenario";
  return { what: `${count} ${word}${count === 1 ? "" : "s"}`, parts };
}

function isModule(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const isFolder = (error as NodeJS.ErrnoException).code === "EISDIR";
    const why = isFolder ? `it is a folder; name the files in it, as in ${file}/*.yaml` : reasonOf(error);
    throw new ScenarioError({ file, line: 1, column: 1 }, `can't read the file: ${why}`);
  }
}

/** A module whose default export is a scenario. */
async function loadCoded(file: string): Promise<Scenario> {
  const position = { file, line: 1, column: 1 };
  const { scenarioFromCode } = await import("./session.ts");
  const module = await import(pathToFileURL(resolve(file)).href).catch((error) => {
    throw new ScenarioError(position, `can't load the module: ${reasonOf(error)}`);
  }) as { readonly default?: CodedScenario };
  const coded = module.default;
  if (typeof coded?.name !== "string" || typeof coded.body !== "function") {
    throw new ScenarioError(
      position,
      'the module has no scenario: export default scenario("…", async (skep) => { … })',
    );
  }
  return scenarioFromCode(coded, file);
}

/** The scenarios in a text; `file` is for positions and for what stands beside it. Throws ScenarioError. */
export function parseScenarios(text: string, file: string): Scenario[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, intAsBigInt: true });
  const found = "empty" in documents ? [] : documents;
  const scenarios = found.filter((document) => document.contents !== null || document.errors.length > 0)
    .map((document) => new Parser(document as Document, lines, file).scenario());
  if (scenarios.length === 0) throw new ScenarioError({ file, line: 1, column: 1 }, "the file holds no scenario");
  return scenarios;
}

class Parser {
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #file: string;

  constructor(document: Document, lines: LineCounter, file: string) {
    this.#document = document;
    this.#lines = lines;
    this.#file = file;
  }

  readonly where = (path: Path): Position => this.#where(path);

  cohorts(): readonly ScenarioCohort[] {
    const value = withoutBigInts(this.#value());
    const check = ajv.compile(cohortsSchema);
    if (!check(value)) throw this.#refusal(check.errors ?? [], []);
    const { fleet } = value as { readonly fleet: readonly ScenarioCohort[] };
    for (const [i, { cohort }] of fleet.entries()) {
      if (fleet.findIndex((other) => other.cohort === cohort) === i) continue;
      throw new ScenarioError(this.#where(["fleet", i, "cohort"]), `there are two cohorts ${cohort}`);
    }
    return fleet;
  }

  scenario(): Scenario {
    const value = this.#value();
    checkScenario ??= ajv.compile({ ...scenarioSchema, $defs: parserDefs });
    const checked = withoutBigInts(value) as Record<string, unknown>;
    if (!checkScenario(checked)) throw this.#refusal(checkScenario.errors ?? [], []);
    // Steps keep long numbers digit for digit: they stand in objects.
    const fields = value as Record<string, unknown>;
    return {
      name: fields.name as string,
      position: this.#where([]),
      where: this.where,
      ...withDefaults(checked as ScenarioFields),
      steps: this.#steps((fields.steps ?? []) as unknown[], ["steps"]),
      catch: this.#steps((fields.catch ?? []) as unknown[], ["catch"]),
      finally: this.#steps((fields.finally ?? []) as unknown[], ["finally"]),
    };
  }

  /** The document as plain values. Aliases may stand for a lot, but not for what they are in. */
  #value(): Record<string, unknown> | null {
    const [error] = this.#document.errors;
    if (error !== undefined) {
      throw new ScenarioError(this.#at(error.pos[0]), `not YAML: ${error.message.split("\n")[0]}`);
    }
    try {
      const value = this.#document.toJS({ reviver: (_key, inner) => narrowed(inner) }) as
        | Record<string, unknown>
        | null;
      JSON.stringify(value);
      return value;
    } catch (error) {
      throw new ScenarioError(this.#where([]), `not usable: ${reasonOf(error).split("\n")[0]}`);
    }
  }

  #steps(values: unknown[], path: Path): Step[] {
    return values.map((value, i) => this.#step(value as Record<string, unknown>, [...path, i]));
  }

  #step(value: Record<string, unknown>, path: Path): Step {
    const words = Object.keys(stepWords);
    const [kind, ...others] = Object.keys(value).filter((key) => !words.includes(key));
    const all = [...stepTable.keys()].join(", ");
    if (kind === undefined) throw new ScenarioError(this.#where(path), `the step does nothing; steps are ${all}`);
    const known = stepTable.get(kind);
    if (known === undefined) {
      const position = this.#where([...path, kind], true);
      throw new ScenarioError(
        position,
        `unknown step "${kind}"; steps are ${all}, and any step may have ${words.join(", ")}`,
      );
    }
    if (others.length > 0) {
      const position = this.#where([...path, others[0] as string], true);
      const what = stepTable.has(others[0] as string)
        ? `a step does one thing: this is already "${kind}"`
        : `unknown field "${others[0]}"; a step has ${kind} and may have ${words.join(", ")}`;
      throw new ScenarioError(position, what);
    }
    const args = value[kind];
    let check = stepChecks.get(kind);
    if (check === undefined) {
      const properties = { [kind]: known.schema, ...stepWords };
      check = ajv.compile({ type: "object", properties, $defs: parserDefs });
      stepChecks.set(kind, check);
    }
    if (!check(withoutBigInts(value))) throw this.#refusal(check.errors ?? [], path);
    this.#checkFilter(args, [...path, kind]);
    const { [kind]: _args, ...modifiers } = value;
    return {
      kind,
      args: this.#inner(kind, args, [...path, kind]),
      ...modifiers as Partial<Step>,
      position: this.#where([...path, kind], true),
    };
  }

  /** Steps inside steps. */
  #inner(kind: string, args: unknown, path: Path): unknown {
    if (kind === "parallel") return this.#steps(args as unknown[], path);
    if (kind !== "repeat") return args;
    const { steps, ...rest } = args as { steps: unknown[] };
    return { ...rest, steps: this.#steps(steps, [...path, "steps"]) };
  }

  #checkFilter(args: unknown, path: Path): void {
    const where = typeof args === "object" && args !== null ? (args as { where?: unknown }).where : undefined;
    if (typeof where !== "string" || where.includes("$")) return;
    try {
      compileHopFilter(where);
    } catch (error) {
      if (error instanceof HopFilterError) throw new ScenarioError(this.#where([...path, "where"]), error.message);
      throw error;
    }
  }

  /** The most telling of ajv's errors as one for people. */
  #refusal(errors: readonly ErrorObject[], base: Path): ScenarioError {
    const telling = errors.filter((e) => !["anyOf", "oneOf", "if"].includes(e.keyword));
    // Of alternatives, what goes deepest is closest to what was meant.
    const deepest = [...(telling.length > 0 ? telling : errors)].sort((a, b) =>
      depthOf(b) - depthOf(a)
    )[0] as ErrorObject;
    const path = [...base, ...pathOf(deepest.instancePath)];
    const params = deepest.params as Record<string, unknown>;
    if (deepest.keyword === "additionalProperties") {
      const field = String(params.additionalProperty);
      const allowed = Object.keys((deepest.parentSchema as { properties?: object }).properties ?? {});
      return new ScenarioError(
        this.#where([...path, field], true),
        `unknown field "${field}"; allowed are ${allowed.join(", ")}`,
      );
    }
    return new ScenarioError(this.#where(path), describe(deepest));
  }

  /** Where a value stands, or with `key` the word before it; the closest thing around it where it isn't there. */
  #where(path: Path, key = false): Position {
    for (let length = path.length; length >= 0; length--) {
      const inner = path.slice(0, length);
      if (key && length === path.length && length > 0) {
        const parent = this.#document.getIn(inner.slice(0, -1), true);
        const pair = isMap(parent)
          ? parent.items.find((p) => isNode(p.key) && String(p.key) === String(inner.at(-1)))
          : undefined;
        if (pair !== undefined && isNode(pair.key) && pair.key.range) return this.#at(pair.key.range[0]);
      }
      const node = length === 0 ? this.#document.contents : this.#document.getIn(inner, true);
      if (isNode(node) && node.range) return this.#at(node.range[0]);
    }
    return { file: this.#file, line: 1, column: 1 };
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function pathOf(pointer: string): (string | number)[] {
  return pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((step) => /^\d+$/.test(step) ? Number(step) : step);
}

function depthOf(error: ErrorObject): number {
  return error.instancePath.split("/").length + (error.keyword === "additionalProperties" ? 1 : 0);
}

/** What a person calls the place: its last word, with its number in a list. */
function fieldOf(path: Path): string {
  const at = path.findLastIndex((step) => typeof step === "string");
  if (at === -1) return "the scenario";
  return `${path[at]}${path.slice(at + 1).map((index) => `[${index}]`).join("")}`;
}

function describe(error: ErrorObject): string {
  const params = error.params as Record<string, unknown>;
  const field = fieldOf(pathOf(error.instancePath));
  const found = `found ${show(error.data)}`;
  const meaning = (error.parentSchema as { description?: string } | undefined)?.description;
  switch (error.keyword) {
    case "required":
      return `"${String(params.missingProperty)}" is missing`;
    case "type": {
      const types = Array.isArray(params.type) ? params.type.join(" or ") : String(params.type);
      return `${field} must be ${types}, ${found}`;
    }
    case "enum":
      return `${field} must be one of ${(params.allowedValues as unknown[]).join(", ")}, ${found}`;
    case "minProperties":
    case "maxProperties": {
      const { maxProperties, properties = {} } = error.parentSchema as {
        readonly maxProperties?: number;
        readonly properties?: object;
      };
      const names = Object.keys(properties).join(", ");
      const some = maxProperties === 1 ? "exactly one" : "at least one";
      return `${field} must have ${some}${names === "" ? "" : ` of ${names}`}, ${found}`;
    }
    case "const":
      return `${field} must be ${show(params.allowedValue)}, ${found}`;
    case "pattern":
      return `${field} must be ${meaning ?? `text like ${String(params.pattern)}`}, ${found}`;
    case "oneOf":
    case "anyOf":
      return `${field} must be ${meaning ?? "one of the allowed forms"}, ${found}`;
    default:
      return `${field} ${error.message ?? "is wrong"}, ${found}`;
  }
}
