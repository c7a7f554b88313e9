// Objects and lists in the form a client asked for: as they are, as kubectl's tables, as metadata alone.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { apiVersionOf, type Kind } from "../kinds/kind.ts";
import type { Page } from "../pages.ts";
import { ApiError, badRequest } from "../status.ts";
import { Stored } from "../storage/stored.ts";
import { encodeEnvelope } from "../types/protobuf-write.ts";
import { typeNameOf } from "../types/table.ts";
import type { Form } from "./negotiate.ts";

/** A body ready to be written: its JSON text, a value, or bytes of protobuf. */
export type Content =
  | { readonly text: string }
  | { readonly value: unknown }
  | { readonly bytes: Uint8Array };

/** What a table is made with. */
export interface TableOptions {
  readonly query: URLSearchParams;
  readonly now: number;
}

/** An object in the form asked for. */
export function formedObject(kind: Kind, stored: Stored, form: Form, options: TableOptions): Content {
  switch (form.as) {
    case "object":
      return form.media === "protobuf" ? { bytes: protobufOf(kind, stored.whole) } : { text: stored.text };
    case "Table": {
      const { resourceVersion } = stored.object.metadata;
      return { value: table(kind, [stored], { resourceVersion }, form.version, options) };
    }
    case "PartialObjectMetadata":
      return { value: partial(stored, form.version) };
    default:
      throw new ApiError(
        406,
        "NotAcceptable",
        `you requested PartialObjectMetadataList, but the requested object is not a list (*core.${kind.kind})`,
      );
  }
}

/** An object of a built-in type as protobuf. */
export function protobufOf(kind: Kind, object: KubeObject): Uint8Array {
  const type = typeNameOf(kind.group, kind.version, kind.kind);
  if (type === undefined) throw new Error(`${kind.kind} has no protobuf`);
  return encodeEnvelope(type, apiVersionOf(kind), kind.kind, object);
}

function metadataOf(kind: Kind, { next, remaining, revision }: Page): Record<string, unknown> {
  return {
    // Lists of custom resources name their next page even if there is none.
    ...(next === undefined ? (kind.custom === undefined ? {} : { continue: "" }) : { continue: next }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
    resourceVersion: String(revision),
  };
}

/** A list in the form asked for. */
export function formedList(kind: Kind, page: Page, form: Form, options: TableOptions): Content {
  const metadata = metadataOf(kind, page);
  switch (form.as) {
    case "object":
      return form.media === "protobuf"
        ? { bytes: protobufList(kind, page, metadata) }
        : { text: listText(kind, page, metadata) };
    case "Table": {
      const { continue: next, ...rest } = metadata;
      return {
        value: table(
          kind,
          page.items,
          { ...rest, ...(next === undefined || next === "" ? {} : { continue: next }) },
          form.version,
          options,
        ),
      };
    }
    case "PartialObjectMetadataList": {
      const { continue: next, ...rest } = metadata;
      return {
        value: {
          kind: "PartialObjectMetadataList",
          apiVersion: `meta.k8s.io/${form.version}`,
          metadata: { ...rest, ...(next === undefined || next === "" ? {} : { continue: next }) },
          items: page.items.map((item) => partial(item, form.version)),
        },
      };
    }
    default:
      throw new ApiError(
        406,
        "NotAcceptable",
        `you requested PartialObjectMetadata, but the requested object is a list (*core.${kind.listKind})`,
      );
  }
}

/** Items are copied as they are stored. Those of custom resources carry their kind, others do not. */
function listText(kind: Kind, page: Page, metadata: Record<string, unknown>): string {
  const items = page.items.map((item) => kind.custom === undefined ? item.body : item.text);
  const head = `{"kind":${JSON.stringify(kind.listKind)},"apiVersion":${
    JSON.stringify(apiVersionOf(kind))
  },"metadata":${JSON.stringify(metadata)},"items":[`;
  // Its ends are joined with the first and the last item: a long list is put together once.
  items[0] = head + (items[0] ?? "");
  items[items.length - 1] += "]}";
  return items.join(",");
}

function protobufList(kind: Kind, page: Page, metadata: Record<string, unknown>): Uint8Array {
  const type = typeNameOf(kind.group, kind.version, kind.listKind);
  if (type === undefined) throw new Error(`${kind.listKind} has no protobuf`);
  const list = { metadata, items: page.items.map(({ whole }) => whole) };
  return encodeEnvelope(type, apiVersionOf(kind), kind.listKind, list);
}

/** The object of a watch event; only the first Table of a watch carries its columns. */
export function formedEvent(kind: Kind, stored: Stored, form: Form, options: TableOptions, isFirst: boolean): Content {
  const single = form.as === "PartialObjectMetadataList" ? { ...form, as: "PartialObjectMetadata" as const } : form;
  const formed = formedObject(kind, stored, single, options);
  if (form.as === "Table" && !isFirst && "value" in formed) {
    (formed.value as Record<string, unknown>).columnDefinitions = null;
  }
  return formed;
}

function partial(stored: Stored, version: string) {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: stored.whole.metadata };
}

function table(
  kind: Kind,
  items: readonly Stored[],
  metadata: Record<string, unknown>,
  version: string,
  { now, query }: TableOptions,
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
    rows: items.map((stored) => ({
      cells: kind.columns.map((column) => column.cell(stored.object, now)),
      object: include === "Object"
        ? stored.whole
        : include === "None"
        ? null
        : partial(shownInTable(kind, stored), version),
    })),
  };
}

function shownInTable({ strategy: { hiddenInTables } }: Kind, stored: Stored): Stored {
  const { annotations } = stored.object.metadata;
  if (hiddenInTables === undefined || annotations === undefined) return stored;
  const kept = Object.entries(annotations).filter(([name]) => !hiddenInTables.includes(name));
  const { annotations: _a, ...metadata } = stored.object.metadata;
  const shown = kept.length === 0 ? metadata : { ...metadata, annotations: Object.fromEntries(kept) };
  return new Stored({ ...stored.object, metadata: shown as KubeObject["metadata"] }, stored.managedFields);
}
