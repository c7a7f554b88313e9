// The whole library through a proxy between our own ends, with and without latency.
import { expect, test } from "vitest";
import { startProxied } from "../support/proxied-run.ts";

test.each([[[]], [["--latency", "20ms", "--jitter", "10ms"]]])(
  "the library passes through a proxy with %j",
  async (flags) => {
    await using proxied = await startProxied(...flags);
    const { code, out } = await proxied.run("run");
    expect(out).toMatch(/\d\d passed, 0 failed/);
    expect(code).toBe(0);
  },
  1_800_000,
);
