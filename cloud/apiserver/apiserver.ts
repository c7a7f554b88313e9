// The embedded Kubernetes API: real HTTPS on loopback, for cloudcore, kubectl and other clients.
import { randomBytes, timingSafeEqual } from "node:crypto";
import https from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Logger } from "../../base/log/logger.ts";
import { reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import { headerText } from "../../base/transport/header-text.ts";
import { closeServer, listen, type ListenOptions } from "../../base/transport/listen.ts";
import { keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import { createAuthority, issueServer } from "../../protocol/pki/ca.ts";
import type { Controller } from "./controllers/controller.ts";
import { definitions } from "./controllers/definitions.ts";
import { endpoints } from "./controllers/endpoints.ts";
import { eventExpiry } from "./controllers/events.ts";
import { nodeLifecycle } from "./controllers/node-lifecycle.ts";
import { scheduler } from "./controllers/scheduler.ts";
import { taintEviction } from "./controllers/taint-eviction.ts";
import { garbageCollector } from "./controllers/garbage-collector.ts";
import { podGarbageCollector } from "./controllers/pod-garbage-collector.ts";
import { serviceAccounts } from "./controllers/service-accounts.ts";
import { type Answer, route } from "./http/router.ts";
import { Registry } from "./kinds/registry.ts";
import { tableOf } from "./kinds/kind.ts";
import { Resources } from "./resources.ts";
import { ApiError } from "./status.ts";
import { Store } from "./storage/store.ts";

/** What the server is made of. */
export interface ApiServerOptions {
  readonly listen: ListenOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Objects to begin with, CustomResourceDefinitions first. */
  readonly seed?: readonly KubeObject[];
  /** Names and addresses in the server's certificate beside the one it listens on. */
  readonly hosts?: readonly string[];
  /** False leaves out the scheduler and the garbage collector: an API server alone. Default true. */
  readonly controllers?: boolean;
  /** Divides the timers of the node life cycle. Default: 1. */
  readonly timeScale?: number;
  /** Bytes of memory that past changes may hold, for watches that come back. Default: 256 MiB. */
  readonly history?: number;
  /** For tests: a token instead of a random one. */
  readonly token?: string;
}

/** How to reach the server: one user that may do everything. */
export interface ApiAccess {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly token: string;
}

/** Controllers that every API server needs. */
const ofEveryServer: readonly Controller[] = [definitions, serviceAccounts];
/** Those of kube-controller-manager and kube-scheduler. */
const ofControllerManager: readonly Controller[] = [
  scheduler,
  podGarbageCollector,
  garbageCollector,
  nodeLifecycle,
  taintEviction,
  endpoints,
  eventExpiry,
];

/** The namespaces of every cluster, and the one KubeEdge keeps its secrets in. */
const namespaces = ["default", "kube-system", "kube-public", "kube-node-lease", "kubeedge"];

/** A running server. Its objects live in memory, as long as this object does, also across `restart`. */
export class ApiServer {
  readonly access: ApiAccess;
  readonly resources: Resources;
  readonly port: number;
  readonly #options: ApiServerOptions;
  readonly #tls: { readonly key: string; readonly cert: string };
  #server: https.Server;
  readonly #stops: (() => void)[];

  private constructor(
    options: ApiServerOptions,
    resources: Resources,
    server: https.Server,
    port: number,
    access: ApiAccess,
    tls: { readonly key: string; readonly cert: string },
    stops: (() => void)[],
  ) {
    this.#options = options;
    this.resources = resources;
    this.#server = server;
    this.port = port;
    this.access = access;
    this.#tls = tls;
    this.#stops = stops;
  }

  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const { clock } = options;
    const now = () => clock.now();
    const authority = await createAuthority("skep-apiserver-ca", now());
    const hosts = [
      ...new Set(["localhost", "127.0.0.1", "::1", ...(options.hosts ?? []), ...wildcardless(options.listen.host)]),
    ];
    const own = await issueServer(authority, { commonName: "kube-apiserver" }, hosts, now());
    const tls = { key: own.keyPem, cert: own.certPem };
    const token = options.token ?? randomBytes(24).toString("base64url");
    const bytes = options.history === undefined ? {} : { bytes: options.history };
    const resources = new Resources(new Store({ now, ...bytes }, options.logger), new Registry(), now, options.random);
    const deps = { resources, clock, logger: options.logger, timeScale: options.timeScale ?? 1 };
    const controllers = options.controllers === false ? ofEveryServer : [...ofEveryServer, ...ofControllerManager];
    const stops = controllers.map((controller) => controller.start(deps));
    sow(resources, options.seed ?? []);

    const server = serverOf(tls);
    const port = await listen(server, options.listen);
    sow(resources, [kubernetesService(port)]);
    const host = options.listen.host.includes(":") ? `[${options.listen.host}]` : options.listen.host;
    const url = `https://${host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host}:${port}`;
    const api = new ApiServer(options, resources, server, port, { url, ca: authority.certPem, token }, tls, stops);
    server.on("request", (request, response) => void api.#serve(request, response));
    return api;
  }

  /** Ends every connection and answers again on the same port; the objects stay. */
  async restart(): Promise<void> {
    await closeServer(this.#server);
    this.#server = serverOf(this.#tls);
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    await listen(this.#server, { ...this.#options.listen, port: this.port, exact: true });
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await closeServer(this.#server);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (!this.#isAuthenticated(request)) throw new ApiError(401, "Unauthorized", "Unauthorized");
      const { clock } = this.#options;
      const answer = await route({ resources: this.resources, clock, request, response });
      if (answer !== undefined) send(request, response, answer);
    } catch (error) {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      if (error instanceof ApiError) {
        // The rest of an oversized body is not read; the connection can't be used again.
        if (error.status.code === 413) response.setHeader("connection", "close");
        const wait = error.status.details?.retryAfterSeconds;
        if (wait !== undefined) response.setHeader("retry-after", String(wait));
        send(request, response, { status: error.status.code, body: error.status });
        return;
      }
      this.#options.logger.error("a request failed with an internal error", {
        method: request.method,
        path: request.url?.split("?")[0],
        error: reasonOf(error),
      });
      const message = `Internal error occurred: ${reasonOf(error)}`;
      send(request, response, { status: 500, body: new ApiError(500, "InternalError", message).status });
    }
  }

  #isAuthenticated(request: IncomingMessage): boolean {
    if ((request.socket as TLSSocket).authorized) return true;
    if (/^\/(healthz|livez|readyz)\b/.test(request.url ?? "")) return true;
    const [scheme = "", given = ""] = (request.headers.authorization ?? "").split(" ");
    const wanted = Buffer.from(this.access.token);
    const found = Buffer.from(given);
    return scheme.toLowerCase() === "bearer" && wanted.length === found.length && timingSafeEqual(wanted, found);
  }
}

function serverOf(tls: { readonly key: string; readonly cert: string }): https.Server {
  const server = https.createServer({
    ...tls,
    minVersion: "TLSv1.2",
    maxHeaderSize: limits.headers,
    ALPNProtocols: ["http/1.1"],
  });
  server.on("tlsClientError", () => {});
  server.keepAliveTimeout = 60_000;
  return server;
}

function wildcardless(host: string): string[] {
  return host === "0.0.0.0" || host === "::" ? [] : [host];
}

function sow(resources: Resources, seed: readonly KubeObject[]): void {
  const create = (object: KubeObject) => {
    const [group, version] = splitApiVersion(object.apiVersion ?? "v1");
    const kind = resources.registry.all().find((k) =>
      k.group === group && k.version === version && k.kind === object.kind
    );
    if (kind === undefined) throw new Error(`no kind ${object.kind} in ${object.apiVersion}`);
    if (resources.store.get(tableOf(kind), keyOf(object)) !== undefined) return;
    resources.create(kind, object.metadata.namespace ?? "", object, false);
  };
  for (const name of namespaces) create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  for (const object of seed) create(object);
}

/** How pods find the API: every API server has this service. */
function kubernetesService(port: number): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443, targetPort: port }] },
  };
}

function splitApiVersion(apiVersion: string): readonly [group: string, version: string] {
  const [first = "", second] = apiVersion.split("/");
  return second === undefined ? ["", first] : [first, second];
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const isText = typeof answer.body === "string";
  const body = Buffer.from(isText ? answer.body as string : `${JSON.stringify(answer.body)}\n`, "utf8");
  const warnings = warningHeaders(answer.warnings ?? []);
  if (warnings.length > 0) response.setHeader("warning", warnings);
  response.writeHead(answer.status, {
    "content-type": answer.contentType ?? (isText ? "text/plain; charset=utf-8" : "application/json"),
    "content-length": body.length,
    "cache-control": "no-cache, private",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Letters of all warnings of an answer, and of each where there are more: kube-apiserver's bounds (`pkg/endpoints/filters/warning.go`). */
const WARNINGS_LENGTH = 4096;
const WARNING_LENGTH = 256;

/** Warning headers (RFC 7234 §5.5). Long ones are cut where all are too long; what is beyond the bound even then is left out. */
function warningHeaders(texts: readonly string[]): string[] {
  const all = texts.reduce((sum, text) => sum + text.length, 0);
  const cut = all > WARNINGS_LENGTH ? texts.map((text) => text.slice(0, WARNING_LENGTH)) : texts;
  const headers: string[] = [];
  let length = 0;
  for (const text of cut) {
    length += text.length;
    if (length > WARNINGS_LENGTH) break;
    headers.push(headerText(`299 - ${JSON.stringify(text).replaceAll("\x7f", "\\u007f")}`));
  }
  return headers;
}
