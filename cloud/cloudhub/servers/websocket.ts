// The hub's WebSocket server for edges (port 10000): TLS with a client certificate that names the node.
import https from "node:https";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { boundHandshakes } from "../../../base/transport/handshakes.ts";
import { closeServer, listen, type ListenOptions } from "../../../base/transport/listen.ts";
import { acceptWebSockets, type Refusal } from "../../../base/transport/websocket-server.ts";
import { limits } from "../../../protocol/limits.ts";
import { isSignedBy } from "../../../protocol/pki/legacy.ts";
import { nodeCommonName } from "../../../protocol/pki/request.ts";
import { type AdmissionDeps, refusalOf } from "./admission.ts";
import { edgeSuites } from "./suites.ts";

/** Injected dependencies. */
export interface HubServerDeps extends AdmissionDeps {
  readonly listen: ListenOptions;
}

/** One that serves. */
export interface EdgeServer {
  readonly port: number;
  /** Connections that came to be WebSockets, and whose sockets are open. */
  readonly open: number;
  stop(): Promise<void>;
}

/** Starts it. */
export async function serveEdges(deps: HubServerDeps): Promise<EdgeServer> {
  let open = 0;
  const server = https.createServer({
    key: deps.server.keyPem,
    cert: deps.server.certPem,
    ca: deps.authority.certPem,
    requestCert: true,
    // Node itself would do no more than close the connection after the handshake, as is done below; but then it would not be known
    // whose it was. With v1.1's CA the upgrade decides: OpenSSL takes a certificate that is named like its CA for one that has signed
    // itself.
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    ciphers: edgeSuites,
    maxHeaderSize: limits.headers,
    ALPNProtocols: ["http/1.1"],
  }, (_request, response) => {
    response.writeHead(400, { "content-type": "text/plain" }).end("this port speaks WebSocket only\n");
  });
  server.maxHeadersCount = limits.headerCount;
  const handshakes = boundHandshakes(server, { pending: limits.handshakes, timeout: limits.handshakeTimeout });
  server.on("tlsClientError", () => {});
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    if (socket.authorized || deps.legacyCa !== undefined) return;
    const { node, reason } = untrusted(socket);
    socket.destroy();
    deps.refused(node, reason);
  });
  acceptWebSockets(server, { maxMessage: limits.message, maxFragments: limits.fragments }, {
    refuse: (request) => {
      handshakes.requested(request.socket);
      const refusal = refuse(deps, request);
      if (refusal !== undefined) deps.refused(nodeIdOf(request), refusal.reason);
      return refusal;
    },
    accept(socket, request) {
      open++;
      request.socket.once("close", () => open--);
      deps.accept(nodeIdOf(request), socket);
    },
  });
  const port = await listen(server, deps.listen);
  return {
    port,
    get open() {
      return open;
    },
    stop: () => closeServer(server),
  };
}

function nodeIdOf(request: IncomingMessage): string {
  const value = request.headers.node_id;
  return typeof value === "string" ? value : "";
}

/** Whose certificate is not to be trusted, and why. `node` is empty where it names none. */
function untrusted(socket: TLSSocket): { readonly node: string; readonly reason: string } {
  const { subject, valid_to: until } = socket.getPeerCertificate() ?? {};
  const name = [subject?.CN].flat()[0] ?? "";
  const prefix = nodeCommonName("");
  const node = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  if (until === undefined) return { node, reason: "it shows no certificate" };
  if (Date.parse(until) < Date.now()) return { node, reason: `its certificate has expired on ${until}` };
  return { node, reason: `its certificate is not to be trusted: ${String(socket.authorizationError)}` };
}

function refuse(deps: HubServerDeps, request: IncomingMessage): Refusal | undefined {
  const socket = request.socket as TLSSocket;
  const { raw, subject } = socket.getPeerCertificate();
  const { legacyCa } = deps;
  if (!socket.authorized && (legacyCa === undefined || !isSignedBy(legacyCa, raw, Date.now()))) {
    return { status: 403, reason: `the certificate is not to be trusted: ${String(socket.authorizationError)}` };
  }
  const { CN, O } = subject ?? {};
  // Of several the first counts, as everywhere.
  const [commonName, organization] = [CN, O].map((field) => [field].flat()[0]) as [string, string];
  const certificate = { der: raw, subject: { commonName, organization } };
  const refusal = refusalOf(deps, nodeIdOf(request), certificate);
  if (refusal !== undefined) return refusal;
  if (request.headers.connectionuse === "msg") return undefined;
  return { status: 400, reason: "the header ConnectionUse must be msg" };
}
