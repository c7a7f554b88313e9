// Corrupted requests at every socket that somebody else may reach: each connection is answered or ended, and a client that asks rightly afterwards is served.
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HopRing } from "../../base/hop/ring.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { ManualClock } from "../../base/time/manual-clock.ts";
import { Random } from "../../base/random/random.ts";
import { serveDmi } from "../../edge-sim/dmi/grpc.ts";
import { internalBroker } from "../../edge-sim/eventbus/broker.ts";
import { eraOf } from "../../edge-sim/era/era.ts";
import type { EdgeHub } from "../../edge-sim/edgehub/edgehub.ts";
import { EdgeStore } from "../../edge-sim/metamanager/store.ts";
import { ServiceBus } from "../../edge-sim/servicebus/servicebus.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { createNodeRequest, nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { Proxy } from "../../proxy/proxy.ts";
import { trustOfAuthority } from "../../proxy/trust.ts";
import { consoleFile } from "../../scenarios/console/console.ts";
import { EdgeActions } from "../../scenarios/tap/actions.ts";
import { LocalSource } from "../../scenarios/tap/local.ts";
import { serveTap } from "../../scenarios/tap/serve.ts";
import { fuzz, fuzzing } from "../support/fuzz.ts";
import { messageBytes } from "../support/frame-bytes.ts";
import { hiddenRuns } from "../support/hidden-runs.ts";
import { corrupted } from "../support/corrupted.ts";
import { anyPort, type Cloud, startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

/** Milliseconds that a connection is left open for what comes next: a server rightly waits for the rest of a request. */
const PATIENCE_MS = 30;
/** What is asked rightly may have to be asked of another server, on a busy machine. */
const RIGHT_MS = 2000;
/** Connections at once. */
const AT_ONCE = 10;

const cleanup = new AsyncDisposableStack();
let cloud: Cloud;
let csi = "";
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "skep-fuzz-"));
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  csi = join(folder, "csi.sock");
  cloud = await startCloud({ unixsocket: csi, config: { keepaliveInterval: 600_000 } });
  cleanup.defer(() => cloud.stop());
});
afterAll(() => cleanup.disposeAsync());

const http = (head: string, body = "") => `${head}\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Opens it, writes, and takes whatever comes until it is `enough`, the other side ends it or the patience does. */
async function writeTo(
  dial: () => Duplex,
  parts: readonly Uint8Array[],
  ms = PATIENCE_MS,
  enough?: RegExp,
): Promise<string> {
  const socket = dial();
  let answer = "";
  const ended = new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      if (answer.length < 10_000) answer += chunk.toString("latin1");
      if (enough?.test(answer)) resolve();
    });
    socket.on("error", () => {});
    socket.on("close", resolve);
  });
  for (const part of parts) socket.write(part);
  const patience = Promise.withResolvers<void>();
  const late = setTimeout(patience.resolve, ms);
  await Promise.race([ended, patience.promise]);
  clearTimeout(late);
  socket.destroy();
  return answer;
}

interface Entry {
  readonly name: string;
  /** What may be asked rightly: it is corrupted before it is sent. */
  readonly requests: () => readonly string[];
  /** Opens the socket. */
  readonly open: () => Promise<() => Duplex>;
  /** A right request, and what its answer looks like. */
  readonly right: () => string | Uint8Array;
  readonly answer: RegExp;
}

const tls = (port: number, more: object = {}) => () =>
  connectTls({
    host: "127.0.0.1",
    port,
    ca: cloud.core.hub.certificates.authority.certPem,
    checkServerIdentity: () => undefined,
    ...more,
  });

const upgrade = (node: string) =>
  `GET /p/${node}/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\nnode_id: ${node}\r\nConnectionUse: msg\r\n\r\n`;
const keepalive = messageBytes(
  Buffer.from(
    '{"header":{"msg_id":"a","timestamp":1},"route":{"group":"resource","operation":"keepalive"},"content":"ping"}',
  ),
  true,
).toString("latin1");
const volume = JSON.stringify({
  header: { msg_id: "a", timestamp: 1 },
  route: { source: "cloudhub", group: "resource", operation: "createvolume", resource: "node/none/default/volume/v" },
  content: "{}",
});
const mqttConnect = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";

/** A client's first bytes in HTTP/2 (RFC 9113, 3.4): the preface and empty SETTINGS. */
const http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/** HEADERS with `:method: POST` of the static table, end of headers, on stream 1; and its DATA: an empty gRPC message. */
const headersFrame = "\0\0\x01\x01\x04\0\0\0\x01\x83\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0";

/** The request as the console sends it. */
let control = (request: string) => request;

/** An edge's request for its certificate, DER. */
let certificateRequest = "";

const entries: readonly Entry[] = [
  {
    name: "api",
    requests: () =>
      [
        http("GET /api/v1/namespaces/default/pods?labelSelector=a%3Db&limit=5&watch=true&fieldSelector=x HTTP/1.1"),
        http("POST /api/v1/namespaces/default/configmaps HTTP/1.1", '{"kind":"ConfigMap","metadata":{"name":"x"}}'),
        http("PATCH /api/v1/nodes/x HTTP/1.1\r\nContent-Type: application/json-patch+json", '[{"op":"add"}]'),
        "GET /api/v1/namespaces/default/pods/x/exec?command=a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      ].map((request) => request.replace("Host: x", `Host: x\r\nAuthorization: Bearer ${cloud.api.access.token}`)),
    open: () => Promise.resolve(tls(Number(new URL(cloud.api.access.url).port), { ca: cloud.api.access.ca })),
    right: () => http(`GET /api/v1/nodes HTTP/1.1\r\nAuthorization: Bearer ${cloud.api.access.token}`),
    answer: /^HTTP\/1\.1 200 OK[\s\S]*NodeList/,
  },
  {
    name: "enrolment",
    requests: () => [
      http("GET /ca.crt HTTP/1.1"),
      http(
        `GET /edge.crt HTTP/1.1\r\nAuthorization: Bearer ${cloud.core.hub.token}\r\nNodeName: fuzz-2`,
        certificateRequest,
      ),
      http("GET /node/fuzz-2 HTTP/1.1"),
      http("POST /nodeupgrade HTTP/1.1", '{"upgradeID":"u","nodeName":"fuzz-2","status":"upgrade_success"}'),
      http("POST /task/upgrade/name/t/node/fuzz-2/status HTTP/1.1", '{"event":"x","action":"Success","reason":""}'),
    ],
    async open() {
      const { csr } = await createNodeRequest("fuzz-2");
      certificateRequest = Buffer.from(csr).toString("latin1");
      return tls(cloud.core.hub.ports.https);
    },
    right: () => http("GET /ca.crt HTTP/1.1"),
    answer: /^HTTP\/1\.1 200 OK/,
  },
  {
    name: "hub",
    requests: () => [
      upgrade("fuzz-0"),
      `${upgrade("fuzz-0")}${keepalive}`,
      `${upgrade("fuzz-0")}${keepalive}\x89\x80\0\0\0\0\x88\x80\0\0\0\0`,
    ],
    async open() {
      const { authority } = cloud.core.hub.certificates;
      const subject = { commonName: nodeCommonName("fuzz-0"), organization: nodeOrganization };
      const { certPem, keyPem } = await issueClient(authority, subject, Date.now());
      return tls(cloud.core.hub.ports.websocket, { cert: certPem, key: keyPem });
    },
    right: () => upgrade("fuzz-0"),
    answer: /^HTTP\/1\.1 101 Switching Protocols/,
  },
  {
    name: "proxy",
    requests: () => [
      upgrade("fuzz-1"),
      `${upgrade("fuzz-1")}${keepalive}`,
      `${upgrade("fuzz-1")}${keepalive}\x89\x80\0\0\0\0\x88\x80\0\0\0\0`,
    ],
    async open() {
      const { certificates: { authority }, ports } = cloud.core.hub;
      const proxy = await Proxy.start({
        hub: anyPort,
        enrolment: anyPort,
        to: { host: "127.0.0.1", hubPort: ports.websocket, enrolPort: ports.https },
        trust: await trustOfAuthority(authority, ["127.0.0.1"], Date.now),
        clock: cloud.clock,
        random: new Random(1),
        logger: silentLogger,
        tap: new HopRing(100_000),
      });
      cleanup.use(proxy);
      const subject = { commonName: nodeCommonName("fuzz-1"), organization: nodeOrganization };
      const { certPem, keyPem } = await issueClient(authority, subject, Date.now());
      return tls(proxy.ports.hub, { cert: certPem, key: keyPem });
    },
    right: () => upgrade("fuzz-1"),
    answer: /^HTTP\/1\.1 101 Switching Protocols/,
  },
  {
    name: "dmi",
    requests: () => [http2, `${http2}${headersFrame}`],
    async open() {
      const path = `${csi}.dmi`;
      const close = await serveDmi("DeviceManagerService", path, {});
      cleanup.defer(close);
      return () => connectTcp(path);
    },
    right: () => http2,
    // Its own SETTINGS, whose length and type are one byte each here, and whose flags and stream are none.
    answer: /^\0\0[^][^]\0\0\0\0\0/,
  },
  {
    name: "csi",
    requests: () => [volume],
    open: () => Promise.resolve(() => connectTcp(csi)),
    right: () => volume,
    answer: /"msg_id"/,
  },
  {
    name: "control",
    requests: () =>
      [
        http("GET /api/hops?where=hop%3D%3D%22a%22&since=0&follow=no&rate=5 HTTP/1.1"),
        http("GET /api/why?object=pod/x&edge=gw-0 HTTP/1.1"),
        http("POST /api/actions HTTP/1.1", '{"fault":{"edge":"acted-0","cut":"both","for":"1s"}}'),
        http("POST /api/actions HTTP/1.1", '{"edge":{"restart":"acted-0","store":"forget"}}'),
        http(
          "POST /api/actions HTTP/1.1",
          '{"fault":{"cohort":"acted","drop":0.5,"where":"size > 10","flap":{"bad":"1s","good":"1s"}}}',
        ),
        http("GET /?token=x HTTP/1.1\r\nCookie: skep-1=x"),
      ].map(control),
    async open() {
      const fleet = await cloud.fleet(1, "acted");
      const ended = new AbortController();
      cleanup.defer(() => ended.abort());
      const tap = await serveTap({
        what: "fuzz",
        listen: { host: "127.0.0.1", port: 0, exact: false },
        ring: new HopRing(100_000),
        source: new LocalSource({}),
        logger: silentLogger,
        runFolder: hiddenRuns,
        file: consoleFile,
        actions: new EdgeActions(fleet, cloud.clock, ended.signal),
      });
      cleanup.use(tap);
      const token = new URL(tap.address).searchParams.get("token") ?? "";
      control = (request) =>
        request.replace("Host: x", `Host: 127.0.0.1:${tap.port}\r\nAuthorization: Bearer ${token}`);
      return () => connectTcp(tap.port, "127.0.0.1");
    },
    right: () => control(http("GET /api/about HTTP/1.1")),
    answer: /^HTTP\/1\.1 200 OK/,
  },
  {
    name: "servicebus",
    requests: () => [
      http("POST / HTTP/1.1", '{"method":"POST","targetURL":"/x","payload":{"a":1}}'),
      http("GET /other HTTP/1.1"),
    ],
    async open() {
      const hub = { send: () => true } as unknown as EdgeHub;
      const bus = new ServiceBus({
        listen: { host: "127.0.0.1", port: 0 },
        hub,
        store: new EdgeStore(),
        clock: new ManualClock(),
        logger: silentLogger,
        era: eraOf("v1.23"),
      });
      bus.start();
      cleanup.defer(() => bus.stop());
      const header = { msg_id: "a", timestamp: 1 };
      bus.receive({
        header,
        route: { source: "router", group: "user", operation: "start", resource: "/x" },
        content: "",
      });
      const port = await until("its server is open", () => bus.port);
      return () => connectTcp(port, "127.0.0.1");
    },
    right: () => http("POST / HTTP/1.1", '{"method":"POST","targetURL":"/not-allowed","payload":""}'),
    answer: /^HTTP\/1\.1 \d\d\d /,
  },
  {
    name: "mqtt",
    requests: () => [`${mqttConnect}\x30\x0a\x00\x05a/b/chey`, `${mqttConnect}\x82\x0a\x00\x01\x00\x05a/b/c\x00`],
    async open() {
      const broker = await internalBroker({ host: "127.0.0.1", port: 0 }, () => {});
      cleanup.defer(() => broker.close());
      return () => connectTcp(Number(new URL(broker.url).port), "127.0.0.1");
    },
    right: () => Buffer.from(mqttConnect, "latin1"),
    // CONNACK, two bytes: accepted.
    answer: /^ [^]\0\0$/,
  },
];

test.each(entries)(
  "$name: whatever is sent, a client that asks rightly afterwards is served",
  async ({ answer, name, open, requests, right }) => {
    const dial = await open();
    const whole = fc.constantFrom(...requests()).map((text) => Buffer.from(text, "latin1"));
    const bytes = fc.oneof({ weight: 8, arbitrary: corrupted(corrupted(whole)) }, fc.uint8Array({ maxLength: 200 }));
    const sent = fc.array(fc.tuple(bytes, fc.nat(100)), { minLength: 1, maxLength: AT_ONCE });
    await fuzz(
      `socket-${name}`,
      fc.asyncProperty(sent, async (all) => {
        await Promise.all(all.map(([each, at]) => writeTo(dial, [each.subarray(0, at), each.subarray(at)])));
      }),
      "interruptAfterTimeLimit" in fuzzing ? fuzzing : { numRuns: 20 },
    );
    const asked = right();
    const bytesOfIt = [Buffer.from(asked as string, "latin1")];
    await until("it is served", async () => answer.test(await writeTo(dial, bytesOfIt, RIGHT_MS, answer)));
    expect(cloud.core.hub.ports.https).toBeGreaterThan(0);
  },
);
