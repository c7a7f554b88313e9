// Kubernetes manifests that a scenario names: files beside it, or objects in it.
import { SkepError } from "../../base/error/skep-error.ts";
import { access, readdir, readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { type Document, isNode, LineCounter, parseAllDocuments } from "yaml";
import { reasonOf } from "../../base/log/logger.ts";
import { isPlainObject, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { narrowed } from "../../protocol/json.ts";
import { substitute } from "./variables.ts";

/** A file that a scenario or a file of cohorts names can't be read, or holds something else. */
export class InputFileError extends SkepError {
  readonly code = "SKEP_INPUT_FILE";
}

/** A file that stands beside another one. */
export function fileBeside(name: string, file: string): string {
  return isAbsolute(name) ? name : join(dirname(file), name);
}

/** A file that a scenario names, and where it was looked for. */
export interface NamedFile {
  readonly name: string;
  /** What it is, as in `there is no stage …`. */
  readonly what: string;
  /** The folder of what is shipped with skep. */
  readonly shipped: string;
}

/** NAME.yaml beside a scenario, or else in a folder of what is shipped. Throws InputFileError where it is in neither. */
export async function besideOrShipped({ name, shipped, what }: NamedFile, scenarioFile: string): Promise<string> {
  const beside = join(dirname(scenarioFile), `${name}.yaml`);
  if (await isThere(beside)) return beside;
  const theirs = resolve(shipped, `${name}.yaml`);
  if (await isThere(theirs)) return theirs;
  const names = (await readdir(shipped)).map((file) => file.replace(/\.yaml$/, "")).join(", ");
  throw new InputFileError(`there is no ${what} ${name}: ${beside} is not there, and shipped are ${names}`);
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(() => true, () => false);
}

/** An object of a file, and where in the file a part of it stands, as `file:line:column`. */
export interface ReadObject {
  readonly object: KubeObject;
  where(path: readonly (string | number)[]): string;
}

/** How the objects of a file are read. */
export interface ReadOptions {
  /** What is made of each document: variables and names replaced. Default: variables that there are none of stay. */
  readonly render?: (value: unknown) => unknown;
  /** Objects may lack a name: they are compared with others, not made. Default: false. */
  readonly isPartial?: boolean;
}

/** The objects of a file; a `List` is taken apart. Throws InputFileError where it can't be read or holds something else. */
export async function readManifest(file: string, options: ReadOptions = {}): Promise<KubeObject[]> {
  return (await readObjects(file, options)).map(({ object }) => object);
}

/** As readManifest, with positions. */
export async function readObjects(
  file: string,
  { isPartial = false, render = (value) => substitute(value, {}) }: ReadOptions = {},
): Promise<ReadObject[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new InputFileError(`can't read the manifest ${file}`, { details: [reasonOf(error)] });
  }
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, intAsBigInt: true });
  const objects: ReadObject[] = [];
  for (const document of "empty" in documents ? [] : documents) {
    const at = (offset: number) => `${file}:${lines.linePos(offset).line}:${lines.linePos(offset).col}`;
    const where = (path: readonly (string | number)[]): string => {
      for (let length = path.length; length >= 0; length--) {
        const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return at(node.range[0]);
      }
      return `${file}:1:1`;
    };
    const [error] = document.errors;
    if (error !== undefined) {
      throw new InputFileError(`${at(error.pos[0])}: the manifest is not YAML: ${error.message.split("\n")[0]}`);
    }
    const value = render(valueOf(document, where));
    if (value !== null && value !== undefined) objects.push(...objectsIn(value, where, [], isPartial));
  }
  return objects;
}

function valueOf(document: Document.Parsed, where: ReadObject["where"]): unknown {
  try {
    return document.toJS({ reviver: (_key, value) => narrowed(value) });
  } catch (error) {
    throw new InputFileError(`${where([])}: not usable: ${reasonOf(error).split("\n")[0]}`);
  }
}

/** One object, or those of a List: what `kubectl get -o yaml` writes. */
export function objectsIn(
  value: unknown,
  where: ReadObject["where"],
  path: readonly (string | number)[],
  isPartial = false,
): ReadObject[] {
  const object = value as Partial<KubeObject>;
  const kind = isPlainObject(value) ? object.kind : undefined;
  if (typeof kind === "string" && isList(value)) {
    return (value.items as unknown[]).flatMap((item, i) => objectsIn(item, where, [...path, "items", i], isPartial));
  }
  const lacks = !isPlainObject(value)
    ? "an object is needed"
    : typeof object.apiVersion !== "string"
    ? "apiVersion is missing"
    : typeof kind !== "string"
    ? "kind is missing"
    : !isPartial && typeof object.metadata?.name !== "string"
    ? "metadata.name is missing"
    : undefined;
  if (lacks !== undefined) throw new InputFileError(`${where(path)}: this is no Kubernetes object: ${lacks}`);
  const { metadata } = object;
  const named = typeof metadata?.name === "string" ? value : { ...object, metadata: { ...metadata, name: "" } };
  return [{ object: named as KubeObject, where: (inner) => where([...path, ...inner]) }];
}

/** `kind: List`, or `DeviceList` and the like. A kind that merely ends so has no items. */
function isList(value: unknown): value is { readonly items: unknown } {
  const { items, kind } = value as { readonly items?: unknown; readonly kind: string };
  return kind.endsWith("List") && Array.isArray(items);
}
