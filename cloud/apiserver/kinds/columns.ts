// What `kubectl get` shows of each kind.
import { type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
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
