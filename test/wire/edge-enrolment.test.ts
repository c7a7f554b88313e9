// What our edge asks an enrolment server for, on the wire: at its start, and when its certificate grows old.
import "reflect-metadata";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import type { TLSSocket } from "node:tls";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { afterEach, expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { acceptWebSockets } from "../../base/transport/websocket-server.ts";
import { Edge } from "../../edge-sim/edge.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { limits } from "../../protocol/limits.ts";
import { createAuthority, issueServer, pemOf, readRequest, signRequest, validityOf } from "../../protocol/pki/ca.ts";
import { createToken, parseToken } from "../../protocol/pki/token.ts";
import { until } from "../support/until.ts";
import { anyPort } from "../support/start.ts";

interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Uint8Array;
  /** Common name of the client certificate, where one was shown and is of our CA. */
  readonly shown: string | undefined;
  readonly at: number;
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** An enrolment server and a hub in one; the first `failures` renewals are answered 500. */
async function cloudOf(lifetime: number, failures = 0) {
  const authority = await createAuthority("KubeEdge", Date.now());
  const own = await issueServer(
    authority,
    { commonName: "KubeEdge", organization: "KubeEdge" },
    ["127.0.0.1"],
    Date.now(),
  );
  const asked: Asked[] = [];
  const issued: { readonly from: number; readonly to: number }[] = [];
  let left = failures;
  const server = https.createServer({
    key: own.keyPem,
    cert: own.certPem,
    ca: authority.certPem,
    requestCert: true,
    rejectUnauthorized: false,
  }, async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const socket = request.socket as TLSSocket;
    const shown = socket.authorized ? String(socket.getPeerCertificate().subject?.CN) : undefined;
    const body = Buffer.concat(chunks);
    asked.push({ path: request.url ?? "", headers: request.headers, body, shown, at: Date.now() });
    if (request.url === "/ca.crt") return void response.end(authority.certDer);
    if (shown !== undefined && left-- > 0) return void response.writeHead(500).end("busy");
    const certificate = await signRequest(authority, await readRequest(body), Date.now(), lifetime);
    issued.push(validityOf(pemOf("CERTIFICATE", certificate)));
    response.end(certificate);
  });
  acceptWebSockets(server, { maxMessage: limits.message, maxFragments: limits.fragments }, { accept: () => {} });
  const port = await listen(server, anyPort);
  stops.push(() => closeServer(server));
  const token = await createToken(authority, Date.now() + 60_000);
  const edge = new Edge({
    name: "asks",
    address: "127.0.0.1",
    hub: { host: "127.0.0.1", websocketPort: port, httpsPort: port, token },
    timings: { ...scaledTimings(edgecoreTimings, 20) },
    clock: new TimerWheel(),
    random: new Random(1),
    logger: silentLogger,
  });
  stops.unshift(() => edge.stop());
  edge.start();
  return { asked, edge, issued, token };
}

test("an edge asks for the CA, then with the token for a certificate in its name, as edgecore does", async () => {
  const { asked, edge, token } = await cloudOf(3_600_000);
  await until("it is connected", () => edge.hub.isConnected);
  expect(asked.map(({ path }) => path)).toEqual(["/ca.crt", "/edge.crt"]);
  const [, sign] = asked as [Asked, Asked];
  expect(sign.headers).toMatchObject({ nodename: "asks", authorization: `Bearer ${parseToken(token).jwt}` });
  expect(sign.shown).toBeUndefined();
  const request = new Pkcs10CertificateRequest(Buffer.from(sign.body));
  expect(request.subject).toBe("C=CN, ST=Zhejiang, L=Hangzhou, O=system:nodes, CN=system:node:asks");
  expect((request.publicKey.algorithm as { namedCurve?: string }).namedCurve).toBe("P-256");
});

test("an edge whose certificate grows old asks with it for another, without the token, and again after a failure", async () => {
  const { asked, edge, issued } = await cloudOf(4000, 2);
  await until("it has another certificate", () => edge.hub.certificates === 2, 20_000);
  const renewals = asked.filter(({ shown }) => shown !== undefined);
  expect(renewals).toHaveLength(3);
  for (const { headers, path, shown } of renewals) {
    expect([path, headers.nodename, headers.authorization, shown]).toEqual([
      "/edge.crt",
      "asks",
      undefined,
      "system:node:asks",
    ]);
  }
  const [{ from, to } = { from: 0, to: 0 }] = issued;
  expect((renewals[0] as Asked).at).toBeGreaterThanOrEqual(from + 0.7 * (to - from));
  await until("it is back with the new one", () => edge.hub.connections === 2, 10_000);
});
