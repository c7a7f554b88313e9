// `$name` and `${name}` in the texts of a scenario.
import type { Variables } from "./context.ts";

/** Replaces variables in every text of a value. A text that is one variable alone becomes its value; unknown names stay. */
export function substitute(value: unknown, variables: Variables): unknown {
  if (typeof value === "string") return inText(value, variables);
  if (Array.isArray(value)) return value.map((item) => substitute(item, variables));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [String(inText(key, variables)), substitute(inner, variables)]),
  );
}

function inText(text: string, variables: Variables): unknown {
  const whole = /^\$(?:(\w+)|\{(\w+)\})$/.exec(text);
  const name = whole?.[1] ?? whole?.[2];
  if (name !== undefined && Object.hasOwn(variables, name)) return variables[name];
  return text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (found, bare: string | undefined, braced: string | undefined) => {
    const key = bare ?? braced ?? "";
    return Object.hasOwn(variables, key) ? String(variables[key]) : found;
  });
}

/** The value at a path such as `metadata.uid` or `status.twins[0].reported`. */
export function valueAt(value: unknown, path: string): unknown {
  let current = value;
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== "")) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string, unknown>)[step];
  }
  return current;
}
