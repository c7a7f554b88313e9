// A node registers itself, asks for itself, and changes its labels and annotations.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { cloudcoreAnnotation, resourceTypes } from "../../../protocol/message/names.ts";
import { hasCode, type KubeClient } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import {
  bareAnswer,
  contentObject,
  contentOr,
  done,
  failure,
  type Handler,
  listerNotFound,
  objectAnswer,
  quietly,
} from "./request.ts";

/** The zero Node that Go's client hands back with an error, with the labels of the request that it put back on it. */
export function emptyNode(labels?: Record<string, string>): KubeObject {
  const reserved = Object.entries(labels ?? {}).filter(([key]) => isReserved(key));
  return {
    metadata: {
      creationTimestamp: null,
      ...(reserved.length === 0 ? {} : { labels: Object.fromEntries(reserved) }),
    },
    spec: {},
    status: {
      daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
      nodeInfo: {
        machineID: "",
        systemUUID: "",
        bootID: "",
        kernelVersion: "",
        osImage: "",
        containerRuntimeVersion: "",
        kubeletVersion: "",
        kubeProxyVersion: "",
        operatingSystem: "",
        architecture: "",
      },
    },
  } as unknown as KubeObject;
}

/** Labels under `kubernetes.io`, which NodeRestriction keeps nodes from giving themselves. */
function isReserved(key: string): boolean {
  const [prefix = "", name, ...rest] = key.split("/");
  return name !== undefined && rest.length === 0 && (prefix === "kubernetes.io" || prefix.endsWith(".kubernetes.io"));
}

/** `insert node/{name}`: the Node is created as the edge describes it, under the name of the path. */
export const registerNode: Handler = async ({ caches, client, impersonates, localAddress }, request) => {
  let given: KubeObject;
  try {
    given = contentOr("unmarshal marshaled message content with error", request);
  } catch (error) {
    return [{ content: (error as Error).message, type: resourceTypes.node }];
  }
  const node = {
    ...given,
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      ...given.metadata,
      name: request.path.name,
      annotations: { ...given.metadata.annotations, [cloudcoreAnnotation]: localAddress },
    },
  };
  delete node.metadata.resourceVersion;
  try {
    if (!impersonates) return [objectAnswer(await client.create(resources.nodes, node))];
    // NodeRestriction keeps a node from giving itself these labels: we set them in a second call, as Go does.
    const { labels = {}, ...metadata } = node.metadata;
    const [reserved, free] = [true, false].map((which) =>
      Object.fromEntries(
        Object.entries(labels).filter(([key, value]) => isReserved(key) === which && typeof value === "string"),
      )
    );
    const give = () => {
      const ref = { resource: resources.nodes, name: request.path.name };
      return caches.client.patch(ref, "merge", { metadata: { labels: reserved } });
    };
    try {
      await client.create(resources.nodes, { ...node, metadata: { ...metadata, labels: free } } as KubeObject);
    } catch (error) {
      // A cloudcore that died between the two calls left it without them: the edge's next try sets them. A Node with some is done.
      if (hasCode(error, 409) && request.path.name === request.node && await isLeftOver(caches.client, request.node)) {
        await give();
      }
      throw error;
    }
    return [objectAnswer(await give())];
  } catch (error) {
    return [objectAnswer(emptyNode(given.metadata?.labels), error)];
  }
};

/** Whether a Node was made here and has not been given a reserved label yet. */
async function isLeftOver(client: KubeClient, name: string): Promise<boolean> {
  const { annotations = {}, labels = {} } = (await client.find({ resource: resources.nodes, name }))?.metadata ?? {};
  return annotations[cloudcoreAnnotation] !== undefined && !Object.keys(labels).some(isReserved);
}

/** What a map of texts may hold: a null would remove what is stored, a `$patch` would be an order to the API. */
function textsIn(map: unknown): Record<string, string> {
  const entries = Object.entries(typeof map === "object" && map !== null ? map : {});
  return Object.fromEntries(entries.filter(([key, value]) => typeof value === "string" && !key.startsWith("$")));
}

/** `query node/{name}`. */
export const queryNode: Handler = async ({ client }, { path }) => {
  try {
    return [bareAnswer(await client.get({ resource: resources.nodes, name: path.name }))];
  } catch (error) {
    return [{ content: hasCode(error, 404) ? listerNotFound("node", "", path.name) : failure(error) }];
  }
};

/** As updateNode, for the annotations alone: a node of v1.1 can't change its labels. */
export const annotateNode: Handler = async (deps, request) => {
  const { annotations } = contentObject(request).metadata ?? {};
  const content = { metadata: annotations === undefined ? {} : { annotations } };
  return await updateNode(deps, { ...request, message: { ...request.message, content } });
};

/** `update node/{name}`: labels and annotations are laid over the stored ones. A failure is not answered, as with Go. */
export const updateNode: Handler = async ({ client }, request) => {
  const { labels, annotations } = contentObject(request).metadata ?? {};
  const patch = { metadata: { labels: textsIn(labels), annotations: textsIn(annotations) } };
  return await quietly(async () => {
    const node = await client.patch({ resource: resources.nodes, name: request.path.name }, "strategic", patch);
    return [{ ...done, version: node.metadata.resourceVersion ?? "", type: resourceTypes.node }];
  });
};
