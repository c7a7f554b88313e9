// Objects as kubectl's tables and as metadata alone.
import type { KubeList, KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind } from "../kinds/kind.ts";
import { ApiError, badRequest } from "../status.ts";
import type { Form } from "./negotiate.ts";

/** An object in the form asked for. */
export function formedObject(kind: Kind, object: KubeObject, form: Form, query: URLSearchParams, now: number): unknown {
  switch (form.as) {
    case "object":
      return object;
    case "Table":
      return table(kind, [object], { resourceVersion: object.metadata.resourceVersion }, form.version, query, now);
    case "PartialObjectMetadata":
      return partial(object, form.version);
    default:
      throw new ApiError(
        406,
        "NotAcceptable",
        `you requested PartialObjectMetadataList, but the requested object is not a list (*core.${kind.kind})`,
      );
  }
}

/** A list in the form asked for. */
export function formedList(kind: Kind, list: KubeList, form: Form, query: URLSearchParams, now: number): unknown {
  switch (form.as) {
    case "object":
      // Items of built-in lists carry no kind of their own; those of custom resources do, and name their next page even if there is none.
      return kind.custom
        ? { ...list, metadata: { continue: "", ...list.metadata } }
        : { ...list, items: list.items.map(({ kind: _k, apiVersion: _a, ...rest }) => rest) };
    case "Table":
      return table(kind, list.items, list.metadata, form.version, query, now);
    case "PartialObjectMetadataList":
      return {
        kind: "PartialObjectMetadataList",
        apiVersion: `meta.k8s.io/${form.version}`,
        metadata: list.metadata,
        items: list.items.map((item) => partial(item, form.version)),
      };
    default:
      throw new ApiError(
        406,
        "NotAcceptable",
        `you requested PartialObjectMetadata, but the requested object is a list (*core.${kind.listKind})`,
      );
  }
}

/** The object of a watch event; only the first Table of a watch carries its columns. */
export function formedEvent(
  kind: Kind,
  object: KubeObject,
  form: Form,
  query: URLSearchParams,
  now: number,
  first: boolean,
) {
  const formed = formedObject(
    kind,
    object,
    form.as === "PartialObjectMetadataList" ? { ...form, as: "PartialObjectMetadata" } : form,
    query,
    now,
  );
  if (form.as === "Table" && !first) (formed as Record<string, unknown>).columnDefinitions = null;
  return formed;
}

function partial(object: KubeObject, version: string) {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

function table(
  kind: Kind,
  objects: readonly KubeObject[],
  metadata: Record<string, unknown>,
  version: string,
  query: URLSearchParams,
  now: number,
) {
  const include = query.get("includeObject") ?? "Metadata";
  if (!["Metadata", "Object", "None", ""].includes(include)) {
    throw badRequest(
      `Unable to convert to Table as requested: includeObject: Invalid value: ${
        JSON.stringify(include)
      }: must be 'Metadata', 'Object', 'None', or empty`,
    );
  }
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: kind.columns.map((column) => ({
      name: column.name,
      type: column.type,
      format: column.format ?? "",
      description: column.description ?? column.name,
      priority: column.wide ? 1 : 0,
    })),
    rows: objects.map((object) => ({
      cells: kind.columns.map((column) => column.cell(object, now)),
      object: include === "Object" ? object : include === "None" ? null : partial(object, version),
    })),
  };
}
