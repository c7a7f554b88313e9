// Configmaps, secrets and service-account tokens that an edge asks for because a pod mounts them.
import { operations } from "../../../protocol/message/names.ts";
import { hasCode } from "../../kube/client.ts";
import { type Resource, resources } from "../../kube/resource.ts";
import { bareAnswer, contentObject, failure, type Handler, listerNotFound, looked } from "./request.ts";

/** `query {type}/{name}`: from the cache, or from the API where the cache may lag behind. Other operations get no answer. */
function querier(resource: Resource, kind: string): Handler {
  return async ({ client, caches }, { operation, path }) => {
    const { namespace, name } = path;
    if (operation !== operations.query || name === "") return [];
    const cached = caches.of(resource).get(namespace, name);
    if (cached !== undefined) return [bareAnswer(cached)];
    try {
      return [bareAnswer(await client.get({ resource, namespace, name }))];
    } catch (error) {
      return [{ content: hasCode(error, 404) ? listerNotFound(kind, "", name) : failure(error) }];
    }
  };
}

export const queryConfigMap = querier(resources.configmaps, "configmap");
export const querySecret = querier(resources.secrets, "secret");

/** Volumes and their like are read from the API: they are not cached. */
export function liveQuerier(resource: Resource): Handler {
  return async ({ client }, { operation, path }) => {
    const { namespace, name } = path;
    if (operation !== operations.query || name === "") return [];
    return await looked(() => client.get({ resource, name, ...(resource.namespaced ? { namespace } : {}) }));
  };
}

export const queryVolume = liveQuerier(resources.persistentvolumes);
export const queryVolumeClaim = liveQuerier(resources.persistentvolumeclaims);
export const queryVolumeAttachment = liveQuerier(resources.volumeattachments);

/** `query serviceaccounttoken/{account}` with a TokenRequest as content. */
export const requestToken: Handler = async ({ client }, request) => {
  const { namespace, name } = request.path;
  if (request.operation !== operations.query || name === "") return [];
  try {
    const ref = { resource: resources.serviceaccounts, namespace, name };
    return [{ content: await client.createSub(ref, "token", contentObject(request)) }];
  } catch (error) {
    return [{ content: failure(error) }];
  }
};
