// Which fields of an object no schema knows, as paths, and which real name is nearest to a misspelt one.
import { isPlainObject, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { objectMeta, typeNameOf, typeOf } from "./types.ts";

/** A CustomResourceDefinition's schema, or a part of it. */
export type Schema = Readonly<Record<string, unknown>>;

/** What is known of one place in an object: the names of its fields, and what they hold. */
export interface Place {
  /** Undefined where any value is allowed. */
  readonly names: readonly string[] | undefined;
  field(name: string): Place | undefined;
  item(): Place | undefined;
}

const anything: Place = { names: undefined, field: () => anything, item: () => anything };

/** The fields of a built-in kind; undefined for kinds that aren't built in. */
export function builtinFields(group: string, version: string, kind: string): Place | undefined {
  const name = typeNameOf(group, version, kind);
  return name === undefined ? undefined : placeOfType(name);
}

const places = new Map<string, Place>();

function placeOfType(type: string): Place {
  let place = places.get(type);
  if (place === undefined) {
    place = newPlaceOfType(type);
    places.set(type, place);
  }
  return place;
}

function newPlaceOfType(type: string): Place {
  if (type.startsWith("[]")) return { ...anything, item: () => placeOfType(type.slice(2)) };
  if (type.startsWith("{}")) return { ...anything, field: () => placeOfType(type.slice(2)) };
  const { fields } = typeOf(type) ?? {};
  if (fields === undefined) return anything;
  return {
    names: Object.keys(fields),
    field: (name) => Object.hasOwn(fields, name) ? placeOfType(fields[name]?.type ?? "") : undefined,
    item: () => anything,
  };
}

/** The fields of a custom kind. */
export function customFields(schema: Schema): Place {
  const root = placeOfSchema(schema);
  const own: Readonly<Record<string, Place>> = {
    apiVersion: anything,
    kind: anything,
    metadata: placeOfType(objectMeta),
  };
  return {
    names: root.names && [...root.names, ...Object.keys(own)],
    field: (name) => Object.hasOwn(own, name) ? own[name] : root.field(name),
    item: () => anything,
  };
}

function placeOfSchema(schema: Schema | undefined): Place {
  if (schema === undefined || schema["x-kubernetes-preserve-unknown-fields"] === true) return anything;
  if (schema["x-kubernetes-embedded-resource"] === true) return anything;
  const items = schema.items as Schema | undefined;
  if (items !== undefined) return { ...anything, item: () => placeOfSchema(items) };
  const { additionalProperties, properties } = schema as {
    readonly additionalProperties?: unknown;
    readonly properties?: Readonly<Record<string, Schema>>;
  };
  if (isPlainObject(additionalProperties)) return { ...anything, field: () => placeOfSchema(additionalProperties) };
  if (properties === undefined) {
    return schema.type === "object" && additionalProperties !== true
      ? { ...anything, names: [], field: () => undefined }
      : anything;
  }
  return {
    names: Object.keys(properties),
    field: (name) => Object.hasOwn(properties, name) ? placeOfSchema(properties[name]) : undefined,
    item: () => anything,
  };
}

/** Paths of fields that aren't known, such as `spec.containers[0].imagePolicy`, outer ones of an object after its inner ones. */
export function unknownFields(object: KubeObject, place: Place): string[] {
  const found: string[] = [];
  walk(object, place, "", found);
  return found;
}

function walk(value: unknown, place: Place, path: string, found: string[]): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) walk(item, place.item() ?? anything, `${path}[${i}]`, found);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const at = path === "" ? key : `${path}.${key}`;
      const known = place.field(key);
      if (known === undefined) found.push(at);
      else walk(inner, known, at, found);
    }
  }
}

/** Removes the fields of an object that its type doesn't know, as Go's decoder leaves them out. */
export function dropUnknownFields(value: unknown, place: Place): void {
  if (place === anything) return;
  if (Array.isArray(value)) {
    for (const item of value) dropUnknownFields(item, place.item() ?? anything);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const known = place.field(key);
      if (known === undefined) delete (value as Record<string, unknown>)[key];
      else dropUnknownFields(inner, known);
    }
  }
}

/** The field that was probably meant at a path: its full path; undefined where none is near. */
export function nearestField(path: string, place: Place): string | undefined {
  const words = path.split(/\.|(?=\[)/);
  let at: Place | undefined = place;
  for (const word of words.slice(0, -1)) at = word.startsWith("[") ? at?.item() : at?.field(word);
  const wrong = words.at(-1) ?? "";
  const near =
    (at?.names ?? []).map((name) => ({ name, distance: distanceOf(wrong.toLowerCase(), name.toLowerCase()) }))
      .sort((a, b) => a.distance - b.distance)[0];
  if (near === undefined || near.distance > Math.max(1, Math.floor(wrong.length / 3))) return undefined;
  return `${path.slice(0, path.length - wrong.length)}${near.name}`;
}

/** Levenshtein's distance. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const cost = one[i - 1] === other[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
