// Which recorded messages an edge acknowledges: objects of today's KubeEdge that are sent without being asked for.
import type { HopRecord } from "../../base/hop/hop.ts";

const kinds: ReadonlySet<string> = new Set(["pod", "configmap", "secret", "device", "devicemodel"]);

/** Whether the edge has to acknowledge it (CloudHub `noAckRequired`, KubeEdge v1.23 `session_manager.go`, seen from the other side). */
export function needsRecordedAck({ group, operation, resource }: HopRecord): boolean {
  const [, type = ""] = resource.split("/");
  return group === "resource" && kinds.has(type) && ["insert", "update", "delete"].includes(operation);
}
