// ServiceBus: what the cloud asks of HTTP services beside the edge, and what they ask of the cloud (KubeEdge v1.23 `edge/pkg/servicebus/servicebus.go`).
import type { EdgeEra } from "../era/edge-era.ts";
import { SkepError } from "../../base/error/skep-error.ts";
import http, { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../base/time/clock.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { readBody } from "../../base/transport/body.ts";
import { closeServer, listen, type ListenOptions } from "../../base/transport/listen.ts";
import { at, textAt } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { edgeModules, groups, operations } from "../../protocol/message/names.ts";
import type { EdgeHub } from "../edgehub/edgehub.ts";
import type { EdgeStore } from "../metamanager/store.ts";

/** Injected dependencies. */
export interface ServiceBusDeps {
  /** Its own HTTP server, for services at the edge; open while rules of the cloud use it. */
  readonly listen: Pick<ListenOptions, "host" | "port">;
  readonly hub: EdgeHub;
  readonly store: EdgeStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly era: EdgeEra;
}

/** Where the store keeps the URLs that rules of the cloud allow. */
const URLS = "edge/target_urls/all";
/** URLs that the cloud may allow at one edge. */
const MAX_URLS = 1000;
/** Milliseconds a service has to answer. */
const SERVICE_MS = 10_000;

/** An answer of a service, as it travels; `body` is base64. */
interface Answer {
  readonly header: Readonly<Record<string, readonly string[]>>;
  readonly status_code: number;
  readonly body: string;
}

/** A call that came to nothing, with the status that edgecore gives it. */
class CallError extends SkepError {
  readonly code = "SKEP_SERVICE_CALL";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class ServiceBus {
  readonly #deps: ServiceBusDeps;
  #server: Server | undefined;
  #port: number;
  #opening: Promise<void> = Promise.resolve();
  #isRunning = false;
  /** Calls of services that are not over. */
  #calls = 0;

  constructor(deps: ServiceBusDeps) {
    this.#deps = deps;
    this.#port = deps.listen.port;
  }

  /** Port of its own HTTP server; 0 while it is closed. */
  get port(): number {
    return this.#server === undefined ? 0 : this.#port;
  }

  start(): void {
    this.#isRunning = true;
    if (this.#urls().length > 0) this.#open();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#opening;
    await this.#close();
  }

  /** A message of the cloud's router. */
  receive(message: Message): void {
    const { operation, resource = "" } = message.route;
    const { hasServiceServer } = this.#deps.era;
    if (hasServiceServer && operation === "start") {
      const urls = this.#urls();
      if (!urls.includes(resource) && urls.length < MAX_URLS) this.#keep([...urls, resource]);
      this.#open();
    } else if (hasServiceServer && operation === "stop") {
      this.#keep(this.#urls().filter((url) => url !== resource));
      this.#opening = this.#opening.then(() => this.#urls().length === 0 ? this.#close() : undefined);
    } else void this.#serve(message);
  }

  /** Calls the service, and sends its answer to the cloud. edgecore's refusals carry no operation, so they reach no caller. */
  async #serve(message: Message): Promise<void> {
    const { clock, era, hub, logger } = this.#deps;
    const answer = (content: Answer, operation?: string) =>
      hub.send(newMessage(clock.now(), {
        source: edgeModules.servicebus,
        group: groups.user,
        ...(operation === undefined ? {} : { operation }),
        content,
        parent: message.header.msg_id,
      }));
    try {
      answer(await this.#call(message), era.serviceAnswerOperation);
    } catch (error) {
      const status = error instanceof CallError ? error.status : 404;
      logger.debug("a service could not be called", { resource: message.route.resource, error: reasonOf(error) });
      answer({
        header: { Server: ["kubeedge-edgecore"] },
        status_code: status,
        body: Buffer.from(error instanceof CallError ? error.message : "error to call service").toString("base64"),
      });
    }
  }

  /** Rejects with CallError, or where the service can't be reached. */
  async #call({ content, route: { operation = "", resource = "" } }: Message): Promise<Answer> {
    const { methodIsOperation } = this.#deps.era;
    const [port = "", path = "", ...more] = resource.split(":");
    // Accept only a valid port number: other text could name another host.
    if (more.length > 0 || !/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
      throw new CallError(400, `the format of resource ${resource} is incorrect`);
    }
    const asked = typeof content === "string" ? parsed(content) : content;
    if (typeof asked !== "object" || asked === null) throw new CallError(400, "error to parse http request");
    const { promise, reject, resolve } = Promise.withResolvers<Answer>();
    const headers = Object.fromEntries(
      Object.entries(at(asked, "header") ?? {}).map((
        [name, values],
      ) => [name, Array.isArray(values) ? values : [values]]),
    );
    const method = (methodIsOperation ? operation : textAt(asked, "method")) || "GET";
    // Without a slash Go would join path and port to something else.
    const target = { host: "127.0.0.1", port: Number(port), path: path.startsWith("/") ? path : `/${path}` };
    if (this.#calls >= limits.serviceCalls) throw new CallError(404, "error to call service: too many calls at once");
    const signal = AbortSignal.timeout(SERVICE_MS);
    const request = http.request({ ...target, method, headers, agent: false, signal });
    request.on("error", reject);
    request.on("close", () => reject(new Error("no answer")));
    // Neither is an answer that could be passed on.
    for (const other of ["upgrade", "connect"]) {
      request.on(other, (_response: IncomingMessage, socket: Duplex) => {
        socket.destroy();
        reject(new Error("no answer"));
      });
    }
    request.on("response", (response) => {
      readBody(response, limits.serviceBody).then((body) => {
        if (body === undefined) throw new CallError(500, "error to receive response, err: response body too large");
        resolve({
          header: headersOf(response),
          status_code: response.statusCode ?? 0,
          body: Buffer.from(body).toString("base64"),
        });
      }).catch(reject);
    });
    this.#calls++;
    request.end(Buffer.from(textAt(asked, "body"), "base64"));
    return await promise.finally(() => this.#calls--);
  }

  #open(): void {
    this.#opening = this.#opening.then(async () => {
      if (this.#server !== undefined || !this.#isRunning) return;
      const server = createServer(
        { maxHeaderSize: limits.headers },
        (request, response) => void this.#ask(request, response),
      );
      server.maxHeadersCount = limits.headerCount;
      try {
        this.#port = await listen(server, { host: this.#deps.listen.host, port: this.#port, exact: true });
        this.#server = server;
      } catch (error) {
        this.#deps.logger.error("the edge's ServiceBus can't listen", { error: reasonOf(error) });
      }
    });
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await closeServer(server);
  }

  /** A service of the edge asks the cloud. Whatever comes of it, the answer is 200 with the outcome inside. */
  async #ask(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, hub } = this.#deps;
    const answer = (code: number, msg: string, body = "") => {
      response.setHeader("content-type", "text/plain; charset=utf-8");
      response.end(JSON.stringify({ code, msg, body }));
    };
    try {
      const body = await readBody(request, limits.serviceBody);
      if (body === undefined) return answer(400, "can't read data from body of the http's request");
      const asked = parsed(Buffer.from(body).toString());
      if (typeof asked !== "object" || asked === null) return answer(400, "invalid params");
      const url = textAt(asked, "targetURL");
      if (!this.#urls().includes(url)) {
        return answer(400, `url ${url} is not allowed and please make a rule for this url in the cloud`);
      }
      const question = newMessage(clock.now(), {
        source: edgeModules.servicebus,
        group: groups.user,
        operation: operations.upload,
        resource: url,
        // Go puts bytes on the wire as base64.
        content: Buffer.from(body).toString("base64"),
      });
      const { content } = await hub.request({ ...question, header: { ...question.header, sync: true } });
      answer(
        200,
        "receive response from cloud successfully",
        typeof content === "string" ? content : JSON.stringify(content),
      );
    } catch (error) {
      answer(400, reasonOf(error));
    }
  }

  #urls(): string[] {
    return (this.#deps.store.get(URLS)?.urls as string[] | undefined) ?? [];
  }

  #keep(urls: readonly string[]): void {
    this.#deps.store.put(URLS, { metadata: { name: "all" }, urls });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** As Go writes the names of headers. */
function headersOf({ headersDistinct }: IncomingMessage): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(headersDistinct).map(([name, values = []]) => [
      name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
      values,
    ]),
  );
}
