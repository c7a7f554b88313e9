// The embedded Kubernetes API: real HTTPS on loopback, for cloudcore, kubectl and other clients.
import { randomBytes, randomUUID } from "node:crypto";
import https from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../../base/log/logger.ts";
import { reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import type { Clock } from "../../base/time/clock.ts";
import { closeServer, listen, type ListenOptions } from "../../base/transport/listen.ts";
import { keyOf, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { limits } from "../../protocol/limits.ts";
import { createAuthority, issueServer, loadAuthority } from "../../protocol/pki/ca.ts";
import { startControllers } from "./controllers/all.ts";
import { allowAll, type Attributes, type Authorizer, forbiddenText, rbac } from "./access/authorizer.ts";
import { authenticate, impersonationOf, PlainError } from "./access/authenticator.ts";
import { bootstrapRoles } from "./access/bootstrap-roles.ts";
import { ServiceAccountTokens } from "./access/tokens.ts";
import { ApiFaults } from "./http/faults.ts";
import { failure, plainText, send } from "./http/answer.ts";
import { errorMediaOf } from "./http/negotiate.ts";
import { decodeWord, resourcePath } from "./http/path.ts";
import { route } from "./http/router.ts";
import { Turns } from "./http/turns.ts";
import type { User } from "./kinds/kind.ts";
import { Registry } from "./kinds/registry.ts";
import { Resources } from "./resources.ts";
import { ApiError, forbidden } from "./status.ts";
import { Database } from "./storage/database.ts";
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
  /**
   * Which controllers run: all, none but what an API server can't do without, or those that are chosen as with
   * kube-controller-manager's `--controllers` (names, `*`, `-name`). Default: all.
   */
  readonly controllers?: boolean | readonly string[];
  /** Divides the timers of the node life cycle. Default: 1. */
  readonly timeScale?: number;
  /** Bytes of memory that past changes may hold, for watches that come back. Default: 256 MiB. */
  readonly history?: number;
  /** Whether users may do only what roles allow them (RBAC). Default: everybody may do everything. */
  readonly rbac?: boolean;
  /** Serves alpha and beta versions of built-in kinds, too. Default: false, as kube-apiserver. */
  readonly unstable?: boolean;
  /** A folder in which the objects are kept, with what clients know the server by. Default: they live in memory. */
  readonly data?: string;
  /** For tests: a token instead of a random one. */
  readonly token?: string;
}

/** What a server is put together from. */
interface Parts {
  readonly resources: Resources;
  readonly tls: TlsFiles;
  readonly stopControllers: () => void;
  readonly database: Database | undefined;
  readonly authorizer: Authorizer;
  readonly tokens: ServiceAccountTokens;
  readonly token: string;
}

/** How to reach the server: one user that may do everything. */
export interface ApiAccess {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly token: string;
}

/** The namespaces of every cluster, and the one KubeEdge keeps its secrets in. */
const namespaces = ["default", "kube-system", "kube-public", "kube-node-lease", "kubeedge"];

/** A running server. Its objects live in memory, as long as this object does, also across `restart`. */
export class ApiServer {
  readonly access: ApiAccess;
  readonly resources: Resources;
  readonly port: number;
  readonly #options: ApiServerOptions;
  readonly #parts: Parts;
  readonly #watches = { open: new Set<() => void>(), most: limits.apiWatches };
  readonly #turns = new Turns();
  /** What goes wrong on purpose. */
  readonly faults: ApiFaults;
  /** What kube-apiserver says about its flow control, which clients only log. */
  readonly #flow = { schema: randomUUID(), level: randomUUID() };
  #server: https.Server;

  private constructor(options: ApiServerOptions, parts: Parts, server: https.Server, port: number, url: string) {
    this.#options = options;
    this.#parts = parts;
    this.resources = parts.resources;
    this.#server = server;
    this.port = port;
    this.faults = new ApiFaults(options.clock, options.random.stream("faults"));
    this.access = { url, ca: parts.tls.ca, token: parts.token };
  }

  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const { clock } = options;
    const now = () => clock.now();
    const database = options.data === undefined ? undefined : await Database.open(options.data);
    const identity = await identityOf(options, database, now);
    const { authority, tokens } = identity;
    const hosts = [
      ...new Set(["localhost", "127.0.0.1", "::1", ...(options.hosts ?? []), ...wildcardless(options.listen.host)]),
    ];
    const own = await issueServer(authority, { commonName: "kube-apiserver" }, hosts, now());
    const tls = { key: own.keyPem, cert: own.certPem, ca: authority.certPem };
    const bytes = options.history === undefined ? {} : { bytes: options.history };
    const store = new Store({ now: () => clock.monotonic(), ...bytes }, options.logger, database);
    if (database !== undefined) store.restore(database.objects(), database.changes());
    const resources = new Resources(store, new Registry(options.unstable), now, options.random, tokens);
    const authorizer = options.rbac === true ? rbac(store) : allowAll;
    const stopControllers = startControllers(options.controllers ?? true, {
      resources,
      clock,
      logger: options.logger,
      timeScale: options.timeScale ?? 1,
      defer: (run) => void setImmediate(run),
      ca: authority.certPem,
    });
    sow(resources, [...options.seed ?? [], ...options.rbac === true ? bootstrapRoles() : []]);

    const parts = { resources, tls, stopControllers, database, authorizer, tokens, token: identity.token };
    const server = serverOf(tls);
    let port: number;
    try {
      port = await listen(server, options.listen);
    } catch (error) {
      stopControllers();
      database?.close();
      throw error;
    }
    sow(resources, [kubernetesService(port)]);
    const host = options.listen.host.includes(":") ? `[${options.listen.host}]` : options.listen.host;
    const url = `https://${host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host}:${port}`;
    const api = new ApiServer(options, parts, server, port, url);
    server.on("request", (request, response) => void api.#serve(request, response));
    return api;
  }

  /** Ends every connection and answers again on the same port; the objects stay. */
  async restart(): Promise<void> {
    await closeServer(this.#server);
    this.#server = serverOf(this.#parts.tls);
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    await listen(this.#server, { ...this.#options.listen, port: this.port, exact: true });
  }

  async stop(): Promise<void> {
    this.#parts.stopControllers();
    this.faults.heal();
    await closeServer(this.#server);
    // The last connections are closed, but their responses may not have heard of it.
    for (const forget of this.#watches.open) forget();
    this.#parts.database?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const audit = request.headers["audit-id"];
    response.setHeader("audit-id", typeof audit === "string" && /^[\w-]{1,64}$/.test(audit) ? audit : randomUUID());
    const warnings: string[] = [];
    let isLost = false;
    try {
      const url = new URL(request.url ?? "/", "https://server");
      const words = url.pathname.split("/").filter((word) => word !== "").map(decodeWord);
      const isHealth = ["healthz", "livez", "readyz"].includes(words[0] ?? "");
      const find = (table: string, key: string) => this.resources.find(table, key);
      const credentials = { token: this.access.token, tokens: this.#parts.tokens, find };
      let user = isHealth && request.headers.authorization === undefined
        ? anonymous
        : await authenticate(request, credentials);
      response.setHeader("x-kubernetes-pf-flowschema-uid", this.#flow.schema);
      response.setHeader("x-kubernetes-pf-prioritylevel-uid", this.#flow.level);
      user = this.#played(request, user);
      const path = resourcePath(words);
      if (!isHealth) {
        this.#authorize(user, request, url, path);
        // Clients of one user are told apart by their programs.
        await this.#turns.take(`${user.name} ${request.headers["user-agent"] ?? ""}`);
      }
      const isWatch = url.searchParams.get("watch") === "true" || url.searchParams.get("watch") === "1";
      isLost = !isHealth && await this.faults.before(request, response, path?.plural ?? "", isWatch);
      const { clock } = this.#options;
      const reviews = {
        authorizer: this.#parts.authorizer,
        tokens: this.#parts.tokens,
        token: this.access.token,
        find,
        now: () => clock.now(),
      };
      const answer = await route({
        resources: this.resources,
        clock,
        request,
        response,
        url,
        words,
        path,
        user,
        reviews,
        watches: this.#watches,
        warnings,
      });
      if (isLost) response.destroy();
      else if (answer !== undefined) await send(request, response, answer);
    } catch (error) {
      if (isLost) response.destroy();
      else await this.#fail(request, response, error, warnings);
    }
  }

  async #fail(
    request: IncomingMessage,
    response: ServerResponse,
    error: unknown,
    warnings: readonly string[],
  ): Promise<void> {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const media = errorMediaOf(request.headers.accept);
    if (error instanceof ApiError) {
      // The rest of an oversized body is not read; the connection can't be used again.
      if (error.status.code === 413) response.setHeader("connection", "close");
      const wait = error.status.details?.retryAfterSeconds;
      if (wait !== undefined) response.setHeader("retry-after", String(wait));
      await send(request, response, { ...failure(error.status, media), warnings });
      return;
    }
    if (error instanceof PlainError) {
      await send(request, response, plainText(error.code, error.message));
      return;
    }
    this.#options.logger.error("a request failed with an internal error", {
      method: request.method,
      path: request.url?.split("?")[0],
      error: reasonOf(error),
    });
    const message = `Internal error occurred: ${reasonOf(error)}`;
    await send(request, response, failure(new ApiError(500, "InternalError", message).status, media));
  }

  /** The user whom the request plays, where its own one may. Throws 403. */
  #played(request: IncomingMessage, user: User): User {
    const impersonation = impersonationOf(request);
    if (impersonation === undefined) return user;
    for (const { group, name, resource, subresource = "" } of impersonation.requested) {
      const account = /^system:serviceaccount:([^:]+):/.exec(impersonation.user.name);
      const namespace = resource === "serviceaccounts" ? account?.[1] ?? "" : "";
      const attributes = { verb: "impersonate", group, resource, subresource, namespace, name };
      if (this.#parts.authorizer.allows(user, attributes) !== undefined) continue;
      throw forbidden({ group, plural: resource }, name, forbiddenText(user, attributes));
    }
    return impersonation.user;
  }

  /** Throws 403 for what the user may not. */
  #authorize(user: User, request: IncomingMessage, url: URL, path: ReturnType<typeof resourcePath>): void {
    if (this.#parts.authorizer === allowAll) return;
    const method = request.method ?? "GET";
    const attributes = attributesOf(method, url, path);
    if (this.#parts.authorizer.allows(user, attributes) !== undefined) return;
    const why = forbiddenText(user, attributes);
    if ("path" in attributes) throw new ApiError(403, "Forbidden", `forbidden: ${why}`, {});
    const { group, name, resource } = attributes;
    const qualified = group === "" ? resource : `${resource}.${group}`;
    throw new ApiError(
      403,
      "Forbidden",
      `${qualified}${name === "" ? "" : ` ${JSON.stringify(name)}`} is forbidden: ${why}`,
      {
        ...(name === "" ? {} : { name }),
        ...(group === "" ? {} : { group }),
        kind: resource,
      },
    );
  }
}

const anonymous: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

/** What clients know the server by: new, or as it was kept. */
async function identityOf(options: ApiServerOptions, database: Database | undefined, now: () => number) {
  const kept = database?.identity();
  if (kept !== undefined) {
    const authority = await loadAuthority(Buffer.from(kept.caCert, "base64"), Buffer.from(kept.caKey, "base64"));
    return { authority, tokens: new ServiceAccountTokens(now, kept.tokenKey), token: options.token ?? kept.token };
  }
  const authority = await createAuthority("skep-apiserver-ca", now());
  const tokens = new ServiceAccountTokens(now);
  const token = options.token ?? randomBytes(24).toString("base64url");
  database?.keepIdentity({
    caCert: Buffer.from(authority.certDer).toString("base64"),
    caKey: Buffer.from(authority.keyDer).toString("base64"),
    token,
    tokenKey: await tokens.privateKey(),
  });
  return { authority, tokens, token };
}

/** What the server shows, and by whose certificates it knows its clients. */
interface TlsFiles {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

const oneVerbs: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** What a request is to access control. */
function attributesOf(method: string, url: URL, path: ReturnType<typeof resourcePath>): Attributes {
  if (path === undefined) return { verb: method === "HEAD" ? "get" : method.toLowerCase(), path: url.pathname };
  const { group, isOldWatch, name, namespace, plural, subresource } = path;
  const isCollection = name === "";
  const isWatch = isOldWatch || ["true", "1"].includes(url.searchParams.get("watch") ?? "");
  let verb = oneVerbs[method] ?? method.toLowerCase();
  if (verb === "get" && isWatch) verb = "watch";
  else if (verb === "get" && isCollection) verb = "list";
  else if (verb === "delete" && isCollection) verb = "deletecollection";
  // A Namespace is in the namespace of its own name.
  const place = plural === "namespaces" && group === "" && namespace === "" ? name : namespace;
  return { verb, group, resource: plural, subresource, namespace: place, name };
}

function serverOf(tls: TlsFiles): https.Server {
  const server = https.createServer({
    ...tls,
    minVersion: "TLSv1.2",
    maxHeaderSize: limits.headers,
    ALPNProtocols: ["http/1.1"],
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on("tlsClientError", () => {});
  server.keepAliveTimeout = 60_000;
  server.maxHeadersCount = limits.headerCount;
  return server;
}

function wildcardless(host: string): string[] {
  return host === "0.0.0.0" || host === "::" ? [] : [host];
}

function sow(resources: Resources, seed: readonly KubeObject[]): void {
  const create = (object: KubeObject) => {
    const kind = resources.registry.findByKind(object.apiVersion ?? "v1", object.kind ?? "");
    if (kind === undefined) throw new Error(`no kind ${object.kind} in ${object.apiVersion}`);
    if (resources.store.get(kind.table, keyOf(object)) !== undefined) return;
    resources.create(kind, object.metadata.namespace ?? "", object);
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
