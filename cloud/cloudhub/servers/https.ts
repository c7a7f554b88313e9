// The enrolment server (10002): the CA, certificates for edges with a token or an old certificate, and whether a node exists.
import https from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { readBody } from "../../../base/transport/body.ts";
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import { boundHandshakes } from "../../../base/transport/handshakes.ts";
import { closeServer, listen, type ListenOptions } from "../../../base/transport/listen.ts";
import { limits } from "../../../protocol/limits.ts";
import {
  type CertificateAuthority,
  CsrError,
  hubNameIn,
  type KeyPair,
  readRequest,
  servesAs,
  signRequest,
  subjectOf,
  usagesIn,
} from "../../../protocol/pki/ca.ts";
import { legacySubject, nodeCommonName, nodeOrganization } from "../../../protocol/pki/request.ts";
import { refuseJwt } from "../../../protocol/pki/token.ts";
import { enrolmentSuites } from "./suites.ts";

/** Injected dependencies. */
export interface EnrolmentDeps {
  readonly listen: ListenOptions;
  readonly authority: CertificateAuthority;
  readonly server: KeyPair;
  readonly certLifetime: number;
  readonly now: () => number;
  readonly logger: Logger;
  readonly nodeExists: (node: string) => Promise<boolean>;
  /** `header`: the one certificate that all edges of KubeEdge v1.1 share may renew for any of them. */
  readonly identity: "certificate" | "header";
}

interface Answer {
  readonly status: number;
  readonly body: string | Uint8Array;
  /** Methods there are instead, where the method was wrong. */
  readonly allow?: string;
}

/** Starts it; resolves with the port and a function that stops it. */
export async function serveEnrolment(deps: EnrolmentDeps): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const { authority, server: own } = deps;
  const server = https.createServer({
    key: own.keyPem,
    cert: own.certPem,
    ca: authority.certPem,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    ciphers: enrolmentSuites,
    maxHeaderSize: limits.headers,
    ALPNProtocols: ["http/1.1"],
  });
  server.requestTimeout = 30_000;
  server.maxHeadersCount = limits.headerCount;
  const handshakes = boundHandshakes(server, { pending: limits.handshakes, timeout: limits.handshakeTimeout });
  server.on("tlsClientError", () => {});
  server.on("request", (request, response) => {
    handshakes.requested(request.socket);
    void serve(deps, request, response);
  });
  const port = await listen(server, deps.listen);
  return { port, stop: () => closeServer(server) };
}

async function serve(deps: EnrolmentDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer;
  try {
    answer = await route(deps, request);
  } catch (error) {
    deps.logger.error("an enrolment request failed with an internal error", {
      path: request.url,
      error: reasonOf(error),
    });
    answer = { status: 500, body: "internal error" };
  }
  const isBytes = answer.body instanceof Uint8Array;
  const body = isBytes ? answer.body as Uint8Array : Buffer.from(answer.body as string, "utf8");
  response.writeHead(answer.status, {
    "content-type": isBytes ? "application/octet-stream" : "text/plain; charset=utf-8",
    "content-length": body.length,
    ...(answer.status === 405 ? { allow: answer.allow ?? "GET" } : {}),
    // What was not read of a refused body is not waited for.
    ...(answer.status >= 400 ? { connection: "close" } : {}),
  });
  response.end(body);
}

async function route(deps: EnrolmentDeps, request: IncomingMessage): Promise<Answer> {
  const path = URL.parse(request.url ?? "/", "https://hub")?.pathname ?? "";
  const node = /^\/node\/([^/]+)$/.exec(path)?.[1];
  if (path === "/nodeupgrade" || taskStatus.test(path)) return await takeReport(request);
  if (path !== "/ca.crt" && path !== "/edge.crt" && node === undefined) {
    return { status: 404, body: "404: Page Not Found" };
  }
  if (request.method !== "GET") return { status: 405, body: "405: Method Not Allowed" };
  if (path === "/ca.crt" && !accepts(request, "application/octet-stream")) {
    return { status: 406, body: "406: Not Acceptable\n\nAvailable representations: " };
  }
  if (path === "/ca.crt") return { status: 200, body: deps.authority.certDer };
  if (path === "/edge.crt") return await sign(deps, request);
  let found: boolean;
  try {
    found = await deps.nodeExists(decodeURIComponent(node as string));
  } catch (error) {
    deps.logger.warn("could not check whether a node exists", { node, error: reasonOf(error) });
    return { status: 500, body: "Failed to query node information" };
  }
  return found ? { status: 200, body: "Node founded" } : { status: 404, body: "Node not found" };
}

const taskStatus = /^\/task\/[^/]+\/name\/[^/]+\/node\/[^/]+\/status$/;

/** Edges of older versions report how their upgrade went. No task here waits for it, so it is read and ignored. */
async function takeReport(request: IncomingMessage): Promise<Answer> {
  if (request.method !== "POST") return { status: 405, body: "405: Method Not Allowed", allow: "POST" };
  const body = await readBody(request, limits.taskReport);
  if (body === undefined) return { status: 400, body: `the request body can only be up to ${limits.taskReport} bytes` };
  try {
    const report: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (typeof report !== "object" || report === null) throw new Error("an object was expected");
  } catch (error) {
    return { status: 400, body: `the report can't be read: ${reasonOf(error)}` };
  }
  return { status: 200, body: "ok" };
}

/** Whether the client accepts that type of answer. Default: any type. */
function accepts(request: IncomingMessage, type: string): boolean {
  const accept = headerOf(request, "accept");
  const [group = ""] = type.split("/");
  return accept === "" || accept.split(",").some((part) => {
    const wanted = part.split(";")[0]?.trim();
    return wanted === "*/*" || wanted === type || wanted === `${group}/*`;
  });
}

/** The names of the hub's own certificate, by what it was started with: reading them takes longer than signing. */
const hubNames = new WeakMap<EnrolmentDeps["server"], Promise<readonly string[]>>();

function namesOf({ authority, now, server }: EnrolmentDeps): Promise<readonly string[]> {
  let names = hubNames.get(server);
  if (names === undefined) hubNames.set(server, names = servesAs(authority, server.certDer, now()));
  return names;
}

async function sign(deps: EnrolmentDeps, request: IncomingMessage): Promise<Answer> {
  const node = headerOf(request, "nodename");
  const presented = (request.socket as TLSSocket).getPeerCertificate();
  // A certificate decides alone; a token beside it is not looked at. Who may ask is known before the body is read.
  const refused = presented?.raw === undefined
    ? await refuseToken(deps, headerOf(request, "authorization"))
    : refuseCertificate(request.socket as TLSSocket, presented.raw, node, deps.identity);
  if (refused !== undefined) return { status: 401, body: refused };
  const failed = (why: string): Answer => ({
    status: 500,
    body: `failed to sign certs for edgenode ${node}, err: ${why}`,
  });
  const csr = await readBody(request, limits.httpBody);
  if (csr === undefined) return failed(`the request body can only be up to ${limits.httpBody} bytes`);
  try {
    const usages = usagesIn(headerOf(request, "extkeyusages"));
    const wanted = await readRequest(csr);
    const taken = hubNameIn(wanted, usages, await namesOf(deps));
    if (taken !== undefined) {
      return failed(`fail to signCerts, err: ${taken} is a name of the hub, or a pattern that matches one`);
    }
    const { commonName, organization } = wanted.subject;
    if (node !== "" && (commonName !== nodeCommonName(node) || organization !== nodeOrganization)) {
      return failed(
        `fail to signCerts, err: the request is for ${
          organization ?? "no organization"
        }/${commonName}, not ${nodeOrganization}/${nodeCommonName(node)}`,
      );
    }
    const certificate = await signRequest(deps.authority, wanted, deps.now(), deps.certLifetime, usages);
    deps.logger.debug("signed a certificate", { node });
    return { status: 200, body: certificate };
  } catch (error) {
    if (!(error instanceof CsrError)) throw error;
    const isHeader = error.message.startsWith("unmarshal http header");
    return failed(isHeader ? error.message : `fail to signCerts, err: ${error.message}`);
  }
}

async function refuseToken(deps: EnrolmentDeps, authorization: string): Promise<string | undefined> {
  if (authorization === "") return "token validation failure, token is empty";
  const words = authorization.split(" ");
  if (words.length !== 2) return "token validation failure, token cannot be split";
  const refused = await refuseJwt(deps.authority, words[1] as string, deps.now());
  return refused === undefined ? undefined : `token validation failure, err: ${refused}`;
}

function refuseCertificate(
  socket: TLSSocket,
  der: Uint8Array,
  node: string,
  identity: EnrolmentDeps["identity"],
): string | undefined {
  const failure = (why: string) => `failed to verify the certificate for edgenode: ${node}, err: ${why}`;
  if (!socket.authorized) return failure("it was not signed by this CA, or its time is over");
  const { commonName, organization } = subjectOf(der);
  if (organization === nodeOrganization && commonName === nodeCommonName(node)) return undefined;
  const isShared = organization === legacySubject.organization && commonName === legacySubject.commonName;
  if (isShared && identity === "header") return undefined;
  return failure("request node name is not match with the certificate");
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value ?? "";
}
