// Nodes and pods for tests of the cloud: in the API alone, or with an edge by hand that is connected as the node.
import type { KubeClient } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { deviceApi } from "../../protocol/apis/device.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { ackOf, type RawEdge, rawEdge } from "./raw-edge.ts";
import type { Cloud } from "./start.ts";

/** The labels of every edge's Node. */
export const edgeLabels: Readonly<Record<string, string>> = { "node-role.kubernetes.io/edge": "" };

/** Creates the Node of an edge. `metadata` is laid over its name and labels. */
export function addNode(kube: KubeClient, name: string, metadata: object = {}): Promise<KubeObject> {
  return kube.create(resources.nodes, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: edgeLabels, ...metadata },
  });
}

/** A pod that is bound to the node, not created yet. */
export function podOn(node: string, name: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { nodeName: node, containers: [{ name: "c", image: "i" }] },
  };
}

/** Creates a pod that is bound to the node. */
export function addPod(kube: KubeClient, node: string, name: string): Promise<KubeObject> {
  return kube.create(resources.pods, podOn(node, name));
}

/** Creates a device that is bound to the node, with one property, `t`, and its model, whose name is the device's with `-model`. */
export async function addDevice(kube: KubeClient, node: string, name: string): Promise<void> {
  const [t, model] = ["t", `${name}-model`];
  await kube.create(resources.devicemodels, {
    apiVersion: deviceApi,
    kind: "DeviceModel",
    metadata: { name: model, namespace: "default" },
    spec: { properties: [{ name: t, type: "INT", accessMode: "ReadWrite" }] },
  });
  await kube.create(resources.devices, {
    apiVersion: deviceApi,
    kind: "Device",
    metadata: { name, namespace: "default" },
    spec: { nodeName: node, deviceModelRef: { name: model }, properties: [{ name: t }] },
  });
}

/**
 * An edge by hand with its Node, which is created where there is none; it is alive until `close`. It has acknowledged a new Node,
 * and acknowledges nothing else before `acknowledgeAll`. With `still` it stays connected, yet sends no keepalive any more.
 */
export async function connectedNode(cloud: Cloud, name: string): Promise<RawEdge & { still(): void }> {
  const isNew = await cloud.kube.find({ resource: resources.nodes, name }) === undefined;
  if (isNew) await addNode(cloud.kube, name);
  const edge = await rawEdge(cloud, name);
  const beat = setInterval(() => {
    if (edge.ended() === undefined) edge.send({ operation: "keepalive", resource: "node" });
    else clearInterval(beat);
  }, 300);
  if (isNew) edge.send(ackOf(await edge.expect("its Node", ({ route }) => route.resource === `null/node/${name}`)));
  return { ...edge, still: () => clearInterval(beat), close: () => (clearInterval(beat), edge.close()) };
}

/** Settles when all that the edge has sent before has been processed: leases wait for no other request, so that each is asked last. */
export async function processed(edge: RawEdge): Promise<void> {
  for (const resource of ["default/configmap/last", `kube-node-lease/lease/${edge.node}`]) {
    const query = edge.send({ operation: "query", resource, content: null });
    await edge.expect(`the answer to ${resource}`, ({ header }) => header.parent_msg_id === query.header.msg_id);
  }
}
