// An API server that fails on purpose: it refuses, is late, ends watches, or does what it was asked and doesn't say so.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Random } from "../../../base/random/random.ts";
import { type Clock, sleep, type Timer } from "../../../base/time/clock.ts";
import { ApiError } from "../status.ts";

/** The statuses that it can refuse with, and their reasons. */
export const faultReasons = {
  409: "Conflict",
  410: "Expired",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
} as const;

/** What goes wrong, with a share (0 to 1) of the requests that it is about. */
export interface ApiFault {
  readonly answer?: keyof typeof faultReasons;
  /** Writes are done, and the connection is closed without an answer. */
  readonly loseAnswers?: boolean;
  /** Milliseconds before anything is done. */
  readonly latency?: number;
  /** Watches end so many milliseconds after they have begun. */
  readonly dropWatches?: number;
  /** Default: 1. */
  readonly share?: number;
  /** Which resources, as in paths: `pods`. Default: all. */
  readonly resources?: readonly string[];
}

/** Programs that are never disturbed: the one that has put the fault must still see what becomes of it. */
export const SPARED_AGENT = "skep-scenario";

/** A fault that acts. */
interface Acting {
  readonly fault: ApiFault;
  /** Aborted when it acts no more: what it holds up goes on. */
  readonly over: AbortController;
}

/** The faults of one server. */
export class ApiFaults {
  readonly #clock: Clock;
  readonly #random: Random;
  #acting: Acting[] = [];
  readonly #watches = new Set<ServerResponse>();
  /** Ends of watches that are to come. */
  readonly #ends = new Set<Timer>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Adds one; the returned function takes it away again. Watches that are open now are ended, too, where it is about watches. */
  add(fault: ApiFault): () => void {
    const acting = { fault, over: new AbortController() };
    this.#acting = [...this.#acting, acting];
    if (fault.dropWatches !== undefined) {
      for (const response of this.#watches) this.#endLater(response, fault.dropWatches);
    }
    return () => {
      this.#acting = this.#acting.filter((each) => each !== acting);
      acting.over.abort();
    };
  }

  /** Adds this fault, or heals all where none is given: what a step of a scenario asks for. */
  disturb(fault?: ApiFault): () => void {
    if (fault !== undefined) return this.add(fault);
    this.heal();
    return () => {};
  }

  /** All is well again. */
  heal(): void {
    for (const { over } of this.#acting.splice(0)) over.abort();
    for (const timer of this.#ends) timer.cancel();
    this.#ends.clear();
  }

  /** Before a request is carried out. Throws ApiError for one that is refused; true where its answer is to be lost. */
  async before(request: IncomingMessage, response: ServerResponse, plural: string, isWatch: boolean): Promise<boolean> {
    if (isWatch && request.headers["user-agent"] !== SPARED_AGENT) {
      this.#watches.add(response);
      response.once("close", () => this.#watches.delete(response));
    }
    if (this.#acting.length === 0 || request.headers["user-agent"] === SPARED_AGENT) return false;
    const isWrite = request.method !== "GET" && request.method !== "HEAD";
    let isLost = false;
    for (const { fault, over } of [...this.#acting]) {
      const { answer, dropWatches, latency, loseAnswers, resources, share = 1 } = fault;
      if (over.signal.aborted) continue;
      if (resources !== undefined && !resources.includes(plural) || this.#random.next() >= share) continue;
      if (latency !== undefined) await sleep(this.#clock, latency, over.signal).catch(() => {});
      if (over.signal.aborted) continue;
      if (answer !== undefined) {
        const wait = answer === 429 || answer === 503 ? { retryAfterSeconds: 1 } : undefined;
        throw new ApiError(answer, faultReasons[answer], "a fault of the scenario", wait);
      }
      if (isWatch && dropWatches !== undefined) this.#endLater(response, dropWatches);
      if (isWrite && loseAnswers === true) isLost = true;
    }
    return isLost;
  }

  #endLater(response: ServerResponse, ms: number): void {
    const timer = this.#clock.after(ms, () => response.destroy());
    this.#ends.add(timer);
    response.once("close", () => {
      timer.cancel();
      this.#ends.delete(timer);
    });
  }
}
