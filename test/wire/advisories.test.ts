// Inputs of KubeEdge's advisories and crash fixes that no other test sends; docs/security.md has all of them.
import https from "node:https";
import { createSecureContext } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { isNewerVersion } from "../../protocol/apis/kube-object.ts";
import { createAuthority, issueServer } from "../../protocol/pki/ca.ts";

test("of the answer to a refused handshake a kilobyte is read, however much comes (CVE-2022-31080)", async () => {
  const authority = await createAuthority("KubeEdge", Date.now());
  const pair = await issueServer(authority, { commonName: "x", organization: "x" }, ["127.0.0.1"], Date.now());
  let written = 0;
  const server = https.createServer({ cert: pair.certPem, key: pair.keyPem });
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n");
    // As much as it is let: a peer that reads all of it would never be done.
    const more = () => {
      while (!socket.destroyed && written < 512 * 1024 * 1024) {
        written += 65_536;
        if (!socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`)) return;
      }
    };
    socket.on("drain", more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { readonly port: number };
  const dialled = dialWebSocket({
    url: `wss://127.0.0.1:${port}/`,
    secureContext: createSecureContext({ ca: authority.certPem }),
    headers: {},
    handshakeTimeout: 10_000,
    maxMessage: 1024,
  });
  await expect(dialled).rejects.toMatchObject({ status: 403 });
  await expect(dialled).rejects.toThrow(/^refused with HTTP 403: x{1,1100}$/);
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

test.each([
  ["abc", "def"],
  ["", "x1"],
  ["9".repeat(400), "1"],
  ["-1", "0x10"],
  ["1e3", "NaN"],
])("versions that are no numbers, as %j and %j, are compared without harm", (one, other) => {
  expect(typeof isNewerVersion(one, other)).toBe("boolean");
  expect(isNewerVersion(one, other) && isNewerVersion(other, one)).toBe(false);
});
