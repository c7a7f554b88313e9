// Everything that a server holds as one YAML text, and back: for bug reports, fixtures, and moves from one server to another.
import { stringify } from "yaml";
import { keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Resources } from "./resources.ts";

/** Without these others can't be: they come first. */
const first = [
  "customresourcedefinitions.apiextensions.k8s.io",
  "namespaces",
  "serviceaccounts",
  "priorityclasses.scheduling.k8s.io",
];

/** All objects with all that the server has added to them, in an order in which they can be read back. Secrets are among them. */
export function exportObjects({ store }: Resources): string {
  const tables = store.tables();
  const ordered = [
    ...first.filter((table) => tables.includes(table)),
    ...tables.filter((table) => !first.includes(table)).sort(),
  ];
  const objects = ordered.flatMap((table) => store.listStored(table)).map(({ whole }) =>
    JSON.parse(JSON.stringify(whole)) as KubeObject
  );
  return objects.map((object) => stringify(object, { version: "1.1" })).join("---\n");
}

/**
 * Puts objects in. What was exported (it has a uid) comes back as it was, with its status and owners, in the place of what has
 * its name; anything else is created, or replaces what is there. Throws ApiError for what the API would refuse, and an Error
 * for a kind that it does not have.
 */
export function importObjects(resources: Resources, objects: readonly KubeObject[]): void {
  const tableOf = (object: KubeObject) =>
    resources.registry.findByKind(object.apiVersion ?? "v1", object.kind ?? "")?.table;
  const rank = (object: KubeObject) => {
    const at = first.indexOf(tableOf(object) ?? "");
    return at === -1 ? first.length : at;
  };
  for (const object of objects.toSorted((a, b) => rank(a) - rank(b))) {
    const { apiVersion = "v1", kind: name = "", metadata } = object;
    const kind = resources.registry.findByKind(apiVersion, name);
    if (kind === undefined) {
      throw new Error(`this API has no kind ${name} in ${apiVersion}: ${metadata.name} can't be put in`);
    }
    const namespace = kind.namespaced ? metadata.namespace ?? "default" : "";
    if (metadata.uid !== undefined) {
      const { managedFields, resourceVersion: _v, ...rest } = metadata as typeof metadata & {
        readonly managedFields?: unknown;
      };
      const fields = managedFields === undefined ? undefined : JSON.stringify(managedFields);
      resources.store.put(kind.table, { ...object, metadata: rest as KubeObject["metadata"] }, fields);
      continue;
    }
    const { resourceVersion: _v, ...rest } = metadata;
    const given = structuredClone({ ...object, metadata: rest });
    const isThere = resources.store.get(
      kind.table,
      keyOf({ metadata: { ...rest, ...(namespace === "" ? {} : { namespace }) } } as KubeObject),
    ) !== undefined;
    if (isThere) resources.update({ kind, namespace, name: metadata.name }, given);
    else resources.create(kind, namespace, given);
  }
}
