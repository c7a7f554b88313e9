// The message limit of an edge: what may not go to the cloud yet waits here, in order (`edgeHub.messageQPS` and `messageBurst`).
import type { Logger } from "../../base/log/logger.ts";
import { Limiter } from "../../base/queue/limiter.ts";
import type { Clock, Timer } from "../../base/time/clock.ts";
import { limits } from "../../protocol/limits.ts";
import type { Message } from "../../protocol/message/message.ts";

/** What it needs from outside. */
export interface MessageLimitWorld {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds after which one more may go. */
  readonly refill: number;
  readonly write: (message: Message) => void;
}

/** Messages that may go at once. */
const BURST = 60;

export class MessageLimit {
  readonly #world: MessageLimitWorld;
  readonly #limiter: Limiter;
  readonly #held: Message[] = [];
  #release: Timer | undefined;
  #isFull = false;

  constructor(world: MessageLimitWorld) {
    this.#world = world;
    this.#limiter = new Limiter(world.clock, BURST, world.refill);
  }

  /** Messages that wait. */
  get held(): number {
    return this.#held.length;
  }

  /** Writes it now or in its turn; false where too many wait already. */
  send(message: Message): boolean {
    if (this.#held.length === 0 && this.#limiter.allows()) {
      this.#world.write(message);
      return true;
    }
    if (this.#held.length >= limits.edgeMessages) {
      if (!this.#isFull) this.#world.logger.warn("messages are dropped: too many wait for the edge's message limit");
      this.#isFull = true;
      return false;
    }
    this.#held.push(message);
    this.#releaseLater();
    return true;
  }

  /** It need not go any more, where it hasn't gone. */
  forget(message: Message): void {
    const place = this.#held.indexOf(message);
    if (place >= 0) this.#held.splice(place, 1);
  }

  /** All that waits goes now. */
  flush(): void {
    this.#release?.cancel();
    this.#release = undefined;
    for (const message of this.#held.splice(0)) this.#world.write(message);
  }

  /** What waits is lost. */
  drop(): void {
    this.#release?.cancel();
    this.#release = undefined;
    this.#held.length = 0;
  }

  #releaseLater(): void {
    this.#release ??= this.#world.clock.after(this.#limiter.wait, () => {
      this.#release = undefined;
      while (this.#held.length > 0 && this.#limiter.allows()) this.#world.write(this.#held.shift() as Message);
      if (this.#held.length > 0) this.#releaseLater();
      else this.#isFull = false;
    });
  }
}
