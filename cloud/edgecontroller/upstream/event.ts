// Events of an edge: created, updated and patched in the API. None is answered.
import { operations } from "../../../protocol/message/names.ts";
import { at, type KubeObject, textAt } from "../../../protocol/apis/kube-object.ts";
import { resources } from "../../kube/resource.ts";
import { contentObject, type Handler, quietly } from "./request.ts";

/** `insert|update|patch event/{name}`. A patch comes as `{"event": …, "patchData": "<json>"}`. Failures cost the event only. */
export const takeEvent: Handler = async ({ caches: { client } }, request) => {
  const content = contentObject(request);
  return await quietly(async () => {
    switch (request.operation) {
      case operations.insert:
        await client.create(resources.events, eventOf(content));
        break;
      case operations.update:
        await client.update(resources.events, eventOf(content));
        break;
      case operations.patch: {
        const event = eventOf(at(content, "event") as KubeObject);
        const { name, namespace = "default" } = event.metadata;
        const ref = { resource: resources.events, namespace, name };
        await client.patch(ref, "strategic", textAt(content, "patchData"));
      }
    }
    return [];
  });
};

function eventOf(content: KubeObject): KubeObject {
  return { ...content, apiVersion: "v1", kind: "Event" };
}
