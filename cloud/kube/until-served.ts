// Work at a start that an API server refuses only for now: it is tried again, as an API server that comes up itself, or is busy, would have it.
import { Backoff } from "../../base/backoff/backoff.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, sleep } from "../../base/time/clock.ts";
import { KubeApiError, KubeUnreachableError } from "./client.ts";

/** Milliseconds between two tries. */
const RETRY = { initial: 200, factor: 2, cap: 2000, jitter: 0.2 } as const;
/** Milliseconds for which it is tried: whoever starts a cloudcore has a restart of his own after that. */
const DEADLINE_MS = 30_000;
/** Connections that an API server has taken and not answered; one that takes none is not there, which a user must hear at once. */
const CUT_OFF = /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/;

/** Injected dependencies. */
export interface UntilServedDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Does `work` until it succeeds, and again where the server was too busy (429), failed (5xx), had a conflict (409, 410) or ended the
 * connection; `work` must bear being done twice. Rejects at once with any other error, and after 30 s with the last one.
 */
export async function untilServed<T>(
  { clock, logger, random }: UntilServedDeps,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const until = clock.monotonic() + DEADLINE_MS;
  const backoff = new Backoff(RETRY, random.stream(`start/${what}`));
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isForNow(error) || clock.monotonic() >= until) throw error;
      logger.warn("the API server does not serve this yet; it is tried again", { what, error: reasonOf(error) });
      await sleep(clock, backoff.next());
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
