// A recording as something that can be played again: for each edge what it said, what it was sent, and what was answered to what.
import type { HopRecord } from "../../base/hop/hop.ts";
import { decodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { operations } from "../../protocol/message/names.ts";
import { wireOf } from "./wire.ts";

/** A message and when it came, milliseconds since the recording began. */
export interface Spoken {
  readonly at: number;
  readonly message: Message;
}

/** One edge's part. */
export interface EdgeScript {
  readonly node: string;
  /** What the edge said by itself: no acknowledgements, no answers, no keepalives. */
  readonly up: readonly Spoken[];
  /** What the cloud sent by itself. */
  readonly down: readonly Spoken[];
  /** By the request's operation and path: the cloud's answers, in their order. */
  readonly answers: ReadonlyMap<string, readonly Message[]>;
  /** Operation and path of what the edge acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
}

/** What a message is told by: its operation and path. */
export function headOf({ route }: Message): string {
  return `${route.operation} ${route.resource}`;
}

/** The parts of all edges, or of some. Hops without a message's text can't be played, and are left out. */
export function scriptsOf(hops: readonly HopRecord[], nodes: readonly string[] = []): EdgeScript[] {
  const wire = wireOf(hops).filter(({ node, text }) => text !== "" && (nodes.length === 0 || nodes.includes(node)));
  const start = wire[0]?.time ?? 0;
  const byNode = new Map<string, Spoken[]>();
  for (const { node, text, time } of wire) {
    const spoken = byNode.get(node) ?? [];
    byNode.set(node, spoken);
    spoken.push({ at: time - start, message: decodeMessage(text) });
  }
  const directionOf = new Map(wire.map(({ direction, id }) => [id, direction]));
  return [...byNode].map(([node, all]) => {
    const byId = new Map(all.map(({ message }) => [message.header.msg_id, message]));
    const parentOf = ({ header }: Message) =>
      header.parent_msg_id === undefined ? undefined : byId.get(header.parent_msg_id);
    const isUp = ({ message }: Spoken) => directionOf.get(message.header.msg_id) === "up";
    const answers = new Map<string, Message[]>();
    const acknowledged = new Set<string>();
    for (const spoken of all) {
      const request = parentOf(spoken.message);
      if (request === undefined) continue;
      if (isUp(spoken)) acknowledged.add(headOf(request));
      else answers.set(headOf(request), [...answers.get(headOf(request)) ?? [], spoken.message]);
    }
    const isOwn = ({ message }: Spoken) =>
      message.header.parent_msg_id === undefined && message.route.operation !== operations.keepalive &&
      message.route.operation !== operations.response;
    return {
      node,
      up: all.filter((spoken) => isUp(spoken) && isOwn(spoken)),
      down: all.filter((spoken) => !isUp(spoken) && isOwn(spoken)),
      answers,
      acknowledged,
    };
  });
}
