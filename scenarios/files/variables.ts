// `$name` and `${name}` in the texts of a scenario.

/** Values of `$name`. */
export type Variables = Readonly<Record<string, unknown>>;

/** Replaces variables in every text of a value. A text that is one variable alone becomes its value; unknown names stay. */
export function substitute(value: unknown, variables: Variables): unknown {
  if (typeof value === "string") return inText(value, variables);
  if (Array.isArray(value)) return value.map((item) => substitute(item, variables));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [String(inText(key, variables)), substitute(inner, variables)]),
  );
}

/**
 * A text that is nothing but an unset variable, such as `$EDEG`: a check for it would pass by mistake. Inside of
 * longer texts (`sh -c "echo $HOME"`) and as a key (`$patch`) a dollar may well be meant.
 */
export function unknownVariable(value: unknown, variables: Variables): string | undefined {
  if (typeof value === "string") {
    const name = /^\$(?:(\w+)|\{(\w+)\})$/.exec(value);
    return name === null || Object.hasOwn(variables, name[1] ?? name[2] ?? "") ? undefined : value;
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const inner of Object.values(value)) {
    const found = unknownVariable(inner, variables);
    if (found !== undefined) return found;
  }
  return undefined;
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
