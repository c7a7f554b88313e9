// Reads scenarios out of YAML; refuses a wrong one with file, line, column, what was found and what is allowed.
import { Ajv, type ValidateFunction } from "ajv";
import { compileHopFilter, HopFilterError } from "../../base/hop/filter.ts";
import { withoutBigInts } from "../../protocol/json.ts";
import { ScenarioError } from "../files/position.ts";
import { documentsIn, type Path, type YamlDocument } from "../files/yaml-document.ts";
import { type Scenario, type ScenarioFields, type Step, withDefaults } from "../model/scenario.ts";
import type { StepTable } from "../model/step-kind.ts";
import { parserDefs, scenarioSchema, stepWords } from "./schema.ts";

const ajv = new Ajv({ allErrors: true, strict: false, verbose: true });
let checkScenario: ValidateFunction | undefined;
const stepChecks = new Map<string, ValidateFunction>();

/** The scenarios in a text; `file` is for positions and for what stands beside it. Throws ScenarioError. */
export function parseScenarios(text: string, file: string, table: StepTable): Scenario[] {
  const scenarios = documentsIn(text, file).map((document) => new Parser(document, table).scenario());
  if (scenarios.length === 0) throw new ScenarioError({ file, line: 1, column: 1 }, "the file holds no scenario");
  return scenarios;
}

class Parser {
  readonly #document: YamlDocument;
  readonly #table: StepTable;

  constructor(document: YamlDocument, table: StepTable) {
    this.#document = document;
    this.#table = table;
  }

  scenario(): Scenario {
    const value = this.#document.value();
    checkScenario ??= ajv.compile({ ...scenarioSchema, $defs: parserDefs });
    const checked = withoutBigInts(value) as Record<string, unknown>;
    if (!checkScenario(checked)) throw this.#document.refusal(checkScenario.errors ?? [], []);
    // Steps keep long numbers digit for digit: objects contain them.
    const fields = value as Record<string, unknown>;
    return {
      name: fields.name as string,
      position: this.#document.where([]),
      where: (path) => this.#document.where(path),
      ...withDefaults(checked as ScenarioFields),
      steps: this.#steps((fields.steps ?? []) as unknown[], ["steps"]),
      catch: this.#steps((fields.catch ?? []) as unknown[], ["catch"]),
      finally: this.#steps((fields.finally ?? []) as unknown[], ["finally"]),
    };
  }

  #steps(values: unknown[], path: Path): Step[] {
    return values.map((value, i) => this.#step(value as Record<string, unknown>, [...path, i]));
  }

  #step(value: Record<string, unknown>, path: Path): Step {
    const words = Object.keys(stepWords);
    const [kind, ...others] = Object.keys(value).filter((key) => !words.includes(key));
    const all = [...this.#table.keys()].join(", ");
    if (kind === undefined) {
      throw new ScenarioError(this.#document.where(path), `the step does nothing; steps are ${all}`);
    }
    const known = this.#table.get(kind);
    if (known === undefined) {
      const position = this.#document.where([...path, kind], true);
      throw new ScenarioError(
        position,
        `unknown step "${kind}"; steps are ${all}, and any step may have ${words.join(", ")}`,
      );
    }
    if (others.length > 0) {
      const position = this.#document.where([...path, others[0] as string], true);
      const what = this.#table.has(others[0] as string)
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
    if (!check(withoutBigInts(value))) throw this.#document.refusal(check.errors ?? [], path);
    this.#checkFilter(args, [...path, kind]);
    const { [kind]: _args, ...modifiers } = value;
    return {
      kind,
      args: this.#inner(kind, args, [...path, kind]),
      ...modifiers as Partial<Step>,
      position: this.#document.where([...path, kind], true),
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
      if (error instanceof HopFilterError) {
        throw new ScenarioError(this.#document.where([...path, "where"]), error.message);
      }
      throw error;
    }
  }
}
