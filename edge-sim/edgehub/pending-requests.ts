// Requests of an edge that wait for their answers.
import { SkepError } from "../../base/error/skep-error.ts";
import type { Clock } from "../../base/time/clock.ts";
import type { Message } from "../../protocol/message/message.ts";

/** There is no connection that would take it, or it broke before the answer came. */
export class DisconnectedError extends SkepError {
  readonly code = "SKEP_DISCONNECTED";
}

/** The cloud has not answered in the time that an edge waits for it. */
export class UnansweredError extends SkepError {
  readonly code = "SKEP_UNANSWERED";
}

interface Waiting {
  resolve(answer: Message): void;
  reject(error: Error): void;
}

export class PendingRequests {
  readonly #clock: Clock;
  /** Milliseconds until an answer is too late. */
  readonly #patience: number;
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: Clock, patience: number) {
    this.#clock = clock;
    this.#patience = patience;
  }

  /** Waits for the answer to a message that has been sent. Rejects with UnansweredError, after `onLate`, or as `failAll` says. */
  add({ header: { msg_id: id }, route: { operation, resource } }: Message, onLate: () => void): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const timer = this.#clock.after(this.#patience, () => {
      this.#waiting.delete(id);
      onLate();
      reject(new UnansweredError(`no answer to ${operation} ${resource} within ${this.#patience} ms`));
    });
    this.#waiting.set(id, {
      resolve: (answer) => {
        timer.cancel();
        resolve(answer);
      },
      reject: (error) => {
        timer.cancel();
        reject(error);
      },
    });
    return promise;
  }

  /** Hands an answer to the request that waits for it, if there is one. */
  answer(message: Message): void {
    const parent = message.header.parent_msg_id ?? "";
    const waiting = this.#waiting.get(parent);
    this.#waiting.delete(parent);
    waiting?.resolve(message);
  }

  /** The connection broke: no answer will arrive. */
  failAll(reason: string): void {
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new DisconnectedError(`the connection broke: ${reason}`));
    }
    this.#waiting.clear();
  }
}
