// Messages for a node that acknowledges nothing: as many at a time as its socket takes, a newer one in the place of one that waits.
import type { Clock, Timer } from "../../../base/time/clock.ts";
import type { Message } from "../../../protocol/message/message.ts";
import { groups, operations } from "../../../protocol/message/names.ts";

/** Injected dependencies. */
export interface PacedQueueDeps {
  readonly clock: Clock;
  /** Bytes that the socket has not handed on yet. */
  readonly buffered: () => number;
  readonly write: (message: Message) => void;
  /** Called when there is room again after messages were dropped. */
  readonly hasRoom: () => void;
  readonly limits: {
    /** Messages that may wait. */
    readonly messages: number;
    /** Bytes in the socket above which the rest waits. */
    readonly buffered: number;
  };
}

/** Milliseconds between two looks at a socket that is full. */
const LOOK_MS = 10;

export class PacedQueue {
  readonly #deps: PacedQueueDeps;
  /** By resource path, or by message where each counts. */
  readonly #waiting = new Map<string, Message>();
  #timer: Timer | undefined;
  #needsResync = false;

  constructor(deps: PacedQueueDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Writes it now or as soon as there is room. False where too many wait: then it is dropped. */
  offer(message: Message): boolean {
    const { header, route } = message;
    // A newer state of an object replaces the older one; messages to the twin are changes, each of which counts.
    const key = route.group === groups.resource ? route.resource ?? "" : header.msg_id;
    const former = this.#waiting.get(key);
    if (former === undefined && this.#waiting.size >= this.#deps.limits.messages) {
      this.#needsResync = true;
      return false;
    }
    // The edge may still have the object (a waiting deletion was replaced) and would ignore an insert: an update is sent.
    const isUpsert = former !== undefined && route.operation === operations.insert;
    this.#waiting.set(key, isUpsert ? { ...message, route: { ...route, operation: operations.update } } : message);
    this.#pump();
    return true;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #pump(): void {
    const { buffered, clock, hasRoom, limits, write } = this.#deps;
    for (const [key, message] of this.#waiting) {
      if (buffered() > limits.buffered) break;
      this.#waiting.delete(key);
      write(message);
    }
    if (this.#waiting.size > 0) {
      this.#timer ??= clock.after(LOOK_MS, () => {
        this.#timer = undefined;
        this.#pump();
      });
    }
    if (!this.#needsResync || this.#waiting.size > limits.messages / 2) return;
    this.#needsResync = false;
    hasRoom();
  }
}
