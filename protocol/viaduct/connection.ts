// Viaduct over a connection with streams: the header frame on the control stream, `msg` streams for messages (notes 1, §2.6).
import { parseJson } from "../json.ts";
import type { QuicConnection, QuicStream } from "../../base/transport/quic.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { limits } from "../limits.ts";
import { encodeMessage } from "../message/codec.ts";
import { type Message, newMessage, responseTo } from "../message/message.ts";
import { decodePayload, encodeFrame, FrameError, FrameReader } from "./frame.ts";

/** What an edge reports of itself: the headers of its upgrade request, under the names Go gives them. */
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

/** Milliseconds a peer has to read what was sent before the connection closes with a reason. */
const FAREWELL_MS = 500;

/**
 * The messages of all `msg` streams as one socket. Texts are messages in JSON, as on a WebSocket; what can't be read or sent
 * ends the connection with the reason. Streams of other kinds are not read; one that the peer resets has ended, as viaduct
 * resets streams it needs no more.
 */
export function viaductSocket(connection: QuicConnection): MessageSocket {
  let onMessage: ((text: string) => void) | undefined;
  let onClose: ((reason: string) => void) | undefined;
  let closed: string | undefined;
  let buffered = 0;
  let sending: QuicStream | undefined;
  let tail = Promise.resolve();
  let isPaused = false;
  let resumed = Promise.withResolvers<void>();
  /** Bytes of messages that are not whole yet, or wait for the end of a pause, of all streams together. */
  let held = 0;
  const early: string[] = [];

  const ended = (reason: string) => {
    if (closed !== undefined) return;
    closed = reason;
    isPaused = false;
    resumed.resolve();
    onClose?.(reason);
  };
  const fail = (reason: string) => {
    ended(reason);
    connection.close(reason);
  };
  const take = (text: string) => {
    if (onMessage === undefined) return early.push(text);
    try {
      onMessage(text);
    } catch (error) {
      fail(`a message could not be taken: ${(error as Error).message}`);
    }
  };

  /** Reads a stream to its end; the peer's begin with three letters, ours do not where the peer answers on them. */
  const read = async (stream: QuicStream, prefixBytes: number) => {
    const reader = new FrameReader();
    let prefix = Buffer.alloc(0);
    /** This stream's part of `held`. */
    let mine = 0;
    try {
      for await (const bytes of stream.read()) {
        let rest = bytes;
        if (prefix.length < prefixBytes) {
          const joined = Buffer.concat([prefix, bytes]);
          prefix = joined.subarray(0, prefixBytes);
          rest = joined.subarray(prefixBytes);
          if (prefix.length === prefixBytes && prefix.toString("latin1") !== MESSAGES) return stream.cancel();
        }
        // What has come counts until it is taken, whole or not.
        held += rest.length;
        mine += rest.length;
        if (held > limits.message) {
          return fail(`more than ${limits.message} bytes of messages that are not whole, or wait`);
        }
        for (const payload of reader.push(rest)) {
          while (isPaused) await resumed.promise;
          if (closed !== undefined) return;
          take(encodeMessage(decodePayload(payload)));
        }
        held -= mine - reader.held;
        mine = reader.held;
      }
    } catch (error) {
      if (error instanceof FrameError) fail(`a stream can't be read: ${error.message}`);
    } finally {
      held -= mine;
    }
  };
  connection.onStream((stream) => void read(stream, PREFIX_BYTES));
  connection.onClose(ended);

  const write = async (bytes: Uint8Array) => {
    if (sending === undefined) {
      sending = connection.open();
      void read(sending, 0);
      await sending.write(Buffer.from(MESSAGES, "latin1"));
    }
    await sending.write(bytes);
  };

  return {
    send(text) {
      if (closed !== undefined) return;
      let bytes: Uint8Array;
      try {
        // Our own text: the limits for untrusted input don't apply.
        bytes = encodeFrame(parseJson(text) as Message);
      } catch (error) {
        return fail(`a message can't be sent: ${(error as Error).message}`);
      }
      buffered += bytes.length;
      tail = tail.then(() => write(bytes)).catch((error) => fail((error as Error)?.message ?? "the connection broke"))
        .finally(() => buffered -= bytes.length);
    },
    close(reason) {
      ended("closed here");
      if (reason === undefined) return connection.close("");
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, FAREWELL_MS);
      void Promise.race([tail, late.promise]).finally(() => {
        clearTimeout(timer);
        connection.close(reason);
      });
    },
    pause() {
      if (closed !== undefined || isPaused) return;
      isPaused = true;
      resumed = Promise.withResolvers<void>();
    },
    resume() {
      isPaused = false;
      resumed.resolve();
    },
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
