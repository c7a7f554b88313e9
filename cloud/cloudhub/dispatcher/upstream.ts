// What an edge's message is for: a table by operation, resource and source; the first match wins (KubeEdge `DispatchUpstream`).
import type { Logger } from "../../../base/log/logger.ts";
import { encodeContent } from "../../../protocol/message/codec.ts";
import { type Message, newMessage, responseTo, withResource } from "../../../protocol/message/message.ts";
import { groups, modules, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { parseWirePath, prefixNode } from "../../../protocol/resource/path.ts";
import type { Bus, BusMessage } from "../../beehive/bus.ts";
import type { NodeSession } from "../session/session.ts";

/** Injected dependencies. */
export interface UpstreamDeps {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly now: () => number;
  /** PEM of the cluster's CA, which edges may ask for. */
  readonly kubeCa: () => string;
  /** Takes an edge's answer to the CSI driver; false where no request waits for it. */
  readonly answerVolume: (answer: Message) => boolean;
  /** Whether the edge may not ask that; absent where authorisation is off. */
  readonly refusal: ((message: Message) => Promise<boolean>) | undefined;
}

/** Sources no edge may claim: they are the cloud's own modules. */
const cloudSources: ReadonlySet<string> = new Set([
  modules.cloudhub,
  "cloudStream",
  modules.devicecontroller,
  modules.edgecontroller,
  modules.synccontroller,
]);
const taskOperations: ReadonlySet<string> = new Set(["prepull", "upgrade", "UpdateNodeActionStatus"]);
const controlOperations: ReadonlySet<string> = new Set(["ping", "pong", "config"]);
const connectionOperations: ReadonlySet<string> = new Set([operations.connected, operations.disconnected]);
const volume = /^\w[-\w.+]*\/volume\/\w[-\w.+]*/;

interface Row {
  readonly matches: (message: BusMessage, resource: string) => boolean;
  readonly act: (
    deps: UpstreamDeps,
    session: NodeSession,
    message: BusMessage,
    resource: string,
  ) => Promise<void> | void;
  /** The receiving module reports when it has processed the message; without that, delivery to its channel counts. */
  readonly settlesLater?: true;
}

const has = (operation: string) => (message: Message) => message.route.operation === operation;

const table: readonly Row[] = [
  // Viaduct itself answers these, before anything else sees them.
  {
    matches: (m) => controlOperations.has(m.route.operation ?? ""),
    act: (deps, session, m) => session.sendUnacknowledged(responseTo(deps.now(), m, "ack")),
  },
  { matches: has(operations.keepalive), act: (_world, session) => session.keepalive() },
  {
    matches: (_m, resource) => volume.test(resource),
    act: ({ bus, answerVolume }, _session, m) => {
      if (!answerVolume(m)) bus.sendResp(m);
    },
  },
  { matches: has(operations.response), act: (_world, session, m) => session.acknowledge(m) },
  {
    matches: has(operations.error),
    act: ({ logger }, session, m) =>
      logger.warn("an edge could not process a message; it will be sent again", {
        node: session.node,
        parent: m.header.parent_msg_id,
        reason: (typeof m.content === "string" ? m.content : encodeContent(m.content)).slice(0, 200),
      }),
  },
  {
    matches: (m) => m.route.operation === operations.upload && m.route.group === groups.user,
    act: ({ bus }, session, m, resource) =>
      bus.send(modules.router, withResource(m, prefixNode(session.node, resource))),
  },
  {
    matches: (m) => taskOperations.has(m.route.operation ?? ""),
    act: ({ bus }, _session, m) => bus.send(modules.taskmanager, m),
  },
  {
    matches: (_m, resource) => resource === "k8s/ca.crt",
    act: (deps, session, m) =>
      session.sendUnacknowledged(newMessage(deps.now(), {
        source: modules.cloudhub,
        group: groups.resource,
        operation: operations.response,
        resource: "k8s/ca.crt",
        content: deps.kubeCa(),
        parent: m.header.msg_id,
      })),
  },
  { matches: (m) => cloudSources.has(m.route.source ?? ""), act: () => {} },
  // Only the hub itself reports which nodes connect and disconnect.
  { matches: (m) => connectionOperations.has(m.route.operation ?? ""), act: () => {} },
  // Only the router reports the results of rules; such messages of edges are ignored.
  { matches: (_m, resource) => parseWirePath(resource)?.type === resourceTypes.rulestatus, act: () => {} },
  {
    matches: (m) => m.route.source === "metaserver",
    act: ({ bus }, session, m, resource) =>
      bus.send(modules.dynamiccontroller, withResource(m, prefixNode(session.node, resource))),
  },
  {
    matches: (m) => m.route.source === "twin",
    settlesLater: true,
    act: ({ bus }, session, m, resource) =>
      bus.sendToGroup(modules.devicecontroller, withResource(m, prefixNode(session.node, resource))),
  },
  {
    matches: () => true,
    settlesLater: true,
    act: ({ bus }, session, m, resource) =>
      bus.sendToGroup(modules.edgecontroller, withResource(m, prefixNode(session.node, resource))),
  },
];

/**
 * Resolves when the message has been handed on, or refused; a full module makes it wait, and so the node's next message. With false where
 * the session ended before that.
 */
export async function dispatchUpstream(
  deps: UpstreamDeps,
  session: NodeSession,
  message: BusMessage,
): Promise<boolean> {
  const resource = message.route.resource ?? "";
  const isRefused = deps.refusal !== undefined && await deps.refusal(message);
  if (session.hasEnded) return false;
  const row = isRefused ? undefined : table.find(({ matches }) => matches(message, resource));
  await row?.act(deps, session, message, resource);
  if (row?.settlesLater !== true) message.settled?.();
  return true;
}

/** Keepalives and answers: every node may send them, and they are acted on at once, also while its requests wait for the API. */
export function concernsConnection({ route }: Message): boolean {
  return route.operation === operations.keepalive || route.operation === operations.response;
}

/** Acts on one of these. */
export function dispatchAtOnce(deps: UpstreamDeps, session: NodeSession, message: BusMessage): void {
  const resource = message.route.resource ?? "";
  void table.find((row) => row.matches(message, resource))?.act(deps, session, message, resource);
}

/** The message to the modules that a node has connected or disconnected (KubeEdge `ConstructConnectMessage`). */
export function connectionMessage(now: number, node: string, event: "connected" | "disconnected"): Message {
  return newMessage(now, {
    source: modules.cloudhub,
    group: groups.resource,
    operation: operations[event],
    resource: `node/${node}`,
    content: { client_id: node, event_type: event, timestamp: Math.floor(now / 1000) },
  });
}
