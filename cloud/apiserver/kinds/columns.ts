// What `kubectl get` shows of each kind.
import { at, isPlainObject, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";
import type { Column } from "./kind.ts";

export const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column = {
  name: "Age",
  type: "string",
  cell: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

/** A column whose cell is the text at a path. */
export function textColumn(name: string, ...path: (string | number)[]): Column {
  return { name, type: "string", cell: (object) => textAt(object, ...path) };
}

/** A column whose cell is how many keys some fields have together. */
export function countColumn(name: string, ...fields: string[]): Column {
  const count = (object: KubeObject, field: string) => Object.keys((object[field] ?? {}) as object).length;
  return { name, type: "string", cell: (object) => fields.reduce((sum, field) => sum + count(object, field), 0) };
}

/** A duration as kubectl prints it: `5s`, `3m20s`, `2h5m`, `3d4h`, `47d`. */
export function ageOf(since: unknown, now: number): string {
  if (typeof since !== "string") return "<unknown>";
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  return `${Math.floor(days / 365)}y`;
}

/** A column whose cell is the number at a path; 0 where there is none. */
export function numberColumn(name: string, ...path: (string | number)[]): Column {
  return { name, type: "integer", cell: (object) => Number(at(object, ...path) ?? 0) };
}

/** The columns of `-o wide` that show a pod template: names and images of its containers, and the selector. */
export function templateColumns(selector?: readonly string[]): Column[] {
  const containers = (object: KubeObject) => listAt(object, "spec", "template", "spec", "containers");
  return [
    {
      name: "Containers",
      type: "string",
      wide: true,
      cell: (o) => containers(o).map((c) => textAt(c, "name")).join(","),
    },
    { name: "Images", type: "string", wide: true, cell: (o) => containers(o).map((c) => textAt(c, "image")).join(",") },
    ...selector === undefined ? [] : [{
      name: "Selector",
      type: "string" as const,
      wide: true,
      cell: (object: KubeObject) => selectorText(at(object, ...selector)),
    }],
  ];
}

/** A label selector, or a map of labels, as one text. */
export function selectorText(selector: unknown): string {
  if (!isPlainObject(selector)) return "<none>";
  const isMap = Object.values(selector).every((value) => typeof value === "string");
  const labels = Object.entries((isMap ? selector : selector.matchLabels ?? {}) as Record<string, string>);
  const expressions = listAt(selector, "matchExpressions").map((e) => {
    const key = textAt(e, "key");
    const values = listAt(e, "values").join(",");
    switch (textAt(e, "operator")) {
      case "In":
        return `${key} in (${values})`;
      case "NotIn":
        return `${key} notin (${values})`;
      case "Exists":
        return key;
      default:
        return `!${key}`;
    }
  });
  return [...labels.map(([key, value]) => `${key}=${value}`), ...expressions].sort().join(",") || "<none>";
}
