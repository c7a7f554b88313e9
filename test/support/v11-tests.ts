// Tests with nodes of v1.1 on a cloud for both eras: connected edges by hand, objects, and what the edges have received.
import { afterAll, beforeAll } from "vitest";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import type { Message } from "../../protocol/message/message.ts";
import type { RawEdge } from "./raw-edge.ts";
import type { Cloud } from "./start.ts";
import { makeNodeOfV11, rawEdgeOfV11, startCloudOfBothEras } from "./v11.ts";

/** Starts the cloud before the tests of the file, and stops it after them. */
export function testsOfV11() {
  let started: Cloud | undefined;
  const cloud = (): Cloud => started as Cloud;
  beforeAll(async () => void (started = await startCloudOfBothEras()));
  afterAll(() => started?.stop());
  let number = 0;

  /** A connected node of v1.1, after the lists that it is greeted with. */
  async function oldNode(name = `old-${++number}`): Promise<RawEdge> {
    if (await cloud().kube.find({ resource: resources.nodes, name }) === undefined) await makeNodeOfV11(cloud(), name);
    const edge = await rawEdgeOfV11(cloud(), name);
    await edge.expect("its lists", about("namespace/endpointslist/endpoints"));
    return edge;
  }

  const about = (resource: string, operation?: string) => ({ route }: Message) =>
    route.resource === resource && (operation === undefined || route.operation === operation);
  const heard = (edge: RawEdge, resource: string) =>
    edge.received.filter(about(resource)).map(({ route }) => route.operation);
  const ref = (resource: Resource, name: string) => ({ resource, namespace: "default", name });
  const create = (resource: Resource, name: string, rest: Record<string, unknown>, labels?: Record<string, string>) => {
    const { apiVersion, kind } = resource;
    const metadata = { name, namespace: "default", ...(labels === undefined ? {} : { labels }) };
    return cloud().kube.create(resource, { apiVersion, kind, metadata, ...rest });
  };
  const merge = (resource: Resource, name: string, patch: unknown) =>
    cloud().kube.patch(ref(resource, name), "merge", patch);
  const remove = (resource: Resource, name: string) => cloud().kube.delete(ref(resource, name));
  const pod = (nodeName: string, more: Record<string, unknown> = {}) => ({
    spec: { nodeName, containers: [{ name: "c", image: "i", ...more }] },
  });
  /** What was sent before a marker has come when the marker has. */
  async function settle(edge: RawEdge): Promise<void> {
    const name = `marker-${++number}`;
    await create(resources.pods, name, pod(edge.node));
    await edge.expect("the marker", about(`default/pod/${name}`));
  }
  async function ask(edge: RawEdge, resource: string, operation = "query", content: unknown = null): Promise<Message> {
    const { header } = edge.send({ operation, resource, content });
    return await edge.expect(`the answer of ${resource}`, (m) => m.header.parent_msg_id === header.msg_id);
  }
  /** Everything asked before is answered when this is: one node's requests are dealt with in order. */
  async function asked(edge: RawEdge): Promise<void> {
    await ask(edge, `default/node/${edge.node}`);
  }

  return { cloudOf: cloud, oldNode, about, heard, ref, create, merge, remove, pod, settle, ask, asked };
}
