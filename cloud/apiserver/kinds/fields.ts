// Which fields of an object no schema knows, as paths, and which real name is nearest to a misspelt one.
import { isPlainObject, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { type Shape, shapeOf, structOf } from "../types/shape.ts";
import { objectMeta, typeNameOf } from "../types/table.ts";

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
  if (name === undefined) return undefined;
  const place = placeOfShape(structOf(name));
  const own = ["apiVersion", "kind"];
  return {
    ...place,
    names: [...place.names ?? [], ...own],
    field: (field) => own.includes(field) ? anything : place.field(field),
  };
}

const places = new Map<Shape, Place>();

function placeOfShape(shape: Shape): Place {
  let place = places.get(shape);
  if (place === undefined) {
    place = newPlaceOfShape(shape);
    places.set(shape, place);
  }
  return place;
}

function newPlaceOfShape(shape: Shape): Place {
  switch (shape.is) {
    case "list":
      return { ...anything, item: () => placeOfShape(shape.item) };
    case "map":
      return { ...anything, field: () => placeOfShape(shape.value) };
    case "struct":
      return {
        get names() {
          return [...shape.fields.keys()];
        },
        field(name) {
          const field = shape.fields.get(name);
          return field === undefined ? undefined : placeOfShape(field.shape);
        },
        item: () => anything,
      };
    default:
      return anything;
  }
}

/** The fields of a custom kind. */
export function customFields(schema: Schema): Place {
  const root = placeOfSchema(schema);
  const own: Readonly<Record<string, Place>> = {
    apiVersion: anything,
    kind: anything,
    metadata: placeOfShape(shapeOf(objectMeta)),
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
