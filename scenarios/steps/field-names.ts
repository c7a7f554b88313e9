// Explains a refusal of unknown fields: the real name that is nearest to each.
import {
  builtinFields,
  customFields,
  nearestField,
  type Place,
  type Schema,
} from "../../cloud/apiserver/kinds/fields.ts";
import type { KubeClient } from "../../cloud/kube/client.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { at, listAt, textAt } from "../../protocol/apis/kube-object.ts";

/** Lines such as `spec.nodename is no field of a Pod; spec.nodeName is`; none where the message is about something else. */
export async function explainFields(kube: KubeClient, resource: Resource, message: string): Promise<string[]> {
  // Inside of a text that is quoted itself, quotes have a backslash before them.
  const paths = [...message.matchAll(/unknown field \\?"([^"\\]+)\\?"/g)].map((match) => match[1] as string);
  if (paths.length === 0) return [];
  const place = await fieldsOf(kube, resource);
  return [...new Set(paths)].map((path) => {
    const near = place && nearestField(path, place);
    return `${path} is no field of a ${resource.kind}${near === undefined ? "" : `; ${near} is`}`;
  });
}

async function fieldsOf(kube: KubeClient, { apiVersion, kind, plural }: Resource): Promise<Place | undefined> {
  const [group = "", version = ""] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const builtin = builtinFields(group, version, kind);
  if (builtin !== undefined) return builtin;
  const ref = { resource: resources.customresourcedefinitions, name: `${plural}.${group}` };
  const crd = await kube.find(ref).catch(() => undefined);
  const served = listAt(crd, "spec", "versions").find((each) => textAt(each, "name") === version);
  const schema = at(served, "schema", "openAPIV3Schema") as Schema | undefined;
  return schema && customFields(schema);
}
