// Does a value hold what was asked for? A subset match, and the difference in words where it doesn't.
import { maskedValue } from "../../protocol/message/mask.ts";
import { show } from "../files/show.ts";

/** One place where the value differs. `path` is as in JavaScript: `status.twins[0].reported`. */
export interface Difference {
  readonly path: string;
  /** The way to it in what was expected: keys, and places in lists. */
  readonly at: readonly (string | number)[];
  readonly expected: unknown;
  readonly found: unknown;
}

/** Keys that identify the items of a list, in the order they are tried. */
const itemKeys = ["propertyName", "name", "type"] as const;

/**
 * Every field of `expected` must be in `found` with the same value; more may be. Items of lists are matched by
 * `propertyName`, `name` or `type` where they have one, taints by `key` and `effect`, else by position. `{ $matches: "…" }` is a regular expression,
 * `{ $length: n }` the length of a text or list.
 */
export function differences(
  expected: unknown,
  found: unknown,
  path = "",
  at: Difference["at"] = [],
): Difference[] {
  if (isLength(expected)) {
    const length = typeof found === "string" || Array.isArray(found) ? found.length : undefined;
    if (length === expected.$length) return [];
    return [{ path: `${path}.length`, at: [...at, "$length"], expected: expected.$length, found: length }];
  }
  if (isPattern(expected)) {
    const fits = typeof found === "string" && new RegExp(expected.$matches).test(found);
    return fits ? [] : [{ path, at: [...at, "$matches"], expected: `text that matches /${expected.$matches}/`, found }];
  }
  if (Array.isArray(expected)) return listDifferences(expected, found, path, at);
  if (typeof expected === "object" && expected !== null) {
    if (typeof found !== "object" || found === null || Array.isArray(found)) {
      return [{ path, at, expected, found }];
    }
    return Object.entries(expected).flatMap(([key, value]) => {
      const inner = Object.hasOwn(found, key) ? (found as Record<string, unknown>)[key] : undefined;
      return differences(value, inner, path === "" ? key : `${path}.${key}`, [...at, key]);
    });
  }
  return isSame(expected, found) ? [] : [{ path, at, expected, found }];
}

/** A long whole number is a BigInt or not, by where it was read: its value counts. */
function isSame(expected: unknown, found: unknown): boolean {
  if (Object.is(expected, found)) return true;
  const isNumber = (value: unknown) => typeof value === "bigint" || typeof value === "number";
  return isNumber(expected) && isNumber(found) && typeof expected !== typeof found && expected == found;
}

function listDifferences(expected: unknown[], found: unknown, path: string, at: Difference["at"]): Difference[] {
  if (!Array.isArray(found)) return [{ path, at, expected, found }];
  return expected.flatMap((item, index) => {
    const here = [...at, index];
    if (isTaint(item)) {
      const there = found.findIndex((other) =>
        isTaint(other) && other.key === item.key && other.effect === item.effect
      );
      const name = `${path}[key=${String(item.key)},effect=${String(item.effect)}]`;
      if (there === -1) return [{ path: name, at: here, expected: item, found: undefined }];
      return differences(item, found[there], name, here);
    }
    const key = typeof item === "object" && item !== null ? itemKeys.find((k) => Object.hasOwn(item, k)) : undefined;
    if (key === undefined) return differences(item, found[index], `${path}[${index}]`, here);
    const id = (item as Record<string, unknown>)[key];
    const there = found.findIndex((other) =>
      typeof other === "object" && other !== null && (other as Record<string, unknown>)[key] === id
    );
    const name = `${path}[${key}=${String(id)}]`;
    if (there === -1) return [{ path: name, at: here, expected: item, found: undefined }];
    return differences(item, found[there], name, here);
  });
}

/** Taints and tolerations have no name; of one key there may be several, one for each effect. */
function isTaint(item: unknown): item is { readonly key: unknown; readonly effect: unknown } {
  return typeof item === "object" && item !== null && Object.hasOwn(item, "key") && Object.hasOwn(item, "effect");
}

function isLength(value: unknown): value is { readonly $length: number } {
  return typeof value === "object" && value !== null && typeof (value as { $length?: unknown }).$length === "number";
}

function isPattern(value: unknown): value is { readonly $matches: string } {
  return typeof value === "object" && value !== null && typeof (value as { $matches?: unknown }).$matches === "string";
}

/** A difference in one line. */
export function describeDifference({ path, expected, found }: Difference): string {
  return `${path === "" ? "the value" : path}: expected ${show(expected)}, found ${
    found === undefined ? "nothing" : show(found)
  }`;
}

/** Whether an object, by its kind or its resource's path, holds what nobody should see by accident. */
export function isSecret(about: { readonly kind?: unknown } | string | undefined): boolean {
  if (typeof about === "string") {
    return about.split("/").some((word) => ["secret", "serviceaccounttoken"].includes(word));
  }
  return about?.kind === "Secret";
}

/** The difference in words, without the values where they are a secret's. */
export function describeSecretDifference({ path }: Difference): string {
  return `${path === "" ? "the value" : path}: it is not the one that is expected ${maskedValue}`;
}
