// The built-in kinds, made from the table of resources; what is particular about one is in its rules.
import { schemaOfStruct } from "../apply/schema.ts";
import { type ResourceRow, resourceRows, typeNameOf } from "../types/table.ts";
import { structOf } from "../types/shape.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import type { GroupVersionKind, Kind, KindRules, ScalePaths, Subresource } from "./kind.ts";
import { rulesOf } from "./rules.ts";

const replicas: ScalePaths = {
  spec: ["spec", "replicas"],
  status: ["status", "replicas"],
  selector: ["spec", "selector"],
};
/** Subresources of the table that kube-apiserver serves only with an alpha feature. */
const alpha: ReadonlySet<string> = new Set(["resize"]);
/** Verbs of the streams towards nodes, as discovery names them. */
const streamVerbs: Readonly<Record<string, readonly string[]>> = {
  proxy: ["create", "delete", "get", "patch", "update"],
  log: ["get"],
};

/** Kinds whose objects another kind's table holds, in another version of them. */
const sharedTables: Readonly<Record<string, { readonly table: string; readonly storedAs: string }>> = {
  "events.k8s.io/v1/events": { table: "events", storedAs: "v1" },
  "autoscaling/v1/horizontalpodautoscalers": {
    table: "horizontalpodautoscalers.autoscaling",
    storedAs: "autoscaling/v2",
  },
};

function isStable(version: string): boolean {
  return /^v\d+$/.test(version);
}

/** All built-in kinds. Alpha and beta versions only where they are asked for, as with kube-apiserver's `--runtime-config`. */
export function builtinKinds(hasUnstable: boolean): readonly Kind[] {
  return resourceRows().filter(({ version }) => hasUnstable || isStable(version)).map(kindOf);
}

function kindOf(row: ResourceRow): Kind {
  const { group, kind, namespaced, plural, version } = row;
  const rules = rulesOf(group, plural, version);
  const qualified = group === "" ? plural : `${plural}.${group}`;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  const typeName = typeNameOf(group, version, kind) as string;
  const shared = sharedTables[`${apiVersion}/${plural}`];
  return {
    group,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: rules.singular ?? kind.toLowerCase(),
    namespaced,
    ...(rules.shortNames === undefined ? {} : { shortNames: rules.shortNames }),
    ...(rules.categories === undefined ? {} : { categories: rules.categories }),
    verbs: row.verbs.filter((verb) => rules.withoutVerbs?.includes(verb) !== true).toSorted(),
    table: shared?.table ?? qualified,
    storedAs: shared?.storedAs ?? apiVersion,
    hasStatus: Object.hasOwn(row.subresources, "status"),
    subresources: subresourcesOf(row, rules),
    columns: rules.columns ?? [nameColumn, ageColumn],
    strategy: rules.strategy ?? {},
    selectable: rules.selectable ?? {},
    get struct() {
      return structOf(typeName);
    },
    custom: undefined,
    get schema() {
      return schemaOfStruct(structOf(typeName));
    },
    ...(rules.warning === undefined ? {} : { warning: rules.warning }),
  };
}

function subresourcesOf(row: ResourceRow, rules: KindRules): Record<string, Subresource> {
  const found: Record<string, Subresource> = {};
  for (const [name, entry] of Object.entries(row.subresources)) {
    if (name === "status" || alpha.has(name)) continue;
    const answers = answersOf(row, name, entry.kind, entry.group, entry.version);
    const common = { verbs: entry.verbs.toSorted(), ...(answers === undefined ? {} : { answers }) };
    const own = rules.subresources?.[name];
    if (own !== undefined) found[name] = { ...own, ...common } as Subresource;
    else if (name === "scale") {
      found[name] = { as: "scale", ...common, answers: answers as GroupVersionKind, paths: replicas };
    } else found[name] = { as: "stream", ...common, verbs: streamVerbs[name] ?? ["create", "get"] };
  }
  return found;
}

/** The kind that a subresource takes and answers with; its own group and version go without saying. */
function answersOf(
  row: ResourceRow,
  name: string,
  kind: string,
  group?: string,
  version?: string,
): GroupVersionKind | undefined {
  if (name === "scale") return { group: "autoscaling", version: "v1", kind: "Scale" };
  if (kind === "Eviction") return { group: "policy", version: "v1", kind };
  if (kind === "TokenRequest") return { group: "authentication.k8s.io", version: "v1", kind };
  if (kind === row.kind) return undefined;
  return { group: group ?? "", version: version ?? "", kind };
}
