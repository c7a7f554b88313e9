// What there is: groups, versions and resources, in the plain and in the aggregated form, and OpenAPI's outline of them.
import { createHash } from "node:crypto";
import { apiVersionOf, type Kind, type Subresource } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { unknownResource } from "../status.ts";

/** The subresources of a kind, the status first. */
function subresourcesOf({ hasStatus, subresources }: Kind): [name: string, Pick<Subresource, "verbs" | "answers">][] {
  const status = ["status", { verbs: ["get", "patch", "update"] }] as [string, Pick<Subresource, "verbs" | "answers">];
  return [...hasStatus ? [status] : [], ...Object.entries(subresources)];
}

export function coreVersions(server: string) {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: server }],
  };
}

export function groupList(registry: Registry) {
  const groups = [...registry.groups().keys()].filter((name) => name !== "").map((name) => group(registry, name));
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: groups.map(({ kind: _k, apiVersion: _a, ...rest }) => rest),
  };
}

/** One group; throws 404 for one that isn't there. */
export function group(registry: Registry, name: string) {
  const versions = registry.groups().get(name);
  if (versions === undefined || name === "") throw unknownResource();
  const entries = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { kind: "APIGroup", apiVersion: "v1", name, versions: entries, preferredVersion: entries[0] };
}

/** The resources of one version of a group; throws 404 for one that isn't there. */
export function resourceList(registry: Registry, groupName: string, version: string) {
  const kinds = kindsOf(registry, groupName, version);
  if (kinds.length === 0) throw unknownResource();
  return {
    kind: "APIResourceList",
    ...(groupName === "" ? {} : { apiVersion: "v1" }),
    groupVersion: groupName === "" ? version : `${groupName}/${version}`,
    resources: kinds.flatMap((kind) => [
      {
        name: kind.plural,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: kind.verbs,
        ...(kind.shortNames === undefined ? {} : { shortNames: kind.shortNames }),
        ...(kind.categories === undefined ? {} : { categories: kind.categories }),
        storageVersionHash: createHash("sha256").update(`${groupName}/${version}/${kind.kind}`).digest().subarray(0, 8)
          .toString("base64"),
      },
      ...subresourcesOf(kind).map(([name, { answers, verbs }]) => ({
        name: `${kind.plural}/${name}`,
        singularName: "",
        namespaced: kind.namespaced,
        ...(answers ?? { kind: kind.kind }),
        verbs,
      })),
    ]),
  };
}

/** `/api` or `/apis` in the aggregated form. */
export function aggregated(registry: Registry, which: "core" | "groups", form: "v2" | "v2beta1") {
  const groups = [...registry.groups()].filter(([name]) => (name === "") === (which === "core"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${form}`,
    metadata: {},
    items: groups.map(([name, versions]) => ({
      metadata: { ...(name === "" ? {} : { name }), creationTimestamp: null },
      versions: versions.map((version) => ({
        version,
        resources: kindsOf(registry, name, version).map(aggregatedResource),
        freshness: "Current",
      })),
    })),
  };
}

function aggregatedResource(kind: Kind) {
  const scope = kind.namespaced ? "Namespaced" : "Cluster";
  const subresources = subresourcesOf(kind).map(([subresource, { answers, verbs }]) => ({
    subresource,
    responseKind: answers ?? { group: kind.group, version: kind.version, kind: kind.kind },
    verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope,
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames === undefined ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories === undefined ? {} : { categories: kind.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}

function kindsOf(registry: Registry, groupName: string, version: string): Kind[] {
  return registry.all().filter((kind) => kind.group === groupName && kind.version === version)
    .sort((a, b) => a.plural < b.plural ? -1 : 1);
}

const pathOf = (groupName: string, version: string) =>
  groupName === "" ? `api/${version}` : `apis/${groupName}/${version}`;

/** The index that kubectl reads before any write. */
export function openApiIndex(registry: Registry) {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const [name, versions] of registry.groups()) {
    for (const version of versions) {
      const document = JSON.stringify(openApiDocument(registry, name, version));
      const hash = createHash("sha256").update(document).digest("hex").slice(0, 32).toUpperCase();
      paths[pathOf(name, version)] = { serverRelativeURL: `/openapi/v3/${pathOf(name, version)}?hash=${hash}` };
    }
  }
  return { paths };
}

/**
 * The outline of one group version: which kinds can be patched where, and that the server itself looks at unknown fields
 * (`fieldValidation`), which tells kubectl not to validate by a schema it would otherwise download. Throws 404.
 */
export function openApiDocument(registry: Registry, groupName: string, version: string) {
  const kinds = kindsOf(registry, groupName, version);
  if (kinds.length === 0) throw unknownResource();
  const paths: Record<string, unknown> = {};
  const schemas: Record<string, unknown> = {};
  for (const kind of kinds) {
    const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
    const place = `/${pathOf(groupName, version)}${kind.namespaced ? "/namespaces/{namespace}" : ""}/${kind.plural}`;
    const operation = (action: string, verb: string) => ({
      operationId: `${verb}${kind.namespaced ? "Namespaced" : ""}${kind.kind}`,
      "x-kubernetes-action": action,
      "x-kubernetes-group-version-kind": gvk,
      parameters: ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({
        name,
        in: "query",
        schema: { type: "string", uniqueItems: true },
      })),
      responses: { "200": { description: "OK" } },
    });
    paths[place] = { post: operation("post", "create") };
    paths[`${place}/{name}`] = { put: operation("put", "replace"), patch: operation("patch", "patch") };
    schemas[`${apiVersionOf(kind).replaceAll("/", ".")}.${kind.kind}`] = {
      type: "object",
      description: `${kind.kind} of ${apiVersionOf(kind)}`,
      "x-kubernetes-group-version-kind": [gvk],
      "x-kubernetes-preserve-unknown-fields": true,
    };
  }
  return { openapi: "3.0.0", info: { title: "Kubernetes", version: "v1.32.0" }, paths, components: { schemas } };
}
