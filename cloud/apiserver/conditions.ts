// Conditions of a status: identified by their type; the condition that was set last is the last in the list.
import { at, type KubeObject, listAt } from "../../protocol/apis/kube-object.ts";

/** The object with this condition in the place of the one of its type. */
export function withCondition(object: KubeObject, condition: { readonly type: string }): KubeObject {
  const others = listAt(object, "status", "conditions").filter((other) => at(other, "type") !== condition.type);
  return { ...object, status: { ...(object.status as object), conditions: [...others, condition] } } as KubeObject;
}
