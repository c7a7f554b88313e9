// A node's lease, which keeps it Ready.
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { hasCode } from "../../kube/client.ts";
import { resources } from "../../kube/resource.ts";
import { contentOr, type Handler, listerNotFound, objectAnswer, textAnswer } from "./request.ts";

const emptyLease = { metadata: { creationTimestamp: null }, spec: {} } as unknown as KubeObject;

/** `insert` or `update lease/{name}`. */
export const writeLease: Handler = async ({ client }, request) => {
  const { namespace, name } = request.path;
  let given: KubeObject;
  try {
    given = contentOr("unmarshal message content with error", request);
  } catch (error) {
    return [{ content: (error as Error).message, type: resourceTypes.node }];
  }
  const lease = {
    ...given,
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { ...given.metadata, namespace, name: name || given.metadata.name },
  };
  try {
    const method = request.operation === operations.insert ? "POST" : "PUT";
    return [textAnswer(await client.writeText(resources.leases, lease, method))];
  } catch (error) {
    return [objectAnswer(emptyLease, error)];
  }
};

/** `query lease/{name}`: the object comes with its kind, unlike all others of this shape (it comes from an informer). */
export const queryLease: Handler = async ({ client }, { path }) => {
  const { namespace, name } = path;
  try {
    return [{ content: { Object: await client.get({ resource: resources.leases, namespace, name }), Err: null } }];
  } catch (error) {
    if (!hasCode(error, 404)) return [objectAnswer(null, error)];
    return [{ content: { Object: null, Err: listerNotFound("lease", "coordination.k8s.io", name) } }];
  }
};
