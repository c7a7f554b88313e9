import { createServer } from "node:net";
import { expect, test } from "vitest";
import { closeServer, listen } from "../../../../base/transport/listen.ts";

test("ports that are somebody's are stepped around, also while nobody listens there", async () => {
  const first = createServer();
  const port = await listen(first, { host: "127.0.0.1", port: 21_000, exact: false });
  await closeServer(first);
  const second = createServer();
  expect(await listen(second, { host: "127.0.0.1", port, exact: false, avoid: new Set([port]) })).toBeGreaterThan(port);
  await closeServer(second);
  const own = createServer();
  expect(await listen(own, { host: "127.0.0.1", port, exact: true, avoid: new Set([port]) })).toBe(port);
  await closeServer(own);
});
