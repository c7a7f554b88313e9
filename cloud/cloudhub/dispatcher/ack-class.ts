// Which messages to an edge must be acknowledged (KubeEdge `noAckRequired`, by path segment instead of by substring).
import type { Message } from "../../../protocol/message/message.ts";
import { groups, modules, ok, operations, resourceTypes } from "../../../protocol/message/names.ts";

/** Types that are sent without acknowledgement, whichever module sends them. */
const unacknowledgedTypes: ReadonlySet<string> = new Set([
  resourceTypes.podlist,
  resourceTypes.membership,
  resourceTypes.serviceaccounttoken,
]);
/** Types whose messages from EdgeController are answers the edge waits for itself. */
const answeredTypes: ReadonlySet<string> = new Set([
  resourceTypes.lease,
  resourceTypes.nodepatch,
  resourceTypes.podpatch,
  resourceTypes.podstatus,
  resourceTypes.certificatesigningrequest,
]);

/** `wire` is the resource without `node/{id}`. */
export function needsAck(message: Message, wire: string): boolean {
  const { source, group, operation } = message.route;
  const [first = "", type = ""] = wire.split("/");
  if (first === resourceTypes.membership || wire === "twin" || wire === "k8s/ca.crt") return false;
  if (unacknowledgedTypes.has(type)) return false;
  if (wire.endsWith("/twin/cloud_updated")) return false;
  if (group === groups.user || type === "volume" || operation === "applicationResponse") return false;
  if (source === modules.taskmanager || source === "nodeupgradejobcontroller") return false;
  if (operation === operations.response && (message.content === ok || isFailure(message.content))) return false;
  if (source !== modules.edgecontroller) return true;
  if (type === resourceTypes.node) return operation === operations.update;
  if (answeredTypes.has(type)) return false;
  return !(type === resourceTypes.pod && operation === operations.response);
}

/** An error as answers contain it: `{"ErrStatus": …}`. */
function isFailure(content: unknown): boolean {
  return typeof content === "object" && content !== null && "ErrStatus" in content;
}
