// A MessageSocket over `ws`, for both ends and both runtimes.
import { WebSocket } from "ws";
import { closedHere, type MessageSocket } from "./message-socket.ts";

/** Which end we are: the two ends of KubeEdge's Go library cut long messages into frames differently. */
export type WebSocketRole = "client" | "server";

/** The write buffers of gorilla/websocket 1.5 as KubeEdge uses it: payload bytes a frame (KubeEdge v1.23 `pkg/viaduct/pkg/server/ws.go`). */
const CLIENT_CHUNK = 4096;
const SERVER_CHUNK = 4082;
const SERVER_STREAM_FROM = 8192;

/** RFC 6455 §7.4.1: an endpoint that goes away; and what fits into a close frame beside the code. */
const GOING_AWAY = 1001;
const CLOSE_REASON_BYTES = 123;
/** Milliseconds a peer has to read the close frame. */
const FAREWELL_MS = 500;

/**
 * The frames of one message as Go's library would send them: the pieces in order, all but the last without FIN.
 * A server sends what exceeds 8 KiB as one frame and an empty final continuation.
 */
export function fragmentsOf(payload: Uint8Array, role: WebSocketRole): Uint8Array[] {
  const chunk = role === "client" ? CLIENT_CHUNK : SERVER_CHUNK;
  if (payload.length <= chunk) return [payload];
  if (role === "server" && payload.length > SERVER_STREAM_FROM) return [payload, new Uint8Array(0)];
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += chunk) pieces.push(payload.subarray(at, at + chunk));
  return pieces;
}

/** Wraps an open WebSocket. `reset` ends its connection by RST, where that can be done. */
export function messageSocketOf(socket: WebSocket, role: WebSocketRole, reset?: () => void): MessageSocket {
  let onMessage: ((text: string) => void) | undefined;
  let onClose: ((reason: string) => void) | undefined;
  let closed: string | undefined;
  const early: string[] = [];

  const ended = (reason: string) => {
    if (closed !== undefined) return;
    closed = reason;
    onClose?.(reason);
  };
  socket.on("message", (data) => {
    // What had been read already when it was closed here: `ws` hands it on as soon as nobody holds it up any more.
    if (closed !== undefined) return;
    const text = (data as { toString(encoding: "utf8"): string }).toString("utf8");
    if (onMessage === undefined) early.push(text);
    else onMessage(text);
  });
  socket.on("error", (error) => {
    ended(error.message);
    socket.terminate();
  });
  socket.on("close", (code, reason) => {
    const text = reason.toString("utf8");
    ended(code === 1006 ? "the connection ended" : `closed with code ${code}${text === "" ? "" : ` (${text})`}`);
  });

  return {
    send(text) {
      if (socket.readyState !== WebSocket.OPEN) return;
      const payload = Buffer.from(text, "utf8");
      const pieces = fragmentsOf(payload, role);
      const last = pieces.length - 1;
      pieces.forEach((piece, i) => socket.send(piece, { binary: false, fin: i === last }, ignoreSendError));
    },
    sendPart(text, from, to) {
      if (socket.readyState !== WebSocket.OPEN) return;
      const piece = text.slice(pairStart(text, from), to === text.length ? to : pairStart(text, to));
      socket.send(Buffer.from(piece, "utf8"), { binary: false, fin: to === text.length }, ignoreSendError);
    },
    ...(reset === undefined ? {} : {
      reset() {
        ended("reset here");
        reset();
        socket.terminate();
      },
    }),
    close(reason) {
      ended(closedHere);
      if (reason === undefined || socket.readyState !== WebSocket.OPEN) return socket.terminate();
      socket.close(GOING_AWAY, Buffer.from(reason, "utf8").subarray(0, CLOSE_REASON_BYTES));
      // A peer that does not answer would keep it open for half a minute.
      const linger = setTimeout(() => socket.terminate(), FAREWELL_MS);
      socket.once("close", () => clearTimeout(linger));
    },
    pause() {
      if (socket.readyState === WebSocket.OPEN) socket.pause();
    },
    resume() {
      if (socket.readyState === WebSocket.OPEN) socket.resume();
    },
    get buffered() {
      return socket.bufferedAmount;
    },
    get isOpen() {
      return closed === undefined && socket.readyState === WebSocket.OPEN;
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

/** A cut of a text there does not part the two halves of a character. */
function pairStart(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}

/** A failed write also ends the socket, and "close" tells the owner; without a callback `ws` would throw here. */
function ignoreSendError(): void {}
