// The message limit of an edge: what may not go to the cloud yet waits here (`edgeHub.messageQPS` and `messageBurst`).
import type { Logger } from "../../base/log/logger.ts";
import { Limiter } from "../../base/queue/limiter.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";
import { limits } from "../../protocol/limits.ts";
import type { Message } from "../../protocol/message/message.ts";
import { edgeModules, operations } from "../../protocol/message/names.ts";

/** What is injected. */
export interface MessageLimitDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds after which one more may go. */
  readonly refill: number;
  readonly write: (message: Message) => void;
}

/** Messages that may go at once. */
const BURST = 60;

/** A place in a queue; a newer report takes the place of the older one it makes needless. */
interface Place {
  message: Message;
  /** Grows from place to place. */
  readonly rank: number;
}

/**
 * Three classes of messages. Acknowledgements, answers and keepalives are written at once: acknowledgements take from the limit
 * and never wait for it, so that the cloud does not resend what the edge has. Requests (leases, statuses, queries) wait in order. Reports
 * of twins wait behind all requests.
 */
export class MessageLimit {
  readonly #deps: MessageLimitDeps;
  readonly #limiter: Limiter;
  readonly #requests = new Set<Place>();
  readonly #reports = new Set<Place>();
  readonly #places = new Map<Message, Place>();
  #release: Timer | undefined;
  #isFull = false;
  #ranks = 0;

  constructor(deps: MessageLimitDeps) {
    this.#deps = deps;
    this.#limiter = new Limiter(deps.clock, BURST, deps.refill);
  }

  /** Messages that wait. */
  get held(): number {
    return this.#places.size;
  }

  /** Whether a message waits. */
  holds(message: Message): boolean {
    return this.#places.has(message);
  }

  /**
   * Writes a message now or in its turn; false where too many wait already. Waiting messages in `replaced` are dropped; the
   * message takes the latest of their places, or with `takesPlace` false the last of all.
   */
  send(message: Message, replaced: readonly Message[] = [], takesPlace = true): boolean {
    if (isUrgent(message)) {
      // Keepalives don't count, as with edgecore.
      if (message.route.operation !== operations.keepalive) this.#limiter.allows();
      this.#deps.write(message);
      return true;
    }
    const waiting = replaced.filter((each) => this.#places.has(each));
    const place = waiting.map((each) => this.#places.get(each) as Place).sort((a, b) => b.rank - a.rank)[0];
    if (place !== undefined) {
      const kept = takesPlace ? place.message : undefined;
      for (const each of waiting) if (each !== kept) this.forget(each);
      if (kept !== undefined) {
        this.#places.delete(kept);
        place.message = message;
        this.#places.set(message, place);
        return true;
      }
    }
    if (this.#places.size === 0 && this.#limiter.allows()) {
      this.#deps.write(message);
      return true;
    }
    const [queue, bound] = isReport(message)
      ? [this.#reports, limits.edgeReports] as const
      : [this.#requests, limits.edgeMessages] as const;
    if (queue.size >= bound) {
      if (!this.#isFull) this.#deps.logger.warn("messages are dropped: too many wait for the edge's message limit");
      this.#isFull = true;
      return false;
    }
    const added: Place = { message, rank: this.#ranks++ };
    queue.add(added);
    this.#places.set(message, added);
    this.#releaseLater();
    return true;
  }

  /** Drops a message that still waits. */
  forget(message: Message): void {
    const place = this.#places.get(message);
    if (place === undefined) return;
    this.#places.delete(message);
    this.#requests.delete(place);
    this.#reports.delete(place);
  }

  /** All that waits goes now. */
  flush(): void {
    this.#release?.cancel();
    this.#release = undefined;
    while (this.held > 0) this.#writeNext();
  }

  /** What waits is lost. */
  drop(): void {
    this.#release?.cancel();
    this.#release = undefined;
    this.#requests.clear();
    this.#reports.clear();
    this.#places.clear();
  }

  #writeNext(): void {
    for (const queue of [this.#requests, this.#reports]) {
      for (const place of queue) {
        queue.delete(place);
        this.#places.delete(place.message);
        return this.#deps.write(place.message);
      }
    }
  }

  #releaseLater(): void {
    this.#release ??= this.#deps.clock.after(this.#limiter.wait, () => {
      this.#release = undefined;
      while (this.held > 0 && this.#limiter.allows()) this.#writeNext();
      if (this.held > 0) this.#releaseLater();
      else this.#isFull = false;
    });
  }
}

/** Acknowledgements and answers name the message that they answer. */
function isUrgent({ header, route }: Message): boolean {
  return header.parent_msg_id !== undefined || route.operation === operations.keepalive;
}

/** A twin's report or state; the question for the edge's devices is a request. */
function isReport({ route }: Message): boolean {
  return route.source === edgeModules.twin && route.operation === operations.update;
}
