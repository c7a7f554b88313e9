// The interface between protocol and socket: whole text messages, in order, until it closes.

/** What `onClose` is told where this side has closed it. */
export const closedHere = "closed here";

/** A connection that carries text messages. Implementations: WebSocket client and server, QUIC client and server, and a Link around any. */
export interface MessageSocket {
  /** Queues one message for sending; does nothing once the socket is closed. */
  send(text: string): void;
  /**
   * Ends the connection without a close frame, as KubeEdge's two ends do; with `reason`, a reason in a close
   * frame, once everything queued has been sent.
   */
  close(reason?: string): void;
  /** Ends it by TCP's RST, where the runtime can; absent where it can't. */
  reset?(): void;
  /**
   * Sends characters `from` to `to` of a message, whose other parts come in order and without another message between them. Absent where
   * messages go whole.
   */
  sendPart?(text: string, from: number, to: number): void;
  /** Stops reading, so that the peer's sending comes to a halt, until `resume`. */
  pause(): void;
  resume(): void;
  /** Bytes accepted by `send` and not yet handed to the network: what a slow reader makes grow. */
  readonly buffered: number;
  readonly isOpen: boolean;
  /** One listener each; a later call replaces the earlier one. Messages that arrive before there is one wait for it. */
  onMessage(listener: (text: string) => void): void;
  /** Called once, with what ended it, for a person to read. At once, where it has already ended. */
  onClose(listener: (reason: string) => void): void;
}
