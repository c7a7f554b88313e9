// The object that a request is about: its kind, namespace and name, by the path and by the body.
import { at, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Kind } from "../kinds/kind.ts";
import { ApiError, badRequest, notFound } from "../status.ts";
import type { Store } from "../storage/store.ts";

/** Where an object stands: its kind, its namespace ("" for cluster-scoped kinds) and its name. */
export interface Target {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

export function keyOfTarget({ namespace, name }: Target): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** Puts an object into the namespace of the path. Throws 400 where it names another one. */
export function takeNamespace(kind: Kind, object: KubeObject, namespace: string): void {
  const { metadata } = object;
  if (!kind.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  metadata.namespace = namespace;
}

/** Throws 404 where there is no such namespace, and 403 where it is being deleted. */
export function refuseIfNamespaceEnds(store: Store, kind: Kind, namespace: string, name: string): void {
  const found = store.get("namespaces", namespace);
  if (found === undefined) throw notFound({ group: "", plural: "namespaces" }, namespace);
  if (at(found, "status", "phase") !== "Terminating") return;
  throw new ApiError(
    403,
    "Forbidden",
    `${
      kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`
    } "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
    {
      name,
      ...(kind.group === "" ? {} : { group: kind.group }),
      kind: kind.plural,
      causes: [{
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      }],
    },
  );
}

export function otherName(found: string, wanted: string): ApiError {
  return badRequest(`the name of the object (${found}) does not match the name on the URL (${wanted})`);
}
