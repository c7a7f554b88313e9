// ObjectSync and ClusterObjectSync, reliablesyncs.kubeedge.io/v1alpha1: which version of an object a node holds.
import type { KubeObject } from "./kube-object.ts";

export const syncApi = "reliablesyncs.kubeedge.io/v1alpha1";

/** One record. Its name is `{node}.{uid of the object}`; its namespace is the object's. */
export interface ObjectSync extends KubeObject {
  spec?: { readonly objectAPIVersion?: string; readonly objectKind?: string; readonly objectName?: string };
  status?: { readonly objectResourceVersion?: string };
}

/** The version a record has before the node has acknowledged anything: older than every real one. */
export const neverAcknowledged = "0";

/** Whether a record's version is one that a node has acknowledged. */
export function isAcknowledgedVersion(version: string): boolean {
  return version !== "" && version !== neverAcknowledged;
}

/** What makes a record say that nothing was acknowledged: a merge patch of its status. */
export const resetPatch = { status: { objectResourceVersion: neverAcknowledged } } as const;

/** The name of the record of an object on a node. */
export function syncNameOf(node: string, uid: string): string {
  return `${node}.${uid}`;
}

/** Node and object uid of a record's name. Node names may contain dots, uids don't: the last dot divides. */
export function parseSyncName(name: string): { readonly node: string; readonly uid: string } {
  const dot = name.lastIndexOf(".");
  return { node: name.slice(0, Math.max(0, dot)), uid: name.slice(dot + 1) };
}

/** A new record for an object on a node; its status is written apart, as the CRD has a status subresource. */
export function newObjectSync(node: string, object: KubeObject): ObjectSync {
  const { namespace, name, uid = "" } = object.metadata;
  return {
    apiVersion: syncApi,
    kind: namespace ? "ObjectSync" : "ClusterObjectSync",
    metadata: { name: syncNameOf(node, uid), ...(namespace ? { namespace } : {}) },
    spec: { objectAPIVersion: object.apiVersion ?? "", objectKind: object.kind ?? "", objectName: name },
  };
}

/** Marks an object that stands for records which have not been created yet. */
const journalLabel = "skep/journal";
/** Where it holds them: a line each, of the record's namespace and name, and the object's apiVersion, kind and name. */
const journalAnnotation = "skep/records";

/**
 * One object that stands for many records: a ClusterObjectSync, since a cloudcore that may write records may write it. Its name is not that
 * of a record of any node, so that a cloudcore that does not know it removes it as one of a node that is gone (KubeEdge v1.23
 * `cloud/pkg/synccontroller/synccontroller.go`).
 */
export function newJournal(name: string, records: readonly ObjectSync[]): KubeObject {
  return {
    apiVersion: syncApi,
    kind: "ClusterObjectSync",
    metadata: {
      name,
      labels: { [journalLabel]: "" },
      annotations: { [journalAnnotation]: records.map(journalLine).join("\n") },
    },
  };
}

/** The line of one record; its length in bytes is what it takes of the annotations' 256 KiB. */
export function journalLine({ metadata: { name, namespace = "" }, spec = {} }: ObjectSync): string {
  return [namespace, name, spec.objectAPIVersion ?? "", spec.objectKind ?? "", spec.objectName ?? ""].join(" ");
}

export function isJournal(object: KubeObject): boolean {
  return object.metadata.labels?.[journalLabel] !== undefined;
}

/** The records that a journal stands for; a line that is none is left out. */
export function recordsOf(journal: KubeObject): ObjectSync[] {
  return (journal.metadata.annotations?.[journalAnnotation] ?? "").split("\n").flatMap((line) => {
    const [namespace = "", record = "", apiVersion = "", kind = "", name] = line.split(" ");
    if (name === undefined) return [];
    const { node, uid } = parseSyncName(record);
    return [newObjectSync(node, { apiVersion, kind, metadata: { namespace, name, uid } })];
  });
}
