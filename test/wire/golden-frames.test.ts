// The frames that KubeEdge's own encoder wrote, byte for byte, both ways, through a real socket.
import { readFileSync } from "node:fs";
import http from "node:http";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeServer, listen } from "../../base/transport/listen.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { acceptWebSockets } from "../../base/transport/websocket-server.ts";
import { limits } from "../../protocol/limits.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import type { Message } from "../../protocol/message/message.ts";
import { until } from "../support/until.ts";
import { anyPort } from "../support/start.ts";

interface Frame {
  readonly name: string;
  readonly transport: string;
  readonly message: Message;
  readonly framehex: string;
  readonly payloadUtf8?: string;
}

const all = JSON.parse(readFileSync(new URL("viaduct-frames.json", import.meta.url), "utf8")) as Frame[];
const frames = all.filter(({ transport }) => transport === "websocket");
const fromServer = frames.filter(({ name }) => !name.endsWith("client-masked"));

const server = http.createServer();
const accepted: MessageSocket[] = [];
let port = 0;

beforeAll(async () => {
  acceptWebSockets(server, { maxMessage: limits.message, maxFragments: limits.fragments }, {
    accept: (socket) => void accepted.push(socket),
  });
  port = await listen(server, anyPort);
});
afterAll(() => closeServer(server));

/** A TCP connection that has done the upgrade by hand, so that every byte after it can be seen and written. */
async function rawClient() {
  const socket: Socket = connect(port, "127.0.0.1");
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk) => bytes = Buffer.concat([bytes, chunk as Uint8Array]));
  socket.write(
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await until("the upgrade is answered", () => bytes.includes("\r\n\r\n"));
  const head = bytes.subarray(0, bytes.indexOf("\r\n\r\n")).toString();
  bytes = bytes.subarray(bytes.indexOf("\r\n\r\n") + 4);
  const ours = await until("the server has the connection", () => accepted.shift());
  return { socket, ours, head, bytes: () => bytes };
}

/** A client's frame: masked with a key of zeros, which leaves the payload as it is. */
function masked(payload: Buffer, opcode: number, fin: boolean): Buffer {
  const head = payload.length < 126
    ? Buffer.from([(fin ? 0x80 : 0) | opcode, 0x80 | payload.length])
    : Buffer.from([(fin ? 0x80 : 0) | opcode, 0x80 | 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

describe("a message", () => {
  test.each(fromServer)("$name leaves the server in exactly these bytes", async ({ message, framehex }) => {
    const { socket, ours, bytes } = await rawClient();
    ours.send(encodeMessage(message));
    const wanted = Buffer.from(framehex, "hex");
    await until("all bytes are there", () => bytes().length >= wanted.length);
    expect(bytes().toString("hex")).toBe(framehex);
    socket.destroy();
  });

  test.each(frames.filter(({ payloadUtf8 }) => payloadUtf8 !== undefined))(
    "$name is read as what it was",
    ({ message, payloadUtf8 }) => {
      expect(decodeMessage(payloadUtf8 as string)).toEqual(message);
      expect(encodeMessage(message)).toBe(payloadUtf8);
    },
  );

  test("the frame captured from a client is read", async () => {
    const frame = frames.find(({ name }) => name.endsWith("client-masked")) as Frame;
    const { socket, ours } = await rawClient();
    const read: string[] = [];
    ours.onMessage((text) => read.push(text));
    socket.write(Buffer.from(frame.framehex, "hex"));
    await until("the message is read", () => read[0]);
    expect(decodeMessage(read[0] as string)).toEqual(frame.message);
    socket.destroy();
  });
});

describe("fragments", () => {
  const text = encodeMessage({
    header: { msg_id: "x", timestamp: 1 },
    route: { operation: "update", resource: "a/b/c" },
    content: "y".repeat(50),
  });

  test.each([
    ["three, the last one empty", [text.slice(0, 10), text.slice(10), ""]],
    ["one for each character", [...text]],
    ["a binary message", [text]],
  ])("%s are put together", async (name, pieces) => {
    const { socket, ours } = await rawClient();
    const read: string[] = [];
    ours.onMessage((t) => read.push(t));
    const opcode = name === "a binary message" ? 2 : 1;
    pieces.forEach((piece, i) =>
      socket.write(masked(Buffer.from(piece), i === 0 ? opcode : 0, i === pieces.length - 1))
    );
    await until("the message is read", () => read[0]);
    expect(read[0]).toBe(text);
    socket.destroy();
  });

  test("a server's message above 8 KiB is one frame and an empty continuation, as Go sends it", async () => {
    const { socket, ours, bytes } = await rawClient();
    const long = "z".repeat(9000);
    ours.send(long);
    await until("all bytes are there", () => bytes().length >= 9000 + 4 + 2);
    expect(bytes().subarray(0, 4).toString("hex")).toBe("017e2328");
    expect(bytes().subarray(-2).toString("hex")).toBe("8000");
    socket.destroy();
  });

  test("more of them than the limit end the connection", async () => {
    const { socket, ours } = await rawClient();
    let ended = "";
    ours.onClose((reason) => ended = reason);
    const one = masked(Buffer.from("a"), 0, false);
    socket.on("error", () => {});
    socket.write(masked(Buffer.from("a"), 1, false));
    socket.write(Buffer.concat(Array.from({ length: limits.fragments + 10 }, () => one)));
    await until("the connection ends", () => ended);
    expect(ended).toMatch(/fragments|1008|1009/);
    socket.destroy();
  });
});

describe("the upgrade", () => {
  test("answers with no subprotocol and no compression", async () => {
    const { socket, head } = await rawClient();
    expect(head.split("\r\n")[0]).toBe("HTTP/1.1 101 Switching Protocols");
    expect(head.toLowerCase()).not.toMatch(/sec-websocket-(protocol|extensions)/);
    socket.destroy();
  });

  test("of a foreign origin is refused with 403", async () => {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = http.get({
        port,
        host: "127.0.0.1",
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          origin: "https://elsewhere.example",
        },
      }, resolve);
      request.on("error", reject);
    });
    expect(response.statusCode).toBe(403);
    response.destroy();
  });
});
