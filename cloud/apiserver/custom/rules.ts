// The CEL rules of a CustomResourceDefinition's schema (`x-kubernetes-validations`).
// Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
import { Environment } from "@marcbachmann/cel-js";
import { isIP } from "node:net";
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";
import { quantityOf } from "../../../protocol/apis/quantity.ts";
import { deepEqual } from "../patch/json-patch.ts";
import type { Cause } from "../status.ts";
import type { JsonSchema } from "./schema-check.ts";

interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: Cause["reason"];
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** Reasons that a rule may give, and how messages begin with them. */
const words: Readonly<Record<string, string>> = {
  FieldValueInvalid: "Invalid value",
  FieldValueForbidden: "Forbidden",
  FieldValueRequired: "Required value",
  FieldValueDuplicate: "Duplicate value",
};

/** A quantity inside a rule, in thousandths of thousandths, so that no digit of a usual one is lost. */
class Quantity {
  readonly micros: number;
  constructor(text: string) {
    const micros = quantityOf(text, 6);
    if (micros === undefined) throw new Error(`quantity: ${text} is not a quantity`);
    this.micros = micros;
  }
}

let environment: Environment | undefined;

function rulesEnvironment(): Environment {
  return environment ??= new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
  })
    .registerType("Quantity", Quantity)
    .registerFunction("quantity(string): Quantity", (text: string) => new Quantity(text))
    .registerFunction("isQuantity(string): bool", (text: string) => quantityOf(text) !== undefined)
    .registerFunction("Quantity.isGreaterThan(Quantity): bool", (a: Quantity, b: Quantity) => a.micros > b.micros)
    .registerFunction("Quantity.isLessThan(Quantity): bool", (a: Quantity, b: Quantity) => a.micros < b.micros)
    .registerFunction(
      "Quantity.compareTo(Quantity): int",
      (a: Quantity, b: Quantity) => BigInt(Math.sign(a.micros - b.micros)),
    )
    .registerFunction("Quantity.asInteger(): int", (a: Quantity) => BigInt(Math.round(a.micros / 1e6)))
    .registerFunction("Quantity.isInteger(): bool", (a: Quantity) => Number.isInteger(a.micros / 1e6))
    .registerFunction("Quantity.sign(): int", (a: Quantity) => BigInt(Math.sign(a.micros)))
    .registerFunction("isURL(string): bool", (text: string) => URL.canParse(text))
    .registerFunction("isIP(string): bool", (text: string) => isIP(text) !== 0)
    .registerFunction(
      "list.isSorted(): bool",
      (list: unknown[]) => list.every((x, i) => i === 0 || (list[i - 1] as string) <= (x as string)),
    )
    .registerFunction(
      "list.sum(): dyn",
      (list: (number | bigint)[]) => list.reduce((a, b) => (a as bigint) + (b as bigint)),
    )
    .registerFunction("list.min(): dyn", (list: bigint[]) => list.reduce((a, b) => a < b ? a : b))
    .registerFunction("list.max(): dyn", (list: bigint[]) => list.reduce((a, b) => a > b ? a : b))
    .registerFunction("list.indexOf(dyn): int", (list: unknown[], x: unknown) => BigInt(list.indexOf(x)))
    .registerFunction(
      "string.find(string): string",
      (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? "",
    );
}

type Program = (context: Record<string, unknown>) => unknown;
const programs = new Map<string, Program | Error>();

function programOf(expression: string): Program {
  let found = programs.get(expression);
  if (found === undefined) {
    try {
      found = rulesEnvironment().parse(expression) as unknown as Program;
    } catch (error) {
      found = error as Error;
    }
    programs.set(expression, found);
  }
  if (found instanceof Error) throw found;
  return found;
}

/** Why an expression is none; undefined where it is one. */
export function expressionError(expression: string): string | undefined {
  try {
    programOf(expression);
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  }
}

/** Whether any place of a schema has rules. */
export function hasRules(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasRules);
  if (!isPlainObject(schema)) return false;
  if (Array.isArray(schema["x-kubernetes-validations"])) return true;
  return Object.values(schema).some(hasRules);
}

/** What the rules refuse. `old` is undefined at a creation; rules about changes are not asked then. */
export function ruleErrors(schema: JsonSchema, value: unknown, old: unknown, path = ""): Cause[] {
  if (value === undefined || value === null) return [];
  const causes = ((schema["x-kubernetes-validations"] ?? []) as readonly Rule[])
    .flatMap((rule) => errorOf(rule, schema, value, old, path));
  const step = (name: string) => path === "" ? name : `${path}.${name}`;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!isPlainObject(items)) return causes;
    const keys = (schema["x-kubernetes-list-map-keys"] ?? []) as readonly string[];
    for (const [i, item] of value.entries()) {
      const before = keys.length === 0 || !Array.isArray(old)
        ? undefined
        : old.find((other) => keys.every((key) => deepEqual((other as JsonSchema)[key], (item as JsonSchema)[key])));
      causes.push(...ruleErrors(items, item, before, `${path}[${i}]`));
    }
  } else if (isPlainObject(value)) {
    const { additionalProperties, properties } = schema;
    const before = isPlainObject(old) ? old : {};
    for (const [name, inner] of Object.entries(value)) {
      const own = isPlainObject(properties) && Object.hasOwn(properties, name)
        ? properties[name]
        : additionalProperties;
      if (isPlainObject(own)) causes.push(...ruleErrors(own, inner, before[name], step(name)));
    }
  }
  return causes;
}

function errorOf(rule: Rule, schema: JsonSchema, value: unknown, old: unknown, path: string): Cause[] {
  const isTransition = /\boldSelf\b/.test(rule.rule);
  if (isTransition && old === undefined && rule.optionalOldSelf !== true) return [];
  const context = { self: celValue(schema, value), oldSelf: old === undefined ? null : celValue(schema, old) };
  let message = rule.message?.trim() ?? `failed rule: ${rule.rule.trim()}`;
  try {
    if (programOf(rule.rule)(context) === true) return [];
    if (rule.messageExpression !== undefined) message = evaluated(rule.messageExpression, context) ?? message;
  } catch (error) {
    message = `${rule.message ?? ""}${rule.message === undefined ? "" : ": "}rule evaluation error: ${
      (error as Error).message.split("\n")[0]
    }`;
  }
  const field = `${path}${rule.fieldPath ?? ""}`.replace(/^\./, "") || "<nil>";
  const reason = rule.reason ?? "FieldValueInvalid";
  const type = typeof schema.type === "string" ? schema.type : isPlainObject(value) ? "object" : typeof value;
  const shown = reason === "FieldValueInvalid"
    ? `${words[reason]}: ${JSON.stringify(type)}: `
    : `${words[reason] ?? "Invalid value"}: `;
  return [{ reason, message: `${shown}${message}`, field }];
}

function evaluated(expression: string, context: Record<string, unknown>): string | undefined {
  try {
    const text = programOf(expression)(context);
    return typeof text === "string" && text.trim() !== "" && !text.includes("\n") ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Whole numbers are ints and all others doubles, by the schema. */
function celValue(schema: JsonSchema | undefined, value: unknown): unknown {
  if (typeof value === "number") {
    const isInt = schema?.type === "integer" || (schema?.type !== "number" && Number.isInteger(value));
    return isInt && Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => celValue(schema?.items as JsonSchema | undefined, item));
  if (!isPlainObject(value)) return value;
  const properties = schema?.properties as Readonly<Record<string, JsonSchema>> | undefined;
  const additional = schema?.additionalProperties as JsonSchema | undefined;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      celValue(properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : additional, inner),
    ]),
  );
}
