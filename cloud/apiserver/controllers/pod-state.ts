// What a pod's status says of it, as all controllers read it.
import { at, type KubeObject, listAt, textAt } from "../../../protocol/apis/kube-object.ts";

/** Whether it has ended: it uses nothing of its node, and nobody is sent to it. */
export function isEnded(pod: KubeObject): boolean {
  return ["Succeeded", "Failed"].includes(textAt(pod, "status", "phase"));
}

/** Whether it counts for its controller: neither ended nor being deleted. */
export function isActive(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && !isEnded(pod);
}

/** The condition `Ready`, where it is true. */
export function readyCondition(pod: KubeObject): unknown {
  return listAt(pod, "status", "conditions").find((c) => at(c, "type") === "Ready" && at(c, "status") === "True");
}

export function isReady(pod: KubeObject): boolean {
  return readyCondition(pod) !== undefined;
}
