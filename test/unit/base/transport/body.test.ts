import { createServer, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { readBody } from "../../../../base/transport/body.ts";
import { closeServer, listen } from "../../../../base/transport/listen.ts";

const stops: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** What a server reads of a request whose raw text is sent to it; `isCut`: then the client goes away. */
async function received(text: string, limit: number, isCut = false, later = false): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  const server = createServer((request) => resolve(request));
  stops.push(() => closeServer(server));
  const socket = connect(await listen(server, { host: "127.0.0.1", port: 0, exact: false }), "127.0.0.1");
  stops.push(() => void socket.destroy());
  socket.on("error", () => {});
  socket.write(text);
  const request = await promise;
  if (isCut) socket.destroy();
  if (later) await new Promise((done) => request.once("close", done));
  const body = await readBody(request, limit);
  return body === undefined ? undefined : Buffer.from(body).toString();
}

describe("the body of a request", () => {
  test("is read as a whole, however it is cut into chunks", async () => {
    const chunks = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    expect(await received(chunks, 5)).toBe("abcde");
    expect(await received("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 5)).toBe("");
  });

  test("is given up as soon as it is known to be too long, announced or not", async () => {
    expect(await received("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nab", 5)).toBeUndefined();
    const endless = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n";
    expect(await received(endless, 5)).toBeUndefined();
  });

  test("that ends too early is an error, also where the sender has been gone for a while", async () => {
    const half = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab";
    await expect(received(half, 5, true)).rejects.toThrow("the connection ended before the body did");
    await expect(received(half, 5, true, true)).rejects.toThrow("the connection ended before the body did");
  });
});
