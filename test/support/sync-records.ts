// Records of what nodes have acknowledged (ObjectSync), for tests that read or plant them.
import type { KubeClient } from "../../cloud/kube/client.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";

/** Where the record of an object of the namespace `default` on a node is. */
export function recordRef(node: string, object: KubeObject) {
  return {
    resource: resources.objectsyncs as Resource,
    namespace: "default",
    name: `${node}.${object.metadata.uid}`,
  };
}

/** The version that the node has acknowledged; empty for none. */
export async function recordedVersion(kube: KubeClient, node: string, object: KubeObject): Promise<string> {
  return textAt(await kube.find(recordRef(node, object)), "status", "objectResourceVersion");
}

/** Whether the node has acknowledged exactly this version of the object. */
export async function isRecorded(kube: KubeClient, node: string, object: KubeObject): Promise<boolean> {
  return await recordedVersion(kube, node, object) === object.metadata.resourceVersion;
}

/** Creates a record as a former cloudcore left it: of what, and the version acknowledged. Default: no status. */
export function addRecord(
  kube: KubeClient,
  name: string,
  [objectAPIVersion, objectKind, objectName]: string[],
  version?: string,
): Promise<KubeObject> {
  const { apiVersion, kind } = resources.objectsyncs;
  return kube.create(resources.objectsyncs, {
    apiVersion,
    kind,
    metadata: { name, namespace: "default" },
    spec: { objectAPIVersion, objectKind, objectName },
    ...(version === undefined ? {} : { status: { objectResourceVersion: version } }),
  });
}
