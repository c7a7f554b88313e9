// The simple JSON paths that definitions use: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `.spec.list[0]`.
import { isPlainObject } from "../../../protocol/apis/kube-object.ts";

type Step =
  | { readonly is: "field"; readonly name: string }
  | { readonly is: "index"; readonly index: number }
  | { readonly is: "all" }
  | { readonly is: "filter"; readonly name: readonly string[]; readonly value: string };

const words =
  /\.([A-Za-z0-9_$-]+)|\['([^']*)'\]|\["([^"]*)"\]|\[(-?\d+)\]|(\[\*\]|\.\*)|\[\?\(\s*@((?:\.[A-Za-z0-9_-]+)+)\s*==\s*(?:'([^']*)'|"([^"]*)"|([^)\s]+))\s*\)\]/y;

const known = new Map<string, readonly Step[] | undefined>();

/** The steps of a path; undefined for one that is beyond this. Dots within a field's name may be escaped. */
export function stepsOf(path: string): readonly Step[] | undefined {
  if (!known.has(path)) known.set(path, parse(path));
  return known.get(path);
}

function parse(path: string): readonly Step[] | undefined {
  const text = path.replace(/^\{(.*)\}$/s, "$1").replace(/^\$/, "").replaceAll("\\.", "\u0000");
  const whole = text.startsWith(".") || text.startsWith("[") ? text : `.${text}`;
  const steps: Step[] = [];
  words.lastIndex = 0;
  while (words.lastIndex < whole.length) {
    const match = words.exec(whole.replaceAll("\u0000", "$"));
    if (match === null) return undefined;
    const [, name, quoted, doubly, index, all, filter, one, two, three] = match;
    const field = name ?? quoted ?? doubly;
    if (field !== undefined) steps.push({ is: "field", name: restored(whole, field, path) });
    else if (index !== undefined) steps.push({ is: "index", index: Number(index) });
    else if (all !== undefined) steps.push({ is: "all" });
    else if (filter !== undefined) {
      steps.push({ is: "filter", name: filter.split(".").slice(1), value: one ?? two ?? three ?? "" });
    }
  }
  return steps;
}

/** A name whose escaped dots were hidden from the pattern. */
function restored(_whole: string, name: string, path: string): string {
  return path.includes("\\.") ? name.replaceAll("$", ".") : name;
}

/** What stands at a path; the first of several. Undefined where nothing does, or where the path is beyond us. */
export function readPath(value: unknown, path: string): unknown {
  const steps = stepsOf(path);
  if (steps === undefined) return undefined;
  let current: unknown[] = [value];
  for (const step of steps) current = current.flatMap((one) => follow(one, step)).filter((one) => one !== undefined);
  return current[0];
}

function follow(value: unknown, step: Step): unknown[] {
  switch (step.is) {
    case "field":
      return isPlainObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case "index":
      return Array.isArray(value) ? [value.at(step.index)] : [];
    case "all":
      return Array.isArray(value) ? value : isPlainObject(value) ? Object.values(value) : [];
    case "filter":
      return Array.isArray(value) ? value.filter((item) => String(deep(item, step.name)) === step.value) : [];
  }
}

function deep(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((one, name) => isPlainObject(one) ? one[name] : undefined, value);
}
