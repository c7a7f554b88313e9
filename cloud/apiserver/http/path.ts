// What a request's path means: a resource, an object, a part of one.
import { badRequest } from "../status.ts";

/** A path below `/api/v1` or `/apis/GROUP/VERSION`. Names are "" where the path has none. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly isInNamespace: boolean;
  readonly plural: string;
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource. */
  readonly rest: readonly string[];
  /** The old form of watches, `/api/v1/watch/…`. */
  readonly isOldWatch: boolean;
}

export function decodeWord(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw badRequest(`the path has a broken escape: ${word}`);
  }
}

/** The resource of a path; undefined for paths that name none. */
export function resourcePath(words: readonly string[]): ResourcePath | undefined {
  const [root, first = "", second = ""] = words;
  if (root === "api" && first !== "" && words.length > 2) return partsOf("", first, words.slice(2));
  if (root === "apis" && second !== "" && words.length > 3) return partsOf(first, second, words.slice(3));
  return undefined;
}

function partsOf(group: string, version: string, given: readonly string[]): ResourcePath {
  const isOldWatch = given[0] === "watch" && given.length > 1;
  const path = isOldWatch ? given.slice(1) : given;
  // `namespaces/{ns}/{plural}…` is a place in a namespace; `namespaces/{name}` and `namespaces/{name}/status` are a Namespace.
  const isInNamespace = path[0] === "namespaces" && path.length >= 3 &&
    !(group === "" && path.length === 3 && ["status", "finalize"].includes(path[2] as string));
  const namespace = isInNamespace ? path[1] as string : "";
  const [plural = "", name = "", subresource = "", ...rest] = isInNamespace ? path.slice(2) : path;
  return { group, version, namespace, isInNamespace, plural, name, subresource, rest, isOldWatch };
}
