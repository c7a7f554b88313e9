// The control endpoint of a running skep: its hops as a stream, questions and actions as JSON, and a page's files. HTTP on loopback.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { SkepError } from "../error/skep-error.ts";
import { compileHopFilter } from "../hop/filter.ts";
import type { HopRecord } from "../hop/hop.ts";
import type { HopRing } from "../hop/ring.ts";
import { reasonOf } from "../log/logger.ts";
import { closeServer, listen, type ListenOptions } from "../transport/listen.ts";
import { cookieName, hasTokenInAddress, newToken, refusalOf } from "./access.ts";
import { streamHops } from "./stream.ts";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly body: string | Uint8Array;
}

/** A question or an action. */
export interface ControlCall {
  readonly method: "GET" | "POST";
  /** Such as `/api/edges/gw-0`; parts are percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Of a POST. */
  readonly body: unknown;
}

/** A call that can't be done, by the caller's fault: the message says what to do. */
export class ControlError extends SkepError {
  readonly code = "SKEP_CONTROL";
  readonly status: 400 | 404 | 409;
  constructor(status: ControlError["status"], message: string) {
    super(message);
    this.status = status;
  }
}

/** What a caller may send. */
export interface ControlLimits {
  /** Bytes of a request's headers, and how many are read. */
  readonly headers: number;
  readonly headerCount: number;
  /** Characters of an action. */
  readonly controlBody: number;
  /** Readers of hops at once. */
  readonly controlStreams: number;
}

/** Injected dependencies. */
export interface ControlDeps {
  readonly listen: ListenOptions;
  readonly limits: ControlLimits;
  readonly ring: HopRing;
  /** A record with what nobody should see by accident masked. */
  readonly masked: (record: HopRecord) => HopRecord;
  /** Answers calls under /api; undefined where there is no such path. Rejects with ControlError. */
  readonly answer: (call: ControlCall) => Promise<unknown>;
  /** The page's files by path, `/` among them; absent where there is no page. */
  readonly file?: (path: string) => Promise<PageFile | undefined>;
}

/** A running endpoint. */
export interface ControlServer {
  readonly url: string;
  readonly port: number;
  readonly token: string;
  stop(): Promise<void>;
}

/** Nothing from elsewhere, no inline scripts; `connect-src` is what the page's own calls need. */
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** Starts it. Rejects with ListenError. */
export async function serveControl(deps: ControlDeps): Promise<ControlServer> {
  const token = newToken();
  const { host } = deps.listen;
  let port = 0;
  let streams = 0;
  const server = createServer({ maxHeaderSize: deps.limits.headers }, (request, response) => {
    handle(request, response).catch((error) => {
      const status = error instanceof ControlError ? error.status : error instanceof SkepError ? 400 : 500;
      if (response.headersSent) response.destroy();
      else say(response, status, { error: error instanceof SkepError ? error.message : reasonOf(error) });
    });
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
    if (path === "/healthz") return void response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
    const refused = refusalOf(request, { host, port }, token);
    if (refused !== undefined) {
      // A client that is refused must not go on sending.
      response.setHeader("connection", "close");
      return say(response, refused.status, { error: refused.reason });
    }
    if (request.method !== "GET" && request.method !== "POST") {
      return say(response, 405, { error: "this takes GET and POST" });
    }
    const search = new URLSearchParams(query);
    if (path === "/api/hops") {
      const { controlStreams } = deps.limits;
      if (streams >= controlStreams) {
        return say(response, 503, { error: `${controlStreams} readers are connected already` });
      }
      const reader = readerOf(search, request, deps);
      streams++;
      return await streamHops(response, deps.ring, reader).finally(() => streams--);
    }
    if (path.startsWith("/api/")) {
      const body = request.method === "POST" ? await bodyOf(request, deps.limits.controlBody) : undefined;
      const answer = await deps.answer({ method: request.method, path, query: search, body });
      if (answer === undefined) throw new ControlError(404, `there is no ${path.slice(0, 200)} here`);
      return say(response, 200, answer);
    }
    const file = await deps.file?.(path);
    if (file === undefined) throw new ControlError(404, `there is no ${path.slice(0, 200)} here`);
    if (hasTokenInAddress(request)) {
      response.setHeader("set-cookie", `${cookieName(port)}=${token}; Path=/; HttpOnly; SameSite=Strict`);
    }
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": file.type }).end(file.body);
  };
  server.maxHeadersCount = deps.limits.headerCount;
  port = await listen(server, deps.listen);
  const shown = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return { url: `http://${shown}:${port}`, port, token, stop: () => closeServer(server) };
}

/** What the query asks for. Throws HopFilterError or ControlError. */
function readerOf(query: URLSearchParams, request: IncomingMessage, { masked, ring }: ControlDeps) {
  const since = numberIn(query, "since");
  const last = numberIn(query, "last");
  const rate = numberIn(query, "rate");
  const where = compileHopFilter(query.get("where") || "true");
  const begin = since ?? (last === undefined ? undefined : ring.positionOfLast(last, where));
  return {
    where,
    follows: query.get("follow") !== "no",
    format: (request.headers.accept ?? "").includes("text/event-stream") ? "events" as const : "lines" as const,
    shown: query.get("reveal") === "yes" ? (record: HopRecord) => record : masked,
    ...(begin === undefined ? {} : { since: begin }),
    ...(rate === undefined ? {} : { rate }),
  };
}

function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new ControlError(400, `${name} must be a whole number`);
  return Number(text);
}

async function bodyOf(request: IncomingMessage, limit: number): Promise<unknown> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request as AsyncIterable<string>) {
    text += chunk;
    if (text.length > limit) throw new ControlError(400, `the body has more than ${limit} characters`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new ControlError(400, "the body must be JSON");
  }
}

function say(response: ServerResponse, status: number, value: unknown): void {
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  response.writeHead(status, headers).end(`${JSON.stringify(value)}\n`);
}
