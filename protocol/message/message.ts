// The Message model that cloud and edge exchange: KubeEdge's beehive message, with its own names.
import { parseJson } from "../json.ts";
import { randomUUID } from "node:crypto";

/** `header` of a message. Times are Unix milliseconds. */
export interface Header {
  readonly msg_id: string;
  /** Id of the message this one answers. */
  readonly parent_msg_id?: string;
  readonly timestamp: number;
  /** resourceVersion of the object in `content`. Opaque; compared only by `compareVersions`. */
  readonly resourceversion?: string;
  /** Set by sendSync inside a process; on the wire with what ServiceBus asks. */
  readonly sync?: boolean;
  /** Beehive context type; empty means channel. */
  readonly type?: string;
}

/** `route` of a message. All of it is optional on the wire. */
export interface Route {
  readonly source?: string;
  readonly destination?: string;
  readonly group?: string;
  readonly operation?: string;
  readonly resource?: string;
}

/** A content that is JSON text already, and is written as it is. */
export class JsonText {
  readonly json: string;
  constructor(json: string) {
    this.json = json;
  }

  toJSON(): unknown {
    return parseJson(this.json);
  }
}

/** One message. `content` is JSON; bytes travel as base64 texts, which the receiver does not decode back. */
export interface Message {
  readonly header: Header;
  readonly route: Route;
  readonly content: unknown;
}

/** Fields of a new message. `now` is Unix milliseconds. */
export interface NewMessage {
  readonly source: string;
  readonly group: string;
  /** Left out by edgecore's ServiceBus in its refusals. */
  readonly operation?: string;
  /** Left out where a message is about none. */
  readonly resource?: string;
  readonly content?: unknown;
  readonly parent?: string;
  readonly version?: string;
}

/** A message with a fresh id (UUID v4). Empty `parent` and `version` are left out, as on the wire. */
export function newMessage(now: number, what: NewMessage): Message {
  return {
    header: {
      msg_id: randomUUID(),
      ...(what.parent ? { parent_msg_id: what.parent } : {}),
      timestamp: now,
      ...(what.version ? { resourceversion: what.version } : {}),
    },
    route: {
      source: what.source,
      group: what.group,
      ...(what.operation === undefined ? {} : { operation: what.operation }),
      ...(what.resource === undefined ? {} : { resource: what.resource }),
    },
    content: what.content ?? null,
  };
}

/**
 * The answer to `message`: operation `response`, the request's id as parent, source, group and resource copied unchanged
 * (so an edge's acknowledgement carries e.g. `source: edgecontroller`; KubeEdge `NewRespByMessage`).
 */
export function responseTo(now: number, message: Message, content: unknown): Message {
  const { source, group, resource } = message.route;
  return {
    header: { msg_id: randomUUID(), parent_msg_id: message.header.msg_id, timestamp: now },
    route: {
      ...(source === undefined ? {} : { source }),
      ...(group === undefined ? {} : { group }),
      operation: "response",
      ...(resource === undefined ? {} : { resource }),
    },
    content,
  };
}

/** The same message for another resource path (the hub adds and trims `node/{id}/`). */
export function withResource(message: Message, resource: string): Message {
  return { ...message, route: { ...message.route, resource } };
}

/** The content as JSON: a string content is JSON text inside JSON (patches, device states); anything else is itself. */
export function contentJson(message: Message): unknown {
  return typeof message.content === "string" ? parseJson(message.content) : message.content;
}
