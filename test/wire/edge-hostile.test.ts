// What a hub may send an edge that no WebSocket server would: frames that end the connection, and ones that must not.
import { createHash } from "node:crypto";
import https from "node:https";
import { createSecureContext, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { limits } from "../../protocol/limits.ts";
import { type CertificateAuthority, createAuthority, issueServer } from "../../protocol/pki/ca.ts";
import { answeredPings, badFrames, closeCode, closes, frameOf, framesIn } from "../support/frame-bytes.ts";
import { anyPort } from "../support/start.ts";
import { until } from "../support/until.ts";

/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

let authority: CertificateAuthority;
let server: https.Server;
let port: number;
let upgraded: (socket: TLSSocket) => void;

beforeAll(async () => {
  authority = await createAuthority("KubeEdge", Date.now());
  const pair = await issueServer(authority, { commonName: "hub", organization: "x" }, ["127.0.0.1"], Date.now());
  server = https.createServer({ cert: pair.certPem, key: pair.keyPem });
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
    socket.on("error", () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    upgraded(socket as TLSSocket);
  });
  port = await listen(server, anyPort);
});
afterAll(() => closeServer(server));

/** An edge's connection, and the hub's end of it, byte for byte. */
async function dialled() {
  const { promise, resolve } = Promise.withResolvers<TLSSocket>();
  upgraded = resolve;
  const edge = await dialWebSocket({
    url: `wss://127.0.0.1:${port}/`,
    secureContext: createSecureContext({ ca: authority.certPem }),
    headers: {},
    handshakeTimeout: 10_000,
    maxMessage: limits.message,
    maxFragments: limits.fragments,
    maxRefusal: limits.refusalBody,
  });
  const hub = await promise;
  onTestFinished(() => void hub.destroy());
  let got = Buffer.alloc(0);
  hub.on("data", (chunk: Buffer) => got = Buffer.concat([got, chunk]));
  const messages: string[] = [];
  let ended: string | undefined;
  edge.onMessage((text) => messages.push(text));
  edge.onClose((reason) => ended = reason);
  onTestFinished(() => edge.close());
  return { edge, hub, messages, got: () => got, ended: () => ended };
}

describe("frames of a hub", () => {
  const frame = (first: number, payload: Uint8Array | string = "") => frameOf(first, payload, false);

  test.each(badFrames(false, limits.fragments))(
    "%s ends the edge's connection, with a reason for it",
    async (_what, bytes, code) => {
      const { ended, got, hub, messages } = await dialled();
      hub.write(bytes);
      const reason = await until("the connection ends", ended);
      expect(reason).not.toBe("");
      await until("the close frame", () => closeCode(got()));
      expect(closeCode(got())).toBe(code);
      expect(messages).toEqual([]);
    },
  );

  test("pings between fragments are answered, and the message is whole (2.1, 5.6)", async () => {
    const { got, hub, messages } = await dialled();
    hub.write(Buffer.concat([frame(0x01, "he"), frame(0x89, "hi"), frame(0x00, "ll"), frame(0x80, "o")]));
    await until("the message", () => messages[0] === "hello");
    // A pong of two bytes, masked.
    await until("the pong", () => got().includes(Buffer.from([0x8a, 0x82])));
  });

  test.each(answeredPings(false))("%s is answered, however it comes", async (_what, bytes, payloads) => {
    const { ended, got, hub } = await dialled();
    const pongs = () => framesIn(got()).filter(({ opcode }) => opcode === 10).map(({ payload }) => payload);
    hub.write(bytes);
    await until("the pongs", () => pongs().length === payloads.length);
    // Byte by byte (2.6, 2.11).
    for (const byte of bytes) hub.write(Buffer.from([byte]));
    await until("the pongs again", () => pongs().length === 2 * payloads.length);
    expect(pongs()).toEqual([...payloads, ...payloads]);
    expect(ended()).toBeUndefined();
  });

  test.each(closes(false, "a message"))(
    "%s is answered with its code, and the connection ends",
    async (_what, bytes, code) => {
      const { ended, got, hub, messages } = await dialled();
      hub.write(bytes);
      await until("the connection ends", ended);
      await until("the close frame", () => closeCode(got()));
      expect(closeCode(got())).toBe(code);
      expect([messages, framesIn(got()).map(({ opcode }) => opcode)]).toEqual([[], [8]]);
    },
  );

  test("what had come already when the edge ended the connection is not taken any more", async () => {
    const { edge, ended, hub, messages } = await dialled();
    edge.onMessage((text) => {
      messages.push(text);
      edge.close();
    });
    // All in one piece: the last has been read when the first ends it.
    hub.write(Buffer.concat(["first", "second", "third"].map((text) => frame(0x81, text))));
    await until("the connection ends", () => ended() !== undefined && hub.destroyed);
    expect(messages).toEqual(["first"]);
  });

  test("a message that comes byte by byte is whole (5.3)", async () => {
    const { hub, messages } = await dialled();
    for (const byte of frame(0x81, "slow")) hub.write(Buffer.from([byte]));
    await until("the message", () => messages[0] === "slow");
  });
});
