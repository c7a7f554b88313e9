// Resource paths: `node/{node}/{namespace}/{type}[/{name}]` inside the cloud, the same without its first two words on the wire.

/** The namespace word of cluster-scoped objects. */
export const noNamespace = "null";

/** A path taken apart. `name` is empty where the path has none. */
export interface ResourcePath {
  readonly namespace: string;
  readonly type: string;
  readonly name: string;
}

/** The wire path of an object. */
export function wirePath(namespace: string, type: string, name = ""): string {
  return name === "" ? `${namespace}/${type}` : `${namespace}/${type}/${name}`;
}

/** The cloud path of an object for one node. */
export function nodePath(node: string, namespace: string, type: string, name = ""): string {
  return `node/${node}/${wirePath(namespace, type, name)}`;
}

/** Puts `node/{node}/` before a wire path, as the hub does with what an edge sends. */
export function prefixNode(node: string, resource: string): string {
  return `node/${node}/${resource}`;
}

/**
 * The node a cloud path is for: the segment after the first one that is `node`; empty where there is none
 * (KubeEdge `GetNodeID`: the word may stand anywhere, e.g. `…/nodeupgradejob/j/node/n1`).
 */
export function nodeOf(resource: string): string {
  const segments = resource.split("/");
  const at = segments.indexOf("node");
  return at === -1 ? "" : segments[at + 1] ?? "";
}

/** The wire path of a cloud path: without its first two segments where it begins with `node` and has at least three. */
export function trimNode(resource: string): string {
  if (!resource.startsWith("node")) return resource;
  const segments = resource.split("/");
  return segments.length < 3 ? resource : segments.slice(2).join("/");
}

/**
 * Takes a wire path apart; undefined where it has fewer than two or more than three segments, an empty one, or one that
 * a URL would take for a step (`.`, `..`).
 */
export function parseWirePath(resource: string): ResourcePath | undefined {
  const [namespace, type, name = "", ...rest] = resource.split("/");
  if (!namespace || !type || rest.length > 0) return undefined;
  if (resource.endsWith("/") || [namespace, type, name].some((segment) => /^\.\.?$/.test(segment))) return undefined;
  return { namespace, type, name };
}

/** Takes a cloud path apart; undefined where it is none. */
export function parseNodePath(resource: string): (ResourcePath & { readonly node: string }) | undefined {
  const [word, node, ...rest] = resource.split("/");
  if (word !== "node" || !node) return undefined;
  const path = parseWirePath(rest.join("/"));
  return path === undefined ? undefined : { node, ...path };
}
