// What there is: groups, versions and resources, in the plain and in the aggregated form.
import { createHash } from "node:crypto";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { GroupVersionKind, Kind } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { unknownResource } from "../status.ts";
import { encodeEnvelope } from "../types/protobuf-write.ts";
import { typeNameOf } from "../types/table.ts";

interface Part {
  readonly verbs: readonly string[];
  readonly answers?: GroupVersionKind;
}

/** The subresources of a kind; those of built-in kinds by name, those of others with the status first. */
function subresourcesOf({ custom, hasStatus, subresources }: Kind): [name: string, Part][] {
  const status: [string, Part][] = hasStatus ? [["status", { verbs: ["get", "patch", "update"] }]] : [];
  const all: [string, Part][] = [...status, ...Object.entries(subresources)];
  return custom === undefined ? all.sort(([a], [b]) => a < b ? -1 : 1) : all;
}

export function coreVersions(server: string) {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: server }],
  };
}

export function groupList(registry: Registry) {
  // Groups of definitions come in the order of their APIServices' names, which begin with the version.
  const custom = new Set(registry.all().filter((kind) => kind.custom !== undefined).map((kind) => kind.group));
  const first = (name: string) =>
    (registry.groups().get(name) ?? []).map((version) => `${version}.${name}`).sort()[0] ?? "";
  const groups = [...registry.groups().keys()].filter((name) => name !== "")
    .sort((a, b) => custom.has(a) && custom.has(b) ? (first(a) < first(b) ? -1 : 1) : 0)
    .map((name) => group(registry, name));
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

/** Storage versions that are not simply the kind's own. */
const storageNames: Readonly<Record<string, string>> = {
  "apiextensions.k8s.io/CustomResourceDefinition": "apiextensions.k8s.io/v1beta1/CustomResourceDefinition",
  "events.k8s.io/Event": "v1/Event",
};

/** By it clients see that the stored form of a kind has changed. */
function storageVersionHash({ group, kind, storedAs }: Kind): string {
  const name = storageNames[`${group}/${kind}`] ?? (group === "" ? `/${storedAs}/${kind}` : `${storedAs}/${kind}`);
  return createHash("sha256").update(name).digest().subarray(0, 8).toString("base64");
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
        ...(kind.verbs.includes("update") ? { storageVersionHash: storageVersionHash(kind) } : {}),
      },
      ...subresourcesOf(kind).map(([name, { answers, verbs }]) => ({
        name: `${kind.plural}/${name}`,
        singularName: "",
        namespaced: kind.namespaced,
        ...(answers === undefined ? { kind: kind.kind } : answers.version === "" ? { kind: answers.kind } : answers),
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
  // kube-apiserver leaves out the group and version of its own kinds.
  const own = kind.custom === undefined
    ? { group: "", version: "", kind: kind.kind }
    : { group: kind.group, version: kind.version, kind: kind.kind };
  const subresources = subresourcesOf(kind).map(([subresource, { answers, verbs }]) => ({
    subresource,
    responseKind: answers ?? own,
    verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: own,
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

/** An object that says itself what it is, as protobuf. */
export function encodedByKind(object: KubeObject): Uint8Array {
  const { apiVersion = "v1", kind = "Status" } = object;
  const [first = "", second] = apiVersion.split("/");
  const [groupName, version] = second === undefined ? ["", first] : [first, second];
  const type = typeNameOf(groupName, version, kind) ?? `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`;
  return encodeEnvelope(type, apiVersion, kind, object);
}
