// Viaduct over a connection with streams: the header frame on the control stream, `msg` streams for messages (notes 1, §2.6).
import type { QuicConnection, QuicStream } from "../../base/transport/quic.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { decodeMessage, encodeMessage } from "../message/codec.ts";
import { type Message, newMessage, responseTo } from "../message/message.ts";
import { decodePayload, encodeFrame, FrameReader } from "./frame.ts";

/** What an edge says of itself: the headers of its upgrade, under the names Go gives them. */
export interface ViaductHeaders {
  readonly node: string;
  readonly project: string;
}

/** The three letters that begin a stream for messages. */
const MESSAGES = "msg";
const PREFIX_BYTES = 3;
const control = "header";

/** The first frame of an edge. */
export function headerMessage(now: number, { node, project }: ViaductHeaders): Message {
  const content = JSON.stringify({ Node_id: [node], Project_id: [project] });
  return newMessage(now, { source: "", group: "", operation: control, resource: control, content });
}

/** What the server answers to it; anything on the control stream gets the same later. */
export function headerAnswer(
  now: number,
  message: Message,
): { readonly answer: Message; readonly headers: ViaductHeaders } {
  const content = message.content as { readonly Node_id?: unknown; readonly Project_id?: unknown } | string | null;
  const isJson = typeof content === "object" && content !== null;
  const first = (value: unknown) => Array.isArray(value) && typeof value[0] === "string" ? value[0] : "";
  return {
    answer: responseTo(now, message, isJson ? "ack" : "nack"),
    headers: isJson ? { node: first(content.Node_id), project: first(content.Project_id) } : { node: "", project: "" },
  };
}

/** The messages of one stream, one at a time. Throws FrameError. */
export async function* messagesOf(stream: QuicStream): AsyncGenerator<Message> {
  const reader = new FrameReader();
  for await (const bytes of stream.read()) {
    for (const payload of reader.push(bytes)) yield decodePayload(payload);
  }
}

/**
 * The messages of all `msg` streams as one socket. Texts are messages in JSON, as on a WebSocket; what can't be read ends the
 * connection with the reason. Streams of other kinds are not read.
 */
export function viaductSocket(connection: QuicConnection): MessageSocket {
  let onMessage: ((text: string) => void) | undefined;
  let onClose: ((reason: string) => void) | undefined;
  let closed: string | undefined;
  let buffered = 0;
  let sending: QuicStream | undefined;
  let tail = Promise.resolve();
  let resumed = Promise.withResolvers<void>();
  resumed.resolve();
  const early: string[] = [];

  const ended = (reason: string) => {
    if (closed !== undefined) return;
    closed = reason;
    resumed.resolve();
    onClose?.(reason);
  };
  const take = (text: string) => {
    if (onMessage === undefined) early.push(text);
    else onMessage(text);
  };
  const read = async (stream: QuicStream) => {
    const reader = new FrameReader();
    let prefix = Buffer.alloc(0);
    for await (const bytes of stream.read()) {
      let rest = bytes;
      if (prefix.length < PREFIX_BYTES) {
        const joined = Buffer.concat([prefix, bytes]);
        prefix = joined.subarray(0, PREFIX_BYTES);
        rest = joined.subarray(PREFIX_BYTES);
        if (prefix.length === PREFIX_BYTES && prefix.toString("latin1") !== MESSAGES) return stream.cancel();
      }
      for (const payload of reader.push(rest)) {
        await resumed.promise;
        take(encodeMessage(decodePayload(payload)));
      }
    }
  };
  connection.onStream((stream) => {
    read(stream).catch((error) => {
      ended(`a stream can't be read: ${(error as Error)?.message ?? "it broke"}`);
      connection.close("a stream can't be read");
    });
  });
  connection.onClose(ended);

  const write = async (bytes: Uint8Array) => {
    if (sending === undefined) {
      sending = connection.open();
      // Either side reads whatever stream a message comes on.
      read2(sending);
      await sending.write(Buffer.from(MESSAGES, "latin1"));
    }
    await sending.write(bytes);
  };
  /** Our own stream is written first by us: what comes back on it has no prefix. */
  const read2 = (stream: QuicStream) => {
    void (async () => {
      for await (const message of messagesOf(stream)) take(encodeMessage(message));
    })().catch(() => {});
  };

  return {
    send(text) {
      if (closed !== undefined) return;
      const bytes = encodeFrame(decodeMessage(text));
      buffered += bytes.length;
      tail = tail.then(() => write(bytes)).catch((error) => ended((error as Error)?.message ?? "the connection broke"))
        .finally(() => buffered -= bytes.length);
    },
    close(farewell) {
      ended("closed here");
      void tail.finally(() => connection.close(farewell ?? ""));
    },
    pause() {
      if (closed === undefined) resumed = Promise.withResolvers<void>();
    },
    resume: () => resumed.resolve(),
    get buffered() {
      return buffered;
    },
    get isOpen() {
      return closed === undefined;
    },
    onMessage(listener) {
      onMessage = listener;
      for (const text of early.splice(0)) listener(text);
    },
    onClose(listener) {
      onClose = listener;
      if (closed !== undefined) listener(closed);
    },
  };
}
