// Hops of messages on the bus: those that controllers send to the hub, and those that edges sent to controllers.
import type { HopRecord, Tap } from "../../base/hop/hop.ts";
import type { Clock } from "../../base/time/clock.ts";
import { type HopName, hopOf } from "../../protocol/message/hops.ts";
import type { Message } from "../../protocol/message/message.ts";
import { nodeOf, trimNode } from "../../protocol/resource/path.ts";

/** A message to the hub: for several nodes its resource is as on the wire and no node is named, for one it names the node. */
export function hopToHub(
  message: Message & { readonly receivers?: readonly string[] },
  hop: HopName,
  time: number,
  outcome = "",
): HopRecord {
  const { receivers, route: { resource = "" } } = message;
  const node = receivers === undefined ? nodeOf(resource) : "";
  const wire = node === "" ? resource : trimNode(resource);
  return hopOf(message, { time, hop, direction: "down", node, resource: wire, outcome });
}

/** Gives the tap, where it is on, a message that an edge sent to a controller. */
export function tapFromEdge(
  { clock, tap }: { readonly clock: Clock; readonly tap: Tap | undefined },
  hop: HopName,
  message: Message,
  node: string,
  outcome = "",
): void {
  if (tap?.on === undefined) return;
  const resource = trimNode(message.route.resource ?? "");
  tap.on(hopOf(message, { time: clock.now(), hop, direction: "up", node, resource, outcome }));
}
