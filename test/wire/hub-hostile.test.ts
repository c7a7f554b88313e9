// What attackers send to the hub's port: TLS that must not be, connections that say nothing, frames that no WebSocket client would send.
import { randomBytes } from "node:crypto";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { boundHandshakes } from "../../base/transport/handshakes.ts";
import { limits } from "../../protocol/limits.ts";
import { createAuthority, issueClient } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { answeredPings, badFrames, closeCode, closes, frameOf, framesIn } from "../support/frame-bytes.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

const isDeno = "Deno" in globalThis;
let cloud: Cloud;
const open = new Set<Socket>();
beforeAll(async () => void (cloud = await startCloud({ config: { keepaliveInterval: 600_000, authorization: "on" } })));
afterEach(() => {
  for (const socket of open) socket.destroy();
  open.clear();
});
afterAll(() => cloud.stop());

const subjectOf = (node: string) => ({ commonName: nodeCommonName(node), organization: nodeOrganization });
let number = 0;
const newName = () => `hostile-${number++}`;

/** TLS to the hub with a certificate for the node; resolves with what became of it. */
async function tlsTo(node: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { authority } = cloud.core.hub.certificates;
  const pair = await issueClient(authority, subjectOf(node), Date.now());
  const socket = connect({
    host: "127.0.0.1",
    port: cloud.core.hub.ports.websocket,
    ca: authority.certPem,
    cert: pair.certPem,
    key: pair.keyPem,
    ...options,
  });
  open.add(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
  return socket;
}

/** The answer to an upgrade, as far as it comes; empty where the connection ends before. */
async function upgrade(socket: TLSSocket, node: string, more = ""): Promise<string> {
  let answer = "";
  socket.on("error", () => {});
  const read = (chunk: Buffer) => void (answer += chunk.toString("latin1"));
  socket.on("data", read);
  socket.write(
    `GET /p/${node}/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${
        randomBytes(16).toString("base64")
      }\r\nnode_id: ${node}\r\nConnectionUse: msg\r\n${more}\r\n`,
  );
  await until("an answer, or the end", () => answer.includes("\r\n\r\n") || socket.destroyed || socket.readableEnded);
  socket.off("data", read);
  return answer;
}

/** An edge whose frames we write ourselves. */
async function framed() {
  const node = newName();
  const socket = await tlsTo(node);
  expect(await upgrade(socket, node)).toMatch(/^HTTP\/1\.1 101 /);
  let got = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => got = Buffer.concat([got, chunk]));
  return { socket, got: () => got, ended: () => socket.destroyed || socket.readableEnded };
}

async function servesOthers(): Promise<void> {
  const other = await rawEdge(cloud, newName());
  other.send({ operation: "ping" });
  await other.expect("an answer", (m) => m.content === "ack");
  other.close();
}

describe.each(["on", "log", "off"] as const)("TLS, with authorisation %s", (authorization) => {
  // What edges may ask is another matter than who they are.
  let before: Cloud;
  beforeAll(async () => {
    before = cloud;
    cloud = await startCloud({ config: { keepaliveInterval: 600_000, authorization } });
  });
  afterAll(async () => {
    await cloud.stop();
    cloud = before;
  });
  const year = 365 * 86_400_000;
  test.each<[string, () => Promise<ConnectionOptions>]>([
    ["an expired certificate", async () => {
      const { authority } = cloud.core.hub.certificates;
      const { certPem, keyPem } = await issueClient(authority, subjectOf("tls"), Date.now() - 2 * year, 365);
      return { cert: certPem, key: keyPem };
    }],
    ["a certificate of another CA", async () => {
      const stranger = await createAuthority("KubeEdge", Date.now());
      const { certPem, keyPem } = await issueClient(stranger, subjectOf("tls"), Date.now());
      return { cert: certPem, key: keyPem };
    }],
    ["no certificate", () => Promise.resolve({ cert: undefined, key: undefined } as unknown as ConnectionOptions)],
  ])("%s: the connection ends, whatever it asks", async (_what, options) => {
    const outcome = tlsTo("tls", await options()).then((socket) => upgrade(socket, "tls"), () => "");
    expect(await outcome).not.toMatch(/^HTTP\/1\.1 101/);
  });

  test.each<[string, { readonly commonName: string; readonly organization: string }]>([
    ["another node's name", subjectOf("somebody-else")],
    ["no organization", { commonName: nodeCommonName("tls"), organization: "" }],
    ["KubeEdge's old shared name", { commonName: "kubeedge.io", organization: "KubeEdge" }],
  ])("a certificate with %s is refused with 403", async (_what, subject) => {
    const { certPem, keyPem } = await issueClient(cloud.core.hub.certificates.authority, subject, Date.now());
    const socket = await tlsTo("tls", { cert: certPem, key: keyPem });
    expect(await upgrade(socket, "tls")).toMatch(/^HTTP\/1\.1 403 /);
  });

  const ports = ["websocket", "https"] as const;
  const old = { ciphers: "ALL:@SECLEVEL=0" };
  test.each<[string, ConnectionOptions]>([
    ["TLS 1.1", { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ...old }],
    ["TLS 1.0", { minVersion: "TLSv1", maxVersion: "TLSv1", ...old }],
  ])("%s gets no connection, at either port", async (_what, options) => {
    for (const port of ports) {
      await expect(tlsTo("tls", { port: cloud.core.hub.ports[port], ...options })).rejects.toThrow();
    }
  });

  // Deno's TLS has neither weak suites nor a renegotiation to ask for.
  if (isDeno) return;

  test.each<[string, ConnectionOptions]>([
    ["a CBC suite", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" }],
    ["a CBC suite of SHA-2", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES256-SHA384" }],
    ["a suite without a server's certificate", { maxVersion: "TLSv1.2", ciphers: "AECDH-AES128-SHA:@SECLEVEL=0" }],
  ])("%s gets no connection, at either port", async (_what, options) => {
    for (const port of ports) {
      await expect(tlsTo("tls", { port: cloud.core.hub.ports[port], ...options })).rejects.toThrow();
    }
    const strong = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" } as const;
    for (const port of ports) (await tlsTo("tls", { port: cloud.core.hub.ports[port], ...strong })).destroy();
  });

  test("a client that renegotiates again and again is cut off", async () => {
    const socket = await tlsTo(newName(), { maxVersion: "TLSv1.2" });
    socket.on("error", () => {});
    const again = () =>
      new Promise<boolean>((resolve) => {
        socket.once("close", () => resolve(false));
        if (socket.destroyed || !socket.renegotiate({}, (error) => resolve(error === null))) resolve(false);
      });
    let count = 0;
    while (count < 20 && await again()) count++;
    expect(count).toBeLessThan(20);
    await servesOthers();
  });
});

describe("connections", () => {
  test("a thousand that say nothing keep nobody out", async () => {
    const port = cloud.core.hub.ports.websocket;
    for (let i = 0; i < 1000; i++) {
      const socket = connectTcp(port, "127.0.0.1");
      socket.on("error", () => {});
      open.add(socket);
    }
    await servesOthers();
  });

  test("that say nothing are ended in time, and where too many wait the oldest gives way", async () => {
    const server = createServer(() => {});
    const bound = boundHandshakes(server, { pending: 3, timeout: 60_000 });
    const quick = createServer(() => {});
    boundHandshakes(quick, { pending: 3, timeout: 50 });
    const listening = await Promise.all(
      [server, quick].map((each) =>
        new Promise<number>((resolve) =>
          each.listen(0, "127.0.0.1", () => resolve((each.address() as { readonly port: number }).port))
        )
      ),
    );
    onTestFinished(() => [server, quick].forEach((each) => each.close()));
    const dial = (port: number) => {
      const socket = connectTcp(port, "127.0.0.1");
      socket.on("error", () => {});
      open.add(socket);
      return socket;
    };
    const late = dial(listening[1] as number);
    await until("the silent one has been ended", () => late.destroyed || late.readableEnded || late.closed);
    const first = [dial(listening[0] as number), dial(listening[0] as number), dial(listening[0] as number)];
    await until("three wait", () => bound.pending() === 3);
    // All of them are young: the fourth is refused.
    const fourth = dial(listening[0] as number);
    await until("the fourth is ended", () => fourth.readableEnded || fourth.closed || fourth.destroyed);
    expect(first.some((socket) => socket.destroyed)).toBe(false);
    await until("they are not young any more", async () => {
      const next = dial(listening[0] as number);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return !next.destroyed && !next.readableEnded && (first[0]?.readableEnded || first[0]?.closed);
    }, 10_000);
    expect(bound.pending()).toBe(3);
  });

  test("a request with headers beyond the limit is refused", async () => {
    const node = newName();
    const socket = await tlsTo(node);
    expect(await upgrade(socket, node, `X-Long: ${"x".repeat(limits.headers + 1)}\r\n`)).not.toMatch(/^HTTP\/1\.1 101/);
    await servesOthers();
  });

  test("a request whose node is named after a hundred other headers is refused", async () => {
    const node = newName();
    const many = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}: y\r\n`).join("");
    const ask = async (before: number) => {
      const socket = await tlsTo(node);
      const key = randomBytes(16).toString("base64");
      let answer = "";
      socket.on("data", (chunk) => void (answer += String(chunk)));
      socket.write(
        `GET /p/${node}/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${key}\r\n${many(before)}node_id: ${node}\r\nConnectionUse: msg\r\n\r\n`,
      );
      await until("an answer", () => answer.includes("\r\n\r\n"));
      return answer;
    };
    expect(await ask(50)).toMatch(/^HTTP\/1\.1 101 /);
    expect(await ask(limits.headerCount)).toMatch(/^HTTP\/1\.1 4(00|31) /);
    await servesOthers();
  });

  test("one that begins a request and never ends it does not hold up the others", async () => {
    const socket = await tlsTo(newName());
    socket.write("GET /p/x/events HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    await servesOthers();
  });

  test("compression is not agreed to, so that there is no bomb to unpack", async () => {
    const node = newName();
    const socket = await tlsTo(node);
    const answer = await upgrade(socket, node, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer.toLowerCase()).not.toContain("sec-websocket-extensions");
  });
});

// Numbers in brackets are those of Autobahn's cases (https://github.com/crossbario/autobahn-testsuite), whose behaviour this is.
describe("frames", () => {
  const frame = (first: number, payload: Buffer | string = "") => frameOf(first, payload, true);
  const text = (payload: string) => frame(0x81, payload);
  const ping = JSON.stringify({ header: { msg_id: "k" }, route: { operation: "ping" } });
  const keepalive = text(ping);

  test.each(badFrames(true, limits.fragments))(
    "%s ends the connection, and nobody else's",
    async (_what, bytes, code) => {
      const edge = await framed();
      edge.socket.write(bytes);
      await until("the connection ends", edge.ended);
      expect(closeCode(edge.got())).toBe(code);
      await servesOthers();
    },
  );

  test("control frames between fragments are answered, and the message is whole (2.1, 5.6)", async () => {
    const edge = await framed();
    const message = JSON.stringify({
      header: { msg_id: "q" },
      route: { operation: "ping", source: "edged", group: "meta" },
    });
    edge.socket.write(
      Buffer.concat([frame(0x01, message.slice(0, 10)), frame(0x89, "hi"), frame(0x80, message.slice(10))]),
    );
    await until(
      "the pong and the answer",
      () => edge.got().includes(Buffer.from([0x8a, 2, 104, 105])) && edge.got().includes("ack"),
    );
  });

  test("an empty message, a binary one and one of invalid UTF-8 are no reason to end it (1.1.1, 1.2.1; 6.3.1 as with KubeEdge)", async () => {
    const edge = await framed();
    const invalid = Buffer.concat([Buffer.from('{"content":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    edge.socket.write(Buffer.concat([frame(0x82, '{"content":1}'), frame(0x81, invalid), keepalive]));
    await until("an answer", () => edge.got().includes("ack"));
    expect(edge.ended()).toBe(false);
  });

  test.each(answeredPings(true))("%s is answered, however it comes", async (_what, bytes, payloads) => {
    const edge = await framed();
    const pongs = () => framesIn(edge.got()).filter(({ opcode }) => opcode === 10).map(({ payload }) => payload);
    edge.socket.write(bytes);
    await until("the pongs", () => pongs().length === payloads.length);
    // Byte by byte (2.6, 2.11).
    for (const byte of bytes) edge.socket.write(Buffer.from([byte]));
    await until("the pongs again", () => pongs().length === 2 * payloads.length);
    expect(pongs()).toEqual([...payloads, ...payloads]);
    expect(edge.ended()).toBe(false);
    edge.socket.destroy();
  });

  test.each(closes(true, ping))("%s is answered with its code, and the connection ends", async (_what, bytes, code) => {
    const edge = await framed();
    edge.socket.write(bytes);
    await until("the connection ends", edge.ended);
    expect(closeCode(edge.got())).toBe(code);
    // Neither a pong nor the answer to a message.
    expect(framesIn(edge.got()).map(({ opcode }) => opcode)).toEqual([8]);
  });

  test.each([
    ["__proto__", '{"header":{"msg_id":"p"},"route":{"__proto__":{"operation":"ping"}},"__proto__":{"polluted":1}}'],
    [
      "constructor",
      '{"header":{"msg_id":"p"},"route":{"operation":"constructor"},"content":{"constructor":{"prototype":{"polluted":1}}}}',
    ],
  ])("%s as a key changes nothing for anybody", async (_what, payload) => {
    const edge = await framed();
    edge.socket.write(Buffer.concat([text(payload), keepalive]));
    await until("an answer", () => edge.got().includes("ack"));
    expect(({} as { readonly polluted?: number }).polluted).toBeUndefined();
  });
});
