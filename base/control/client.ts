// Another process's control endpoint: its answers, its hops, and how far its clock is from ours.
import { type IncomingMessage, request } from "node:http";
import { SkepError } from "../error/skep-error.ts";
import type { HopRecord } from "../hop/hop.ts";
import { reasonOf } from "../log/logger.ts";
import { eachLine } from "../process/lines.ts";

/** An endpoint that doesn't answer, or refuses. */
export class ControlClientError extends SkepError {
  readonly code = "SKEP_CONTROL_CLIENT";
}

/** Which hops are wanted; see `/api/hops`. */
export interface HopQuery {
  readonly where?: string;
  /** How many of the past. Default: none. */
  readonly last?: number;
  /** Whether to go on with what comes. Default: true. */
  readonly follows?: boolean;
  readonly reveal?: boolean;
}

/** Characters of an answer, and of a hop: a message of the largest size fits. */
const ANSWER = 64 * 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** Looks at the other clock; the fastest counts. */
const CLOCK_LOOKS = 5;

export class ControlClient {
  readonly #url: URL;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = new URL(url);
    this.#token = token;
  }

  /** Asks; rejects with ControlClientError. */
  async get<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
    return await this.#call<T>("GET", `${path}${queryText(query)}`);
  }

  /** Has something done; rejects with ControlClientError. */
  async post<T>(path: string, body: unknown): Promise<T> {
    return await this.#call<T>("POST", path, JSON.stringify(body));
  }

  /** Calls back for each hop until the other end closes or `signal` is aborted. Rejects with ControlClientError where it can't begin. */
  async hops(query: HopQuery, take: (record: HopRecord) => void, signal: AbortSignal): Promise<void> {
    const { follows = true, last, reveal = false, where } = query;
    const path = `/api/hops${
      queryText({
        ...(where === undefined ? {} : { where }),
        ...(last === undefined ? {} : { last: String(last) }),
        ...(follows ? {} : { follow: "no" }),
        ...(reveal ? { reveal: "yes" } : {}),
      })
    }`;
    const response = await this.#open("GET", path, undefined, signal);
    if (response.statusCode !== 200) throw await refused(response);
    eachLine(response, ANSWER, (line) => take(JSON.parse(line) as HopRecord));
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      response.once("error", () => resolve());
    });
  }

  /** Milliseconds that its clock is ahead of ours, by the fastest of several looks (half its round trip is the error). */
  async clockOffset(now: () => number = Date.now): Promise<number> {
    let best = { trip: Infinity, offset: 0 };
    for (let i = 0; i < CLOCK_LOOKS; i++) {
      const before = now();
      const { now: theirs } = await this.get<{ readonly now: number }>("/api/clock");
      const trip = now() - before;
      if (trip < best.trip) best = { trip, offset: theirs - (before + trip / 2) };
    }
    // Clocks of one machine differ by less than a message takes: what is within the error of the measurement is none.
    return Math.abs(best.offset) <= Math.max(1, best.trip / 2) ? 0 : Math.round(best.offset);
  }

  async #call<T>(method: string, path: string, body?: string): Promise<T> {
    const response = await this.#open(method, path, body, AbortSignal.timeout(TIMEOUT_MS));
    if (response.statusCode !== 200) throw await refused(response);
    return JSON.parse(await textOf(response)) as T;
  }

  #open(method: string, path: string, body: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const { promise, reject, resolve } = Promise.withResolvers<IncomingMessage>();
    const headers = { authorization: `Bearer ${this.#token}`, accept: "application/x-ndjson, application/json" };
    const call = request(new URL(path, this.#url), { method, headers, signal, agent: false }, resolve);
    call.once("error", (error) => {
      reject(new ControlClientError(`${this.#url.host} does not answer: ${reasonOf(error)}`, { cause: error }));
    });
    call.end(body);
    return promise;
  }
}

function queryText(query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? "" : `?${text}`;
}

async function refused(response: IncomingMessage): Promise<ControlClientError> {
  const text = await textOf(response).catch(() => "");
  let reason = text;
  try {
    reason = (JSON.parse(text) as { readonly error?: string }).error ?? text;
  } catch {
    // Not ours; its text has to do.
  }
  return new ControlClientError(`${reason || "it gives no reason"} (HTTP ${response.statusCode})`);
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response as AsyncIterable<string>) {
    text += chunk;
    if (text.length > ANSWER) throw new ControlClientError(`its answer has more than ${ANSWER} characters`);
  }
  return text;
}
