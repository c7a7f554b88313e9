// Resync of a node whose store may differ from its records: the records are reset.
import { atOnce } from "../../../base/queue/at-once.ts";
import { isAcknowledgedVersion } from "../../../protocol/apis/reliablesyncs.ts";
import type { Message } from "../../../protocol/message/message.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { parseWirePath } from "../../../protocol/resource/path.ts";
import type { SyncIndex } from "../../nodes/sync-index.ts";
import type { SyncRecords } from "./sync-records.ts";

/** Records that are written at the same time. */
const AT_ONCE = 20;

/**
 * Whether the message registers a Node. A kubelet does so once, when its process has started (KubeEdge v1.23
 * `edge/pkg/edged/edged.go`, Kubernetes `kubelet_node_status.go`): its store may have been kept, restored or lost, and no message
 * says which.
 */
export function isRegistration({ route }: Message): boolean {
  return route.operation === operations.insert && parseWirePath(route.resource ?? "")?.type === resourceTypes.node;
}

/**
 * Resets the records of a node, so that everything is sent to it again; an edge that kept its store stores the same versions
 * once more. Its Node is left alone: a registration is answered with it. Resolves with how many there were; rejects where one can't be
 * reset, when all others have been tried. Once `isOver`, no other is begun.
 */
export async function resetRecords(
  node: string,
  index: SyncIndex,
  records: SyncRecords,
  isOver: () => boolean,
): Promise<number> {
  const held = index.of(node).filter(({ kind, version }) => kind !== "Node" && isAcknowledgedVersion(version));
  const failures: unknown[] = [];
  await atOnce(held, AT_ONCE, async ({ name, namespace, uid }) => {
    if (isOver()) return;
    const object = { metadata: { name, ...(namespace === "" ? {} : { namespace }), uid } };
    await records.reset(node, object).catch((error) => failures.push(error));
  });
  if (failures.length > 0) throw failures[0];
  return held.length;
}
