// From the bus to the lanes: which nodes a message is for, and whether it must be acknowledged.
import { hopOf } from "../../../protocol/message/hops.ts";
import type { Tap } from "../../../base/hop/hop.ts";
import type { Logger } from "../../../base/log/logger.ts";
import type { Clock } from "../../../base/time/clock.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { type Message, withResource } from "../../../protocol/message/message.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { nodeOf, trimNode } from "../../../protocol/resource/path.ts";
import type { BusMessage } from "../../beehive/bus.ts";
import type { DeliveryTotals } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import { recordedOf } from "../records/sync-records.ts";
import { needsAck } from "./ack-class.ts";

/** Injected dependencies. */
export interface DownstreamDeps {
  readonly sessions: Sessions;
  readonly totals: DeliveryTotals;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tap: Tap | undefined;
}

/**
 * Hands a message to the lanes of the nodes it is for; no I/O happens here. What is for a node that isn't connected is
 * dropped: when the node connects, the controllers and SyncController find from the caches what it lacks.
 */
export function dispatchDownstream(deps: DownstreamDeps, message: BusMessage): void {
  if (message.receivers !== undefined) {
    const { receivers, ...shared } = message;
    for (const node of receivers) toNode(deps, node, shared);
    return;
  }
  const resource = message.route.resource ?? "";
  const node = nodeOf(resource);
  if (node === "") {
    deps.logger.warn("a message names no node and was dropped", { id: message.header.msg_id, resource });
    return;
  }
  toNode(deps, node, withResource(message, trimNode(resource)));
}

function toNode({ sessions, clock, tap, totals }: DownstreamDeps, node: string, message: Message): void {
  const wire = message.route.resource ?? "";
  const session = sessions.of(node);
  if (session === undefined) {
    totals.drop("not connected");
    tap?.on?.(
      hopOf(message, {
        time: clock.now(),
        hop: "hub.drop",
        direction: "down",
        node,
        outcome: "edge is not connected; it will be resynced when it connects",
      }),
    );
    return;
  }
  const type = wire.split("/")[1];
  if (type === resourceTypes.node && message.route.operation === operations.delete) {
    session.end("its Node was deleted");
    return;
  }
  const object = objectIn(message);
  // An object without a uid has no record: the deletion of a pod that the API doesn't have is sent to an older edge once.
  const isStray = message.route.operation === operations.delete && recordedOf(object) === undefined;
  if (isStray || !needsAck(message, wire)) session.sendUnacknowledged(message);
  else session.sendAcknowledged(message, object);
}

/** The Kubernetes object inside; one without metadata is treated as one without a uid, and so dropped with that reason. */
function objectIn(message: Message): KubeObject {
  const content = message.content as KubeObject | null;
  const isObject = typeof content === "object" && content !== null && typeof content.metadata === "object" &&
    content.metadata !== null;
  return isObject ? content : { metadata: { name: "" } };
}
