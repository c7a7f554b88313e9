// What the CSI driver asks of an edge, and which edge's answer belongs to which question.
import { SkepError } from "../../base/error/skep-error.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { Message } from "../../protocol/message/message.ts";

/** Milliseconds an edge has to answer (KubeEdge: 1 min). */
const ANSWER_MS = 60_000;

/** An edge that did not answer; the message is sent to the caller. */
export class VolumeError extends SkepError {
  readonly code = "SKEP_VOLUME";
}

interface Waiter {
  readonly node: string;
  readonly resolve: (answer: Message) => void;
  readonly reject: (error: VolumeError) => void;
}

export class VolumeRequests {
  readonly #clock: Clock;
  readonly #waiters = new Map<string, Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Waits for the answer to `id` from `node`. Rejects with VolumeError when it is late, or the edge has disconnected; throws one where
   * another request waits for that answer already, before anything is sent.
   */
  answerTo(id: string, node: string): Promise<Message> {
    if (this.#waiters.has(id)) throw new VolumeError(`message ${id} is being waited for already`);
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#waiters.set(id, { node, resolve, reject });
    const timer = this.#clock.after(ANSWER_MS, () => {
      reject(new VolumeError(`timeout to get response for message ${id}`));
    });
    return promise.finally(() => {
      timer.cancel();
      this.#waiters.delete(id);
    });
  }

  /** Takes an edge's answer; false where no request waits for it from this edge. */
  take(node: string, answer: Message): boolean {
    const waiter = this.#waiters.get(answer.header.parent_msg_id ?? "");
    if (waiter?.node !== node) return false;
    waiter.resolve(answer);
    return true;
  }

  /** An edge has disconnected: its requests fail at once, not after a minute. */
  disconnected(node: string): void {
    for (const waiter of this.#waiters.values()) {
      if (waiter.node === node) waiter.reject(new VolumeError(`node ${node} has gone without an answer`));
    }
  }
}
