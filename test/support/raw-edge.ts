// An edge by hand: a WebSocket with a certificate of the hub's CA, for what a well-behaved edge never does.
import { createSecureContext } from "node:tls";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { limits } from "../../protocol/limits.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { type Message, type NewMessage, newMessage } from "../../protocol/message/message.ts";
import { issueClient, type Subject } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import type { Cloud } from "./start.ts";
import { until } from "./until.ts";

export interface RawEdge {
  readonly node: string;
  readonly received: Message[];
  readonly socket: MessageSocket;
  /** Why the connection ended, once it has. */
  ended(): string | undefined;
  send(message: Partial<NewMessage> & { readonly operation: string }): Message;
  sendText(text: string): void;
  /** From now on everything that is no answer is acknowledged as it comes. */
  acknowledgeAll(): void;
  /** The first message received that fits, waited for. */
  expect(what: string, fits: (message: Message) => boolean, ms?: number): Promise<Message>;
  close(): void;
}

/** Connects as `node`; `certificateFor` shows another node's certificate, or one with another subject. */
export async function rawEdge(
  cloud: Cloud,
  node: string,
  headers: Record<string, string> = {},
  certificateFor: string | Subject = node,
): Promise<RawEdge> {
  const { authority } = cloud.core.hub.certificates;
  const subject = typeof certificateFor === "string"
    ? { commonName: nodeCommonName(certificateFor), organization: nodeOrganization }
    : certificateFor;
  const pair = await issueClient(authority, subject, Date.now());
  const socket = await dialWebSocket({
    url: `wss://127.0.0.1:${cloud.core.hub.ports.websocket}/e632aba927ea4ac2b575ec1603d56f10/${node}/events`,
    secureContext: createSecureContext({ ca: authority.certPem, cert: pair.certPem, key: pair.keyPem }),
    headers: { node_id: node, project_id: "e632aba927ea4ac2b575ec1603d56f10", ConnectionUse: "msg", ...headers },
    handshakeTimeout: 5000,
    maxMessage: 64 * 1024 * 1024,
    maxFragments: limits.fragments,
    maxRefusal: limits.refusalBody,
  });
  const received: Message[] = [];
  let ended: string | undefined;
  let isAcknowledging = false;
  const send = (what: Partial<NewMessage> & { readonly operation: string }) => {
    const message = newMessage(Date.now(), { source: "edged", group: "meta", resource: "", ...what });
    socket.send(encodeMessage(message));
    return message;
  };
  socket.onMessage((text) => {
    const message = decodeMessage(text);
    received.push(message);
    if (isAcknowledging && message.header.parent_msg_id === undefined) send(ackOf(message));
  });
  socket.onClose((reason) => ended = reason);
  return {
    node,
    received,
    socket,
    ended: () => ended,
    send,
    sendText: (text) => socket.send(text),
    acknowledgeAll: () => void (isAcknowledging = true),
    expect: (what, fits, ms) =>
      until(`${node} receives ${what}; it has ${received.map(brief).join(" | ")}`, () => received.find(fits), ms),
    close: () => socket.close(),
  };
}

function brief({ route }: Message): string {
  return `${route.operation} ${route.resource}`;
}

/** The acknowledgement of a message. */
export function ackOf(message: Message) {
  return {
    operation: "response",
    source: "edgecontroller",
    group: "resource",
    parent: message.header.msg_id,
    content: "OK",
  };
}
