// What an object that is bound to a node makes that node need besides it.
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { referencesIn } from "../../protocol/apis/pod.ts";

/** Paths (`namespace/type/name`) of the configmaps and secrets that a pod refers to, or of the model of a device. */
export function usedBy(object: KubeObject): string[] {
  const { kind, metadata: { namespace = "default" } } = object;
  if (kind === "Pod") return referencesIn(object).map((used) => `${used.namespace}/${used.kind}/${used.name}`);
  const model = textAt(object, "spec", "deviceModelRef", "name");
  return kind === "Device" && model !== "" ? [`${namespace}/devicemodel/${model}`] : [];
}
