// Gives clients their turns, so that a burst of one of them does not starve the others: as kube-apiserver's priority and fairness.
import { ApiError } from "../status.ts";

/** Requests that begin before the server looks at its connections again. */
const AT_ONCE = 16;
/** Requests of one client that may wait. */
const MOST_WAITING = 10_000;

/** Requests wait only while there are more than can begin at once; then each client has one in turn. */
export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #soon: (run: () => void) => void;
  #begun = 0;
  #isPlanned = false;

  /** `soon` runs something after what the connections have brought meanwhile. */
  constructor(soon: (run: () => void) => void = (run) => void setImmediate(run)) {
    this.#soon = soon;
  }

  /** Settles when a client's request may begin. Throws 429 where too many of that client wait. */
  take(client: string): Promise<void> | undefined {
    if (this.#waiting.size === 0 && this.#begun < AT_ONCE) {
      this.#begun++;
      this.#plan();
      return undefined;
    }
    const own = this.#waiting.get(client) ?? [];
    if (own.length >= MOST_WAITING) {
      const message = "The server has received too many requests and has asked us to try again later.";
      throw new ApiError(429, "TooManyRequests", message, { retryAfterSeconds: 1 });
    }
    this.#waiting.set(client, own);
    this.#plan();
    return new Promise((resolve) => own.push(resolve));
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#soon(() => this.#next());
  }

  #next(): void {
    this.#isPlanned = false;
    this.#begun = 0;
    while (this.#begun < AT_ONCE) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const [client, own] = first;
      // Who has had a turn is the last to have another.
      this.#waiting.delete(client);
      own.shift()?.();
      this.#begun++;
      if (own.length > 0) this.#waiting.set(client, own);
    }
    this.#plan();
  }
}
