import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { createAuthority, issueServer } from "../../../../protocol/pki/ca.ts";
import { closeServer, listen } from "../../../../base/transport/listen.ts";

async function secureServer(answer: RequestListener) {
  const authority = await createAuthority("ca", Date.now());
  const { certPem, keyPem } = await issueServer(authority, { commonName: "server" }, ["127.0.0.1"], Date.now());
  const server = createServer({ key: keyPem, cert: certPem }, answer);
  const port = await listen(server, { host: "127.0.0.1", port: 0, exact: true });
  return { server, port };
}

test("a server that is closed disconnects at once, also clients that have not sent anything yet", async () => {
  const { port, server } = await secureServer(() => {});
  const mute = connect(port, "127.0.0.1");
  await once(mute, "connect");
  const gone = once(mute, "close");
  await closeServer(server);
  await gone;
});

test("a server that is closed during a handshake does not serve that client any more", async () => {
  let served = 0;
  const { port, server } = await secureServer(() => served++);
  const half = connect(port, "127.0.0.1");
  await once(half, "connect");
  // The handshake begins, and its end crosses the closing.
  const client = connectTls({ socket: half, rejectUnauthorized: false });
  client.on("error", () => {});
  client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  await new Promise((resolve) => setImmediate(resolve));
  const gone = new Promise((resolve) => client.once("close", resolve));
  await closeServer(server);
  await gone;
  expect(served).toBe(0);
});
