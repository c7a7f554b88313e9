import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { closeServer, listen } from "../../../../base/transport/listen.ts";
import { holdBlock } from "../../../../scenarios/targets/ports.ts";

describe("an environment's block of ports", () => {
  test("is free, and not given twice in this process while the environment is open", async () => {
    await using cleanup = new AsyncDisposableStack();
    const firsts = await Promise.all(Array.from({ length: 100 }, () => holdBlock("127.0.0.1", cleanup)));
    expect(new Set(firsts).size).toBe(100);
    for (const first of firsts.slice(0, 3)) {
      const server = createServer();
      expect(await listen(server, { host: "127.0.0.1", port: first + 1, exact: true })).toBe(first + 1);
      await closeServer(server);
    }
  });

  test("where there can't be one, says so", async () => {
    await using cleanup = new AsyncDisposableStack();
    await expect(holdBlock("192.0.2.1", cleanup)).rejects.toThrow("192.0.2.1");
  });
});
