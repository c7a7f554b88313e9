// Reads what an edge sends, no faster than it is processed.
import type { Tap } from "../../base/hop/hop.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { limits } from "../../protocol/limits.ts";
import { decodeMessage } from "../../protocol/message/codec.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import { operations } from "../../protocol/message/names.ts";
import type { BusMessage } from "../beehive/bus.ts";
import { concernsConnection, dispatchAtOnce, dispatchUpstream, type UpstreamDeps } from "./dispatcher/upstream.ts";
import { isRegistration } from "./records/resync.ts";
import type { DeliveryTotals, NodeSession } from "./session/session.ts";

/** Injected dependencies. */
export interface IntakeDeps {
  readonly upstream: UpstreamDeps;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tap: Tap | undefined;
  readonly totals: DeliveryTotals;
  /**
   * The edge registers its Node, as a process does that has just started. It registers until it is answered and never again: what
   * must follow from it is done before that. Where this rejects, the registration stays unanswered, and comes again.
   */
  readonly onRegistration: () => Promise<void>;
}

/**
 * Hands what an edge asks and reports over a connection to the modules, in order. Invalid input ends the session. What has not been handed
 * on when the session ends never is, and that is told: it must not come after what the edge says over its next connection, where it asks
 * again for what nobody has answered.
 */
export function readMessages(session: NodeSession, socket: MessageSocket, deps: IntakeDeps): void {
  const { clock, logger, onRegistration, tap, totals, upstream } = deps;
  const { node } = session;
  // Each edge has its own limit of requests in progress: at the limit its socket is not read, and no other edge waits.
  const pending = { messages: 0, bytes: 0 };
  const isTooMuch = () => pending.messages >= limits.upstreamMessages || pending.bytes > limits.upstreamBytes;
  let tail = Promise.resolve();
  socket.onMessage((text) => {
    if (session.hasEnded) return;
    let message: BusMessage;
    try {
      message = decodeMessage(text);
    } catch (error) {
      return session.end(`it sent what is no message: ${reasonOf(error)}`);
    }
    const id = message.header.msg_id;
    if (message.route.operation !== operations.keepalive) session.received();
    tap?.on?.(hopOf(message, { time: clock.now(), hop: "hub.read", direction: "up", node, size: text.length, text }));
    const { length } = text;
    totals.bytesUp += length;
    const failed = (error: unknown) =>
      logger.error("an edge's message could not be handed on", { node, id, error: reasonOf(error) });
    if (concernsConnection(message)) {
      try {
        return dispatchAtOnce(upstream, session, message);
      } catch (error) {
        return failed(error);
      }
    }
    pending.messages++;
    pending.bytes += length;
    if (isTooMuch()) {
      socket.pause();
      session.notRead();
    }
    let isSettled = false;
    const settled = () => {
      if (isSettled) return;
      isSettled = true;
      const was = isTooMuch();
      pending.messages--;
      pending.bytes -= length;
      if (!was || isTooMuch()) return;
      socket.resume();
      session.readAgain();
    };
    const handOn = async () => {
      if (!session.hasEnded && isRegistration(message)) await onRegistration();
      if (session.hasEnded || !await dispatchUpstream(upstream, session, { ...message, settled })) {
        settled();
        totals.refuse("connection ended");
        const outcome = "its connection ended before it was handed on";
        tap?.on?.(hopOf(message, { time: clock.now(), hop: "hub.drop", direction: "up", node, outcome }));
      }
    };
    tail = tail.then(handOn).catch((error) => {
      settled();
      failed(error);
    });
  });
}
