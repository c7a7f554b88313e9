// The hub's door for edges (10000): WebSocket over TLS with a client certificate that says who the edge is.
import https from "node:https";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { closeServer, listen, type ListenOptions } from "../../../base/transport/listen.ts";
import type { MessageSocket } from "../../../base/transport/message-socket.ts";
import { acceptWebSockets, type Refusal } from "../../../base/transport/websocket-server.ts";
import { limits } from "../../../protocol/limits.ts";
import type { CertificateAuthority, KeyPair } from "../../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../../protocol/pki/request.ts";

/** What the server needs from outside. */
export interface HubServerWorld {
  readonly listen: ListenOptions;
  readonly authority: CertificateAuthority;
  readonly server: KeyPair;
  readonly identity: "certificate" | "header";
  /** Says no for another reason, such as the node limit. */
  readonly refuse: (node: string) => Refusal | undefined;
  readonly accept: (node: string, socket: MessageSocket) => void;
}

/** KubeEdge's own suites for TLS 1.2; TLS 1.3 brings its own. */
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
].join(":");

/** RFC 1123 subdomain, as node names are. */
const nodeName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Starts it; resolves with the port and the way to stop. */
export async function serveEdges(world: HubServerWorld): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = https.createServer({
    key: world.server.keyPem,
    cert: world.server.certPem,
    ca: world.authority.certPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    maxHeaderSize: limits.headers,
    ALPNProtocols: ["http/1.1"],
  }, (_request, response) => {
    response.writeHead(400, { "content-type": "text/plain" }).end("this port speaks WebSocket only\n");
  });
  server.on("tlsClientError", () => {});
  acceptWebSockets(server, { maxMessage: limits.message, maxFragments: limits.fragments }, {
    refuse: (request) => refusalOf(world, request),
    accept: (socket, request) => world.accept(nodeIdOf(request), socket),
  });
  const port = await listen(server, world.listen);
  return { port, stop: () => closeServer(server) };
}

function nodeIdOf(request: IncomingMessage): string {
  const value = request.headers.node_id;
  return typeof value === "string" ? value : "";
}

function refusalOf(world: HubServerWorld, request: IncomingMessage): Refusal | undefined {
  const node = nodeIdOf(request);
  if (!nodeName.test(node)) return { status: 400, reason: "the header node_id must be the name of a node" };
  if (request.headers.connectionuse !== "msg") return { status: 400, reason: "the header ConnectionUse must be msg" };
  if (world.identity === "certificate") {
    const { CN, O } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
    if (CN !== nodeCommonName(node) || O !== nodeOrganization) {
      return {
        status: 403,
        reason: `the certificate is for ${String(CN)}, not for ${nodeCommonName(node)} (node_id is ${node})`,
      };
    }
  }
  return world.refuse(node);
}
