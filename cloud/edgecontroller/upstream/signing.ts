// Certificate signing requests that an edge makes and looks at.
import { operations } from "../../../protocol/message/names.ts";
import { resources } from "../../kube/resource.ts";
import { contentObject, type Handler, looked, objectAnswer } from "./request.ts";

/** `insert|query certificatesigningrequest/{name}`. */
export const signingRequest: Handler = async ({ caches, client }, request) => {
  const { name } = request.path;
  if (name === "") return [];
  const resource = resources.certificatesigningrequests;
  if (request.operation === operations.query) {
    return await looked(() => caches.client.get({ resource, name }));
  }
  if (request.operation !== operations.insert) return [];
  const given = contentObject(request);
  try {
    const wanted = { ...given, apiVersion: resource.apiVersion, kind: resource.kind };
    return [objectAnswer(await client.create(resource, wanted))];
  } catch (error) {
    return [
      objectAnswer({ metadata: { creationTimestamp: null }, spec: { request: null }, status: {} } as never, error),
    ];
  }
};
