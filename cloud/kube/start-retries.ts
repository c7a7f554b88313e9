// Work at a start that an API server refuses for now: it is tried again, as for an API server that is busy or has just come up.
import { Backoff } from "../../base/backoff/backoff.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import { KubeApiError, KubeUnreachableError } from "./client.ts";

/** Milliseconds between two tries. */
const RETRY = { initial: 200, factor: 2, cap: 2000, jitter: 0.2 } as const;
/** Milliseconds for which a start tries again, all its steps together: who starts a cloudcore restarts one that has ended. */
const DEADLINE_MS = 20_000;
/** Connections that an API server has taken and not answered; one that takes none is not there, which a user must hear at once. */
const CUT_OFF = /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/;

/** Injected dependencies. */
export interface StartRetriesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The steps of one start, with one deadline for all. */
export class StartRetries {
  readonly #deps: StartRetriesDeps;
  readonly #backoff: Backoff;
  readonly #until: number;

  constructor(deps: StartRetriesDeps) {
    this.#deps = deps;
    this.#backoff = new Backoff(RETRY, deps.random.stream("start"));
    this.#until = deps.clock.monotonic() + DEADLINE_MS;
  }

  /**
   * Does `work` until it succeeds, and again where the server was too busy (429), failed (5xx), had a conflict (409, 410) or ended the
   * connection; `work` must bear being done twice. Rejects at once with any other error, and after the deadline with the last one.
   */
  async run<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { clock, logger } = this.#deps;
    for (;;) {
      try {
        const done = await work();
        this.#backoff.reset();
        return done;
      } catch (error) {
        if (!isForNow(error) || clock.monotonic() >= this.#until) throw error;
        logger.warn("the API server does not serve this yet; it is tried again", { what, error: reasonOf(error) });
        await sleep(clock, this.#backoff.next());
      }
    }
  }
}

function isForNow(error: unknown): boolean {
  if (error instanceof KubeUnreachableError) {
    return CUT_OFF.test((error.cause as NodeJS.ErrnoException | undefined)?.code ?? "");
  }
  if (!(error instanceof KubeApiError)) return false;
  const { code } = error.status;
  return code === 409 || code === 410 || code === 429 || code >= 500;
}
