// What EdgeController's downstream half is made of: one follower a kind, and the way to the hub.
import type { Clock } from "../../../base/time/clock.ts";
import type { KubeObject } from "../../../protocol/apis/kube-object.ts";
import { newMessage } from "../../../protocol/message/message.ts";
import { groups, modules } from "../../../protocol/message/names.ts";
import { nodePath, wirePath } from "../../../protocol/resource/path.ts";
import type { Bus } from "../../beehive/bus.ts";
import type { Caches } from "../../kube/caches.ts";
import type { Eras } from "../../nodes/eras.ts";
import type { SyncIndex } from "../../nodes/sync-index.ts";
import type { ReconcilerDeps } from "../../kube/reconciler.ts";
import type { LocationCache } from "./location.ts";

/** What the followers share. */
export interface DownstreamDeps extends ReconcilerDeps {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly index: SyncIndex;
  readonly location: LocationCache;
  readonly eras: Eras;
  /** The nodes that are connected to this cloudcore. */
  readonly connected: ReadonlySet<string>;
  readonly clock: Clock;
  /** The cloud host's address, as nodes carry it in their annotation. */
  readonly localAddress: string;
}

/** Follows one kind and sends what its nodes need. */
export interface Follower {
  start(): void;
  /** A node has connected: send what it may lack. Absent where that is not this one's business. */
  connected?(node: string): void;
  stop(): void;
}

/** What nodes are sent about an object. `path` is namespace (`null` for none), type and name. */
export interface Downstream {
  readonly operation: string;
  readonly path: readonly [namespace: string, type: string, name: string];
  readonly object: KubeObject;
}

/** Sends one object to some nodes; settles when the hub's channel has room for it. */
export async function sendDown(
  { bus, clock }: DownstreamDeps,
  nodes: readonly string[],
  down: Downstream,
): Promise<void> {
  if (nodes.length === 0) return;
  const [namespace, type, name] = down.path;
  const only = nodes.length === 1 ? nodes[0] as string : undefined;
  const message = newMessage(clock.now(), {
    source: modules.edgecontroller,
    group: groups.resource,
    operation: down.operation,
    resource: only === undefined ? wirePath(namespace, type, name) : nodePath(only, namespace, type, name),
    content: down.object,
    ...(down.object.metadata.resourceVersion === undefined ? {} : { version: down.object.metadata.resourceVersion }),
  });
  await bus.send(modules.cloudhub, only === undefined ? { ...message, receivers: nodes } : message);
}
