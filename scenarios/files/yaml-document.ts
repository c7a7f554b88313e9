// A YAML document that a person wrote: its values, where each stands, and what a schema finds wrong with it.
import { open } from "node:fs/promises";
import type { ErrorObject } from "ajv";
import { type Document, isMap, isNode, LineCounter, parseAllDocuments } from "yaml";
import { reasonOf } from "../../base/log/logger.ts";
import { narrowed } from "../../protocol/json.ts";
import { limits } from "../../protocol/limits.ts";
import { type Position, ScenarioError } from "./position.ts";
import { schemas } from "./schemas.ts";
import { show } from "./show.ts";

export type Path = readonly (string | number)[];

/** The text of a file. Rejects with ScenarioError. */
export async function readText(file: string): Promise<string> {
  try {
    await using opened = await open(file);
    const { size } = await opened.stat();
    if (size > limits.scenarioFile) throw new Error(`it has ${size} bytes, and may have ${limits.scenarioFile}`);
    return await opened.readFile("utf8");
  } catch (error) {
    const isFolder = (error as NodeJS.ErrnoException).code === "EISDIR";
    const why = isFolder ? `it is a folder; name the files in it, as in ${file}/*.yaml` : reasonOf(error);
    throw new ScenarioError({ file, line: 1, column: 1 }, `can't read the file: ${why}`);
  }
}

/** The documents of a text that hold anything; `file` is for positions. */
export function documentsIn(text: string, file: string): YamlDocument[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, intAsBigInt: true });
  const found = "empty" in documents ? [] : documents;
  return found.filter(({ contents, errors }) => contents !== null || errors.length > 0)
    .map((document) => new YamlDocument(document as Document, lines, file));
}

export class YamlDocument {
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #file: string;

  constructor(document: Document, lines: LineCounter, file: string) {
    this.#document = document;
    this.#lines = lines;
    this.#file = file;
  }

  /** The document as plain values. An alias may expand to a lot, but not to a node that contains it. */
  value(): Record<string, unknown> | null {
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
      throw new ScenarioError(this.where([]), `not usable: ${reasonOf(error).split("\n")[0]}`);
    }
  }

  /** The most telling of ajv's errors as one for people. */
  refusal(errors: readonly ErrorObject[], base: Path): ScenarioError {
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
        this.where([...path, field], true),
        `unknown field "${field}"; allowed are ${allowed.join(", ")}`,
      );
    }
    // Where one of several fields is needed, each of them is missing.
    const group = /^(.*\/(?:any|one)Of\/)\d+\/required$/.exec(deepest.schemaPath)?.[1];
    const alternatives = group === undefined
      ? []
      : telling.filter(({ instancePath, keyword, schemaPath }) =>
        keyword === "required" && instancePath === deepest.instancePath && schemaPath.startsWith(group)
      ).map(({ params: { missingProperty } }) => String(missingProperty));
    if (alternatives.length > 1) {
      return new ScenarioError(this.where(path), `one of ${[...new Set(alternatives)].join(", ")} is needed`);
    }
    return new ScenarioError(this.where(path), describe(deepest));
  }

  /** Where a value stands, or with `key` the word before it; the closest thing around it where it isn't there. */
  where(path: Path, key = false): Position {
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
      // What a duration is for is said in its description.
      if (params.pattern === schemas.duration.pattern) {
        return `${field} must be ${schemas.duration.description}, ${found}`;
      }
      return `${field} must be ${meaning ?? `text like ${String(params.pattern)}`}, ${found}`;
    case "oneOf":
    case "anyOf":
      return `${field} must be ${meaning ?? "one of the allowed forms"}, ${found}`;
    default:
      return `${field} ${error.message ?? "is wrong"}, ${found}`;
  }
}
