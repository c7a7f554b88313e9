// `skep proxy` as a user starts it: scenarios pass through it, and what passed is there to be looked at. The whole library: test/long.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { skep, workFolder } from "../support/command.ts";
import { startProxied } from "../support/proxied-run.ts";

const library = (name: string) => fileURLToPath(new URL(`../../scenarios/library/${name}.yaml`, import.meta.url));
const some = ["pods/1-pod-running", "configmaps/1-mounted", "devices/1-desired-value", "devices/2-report"].map(library);

test("scenarios of the library pass through a proxy that delays every message", async () => {
  await using proxied = await startProxied("--latency", "30ms", "--jitter", "10ms");
  const { code, out } = await proxied.run("run", ...some);
  expect(out).toMatch(/[1-4] passed, 0 failed/);
  expect(code).toBe(0);
  const stats = await proxied.tap("--stats", "--once");
  expect(stats.out).toMatch(/^\d+ down, \d+ up, 0 not sent$/m);
  await proxied.tap("--once", "--last", "1000000", "-o", "flow.jsonl.gz");
  const judged = await skep(proxied.folder, "judge", "flow.jsonl.gz");
  expect(judged.out).toMatch(/✓ no version went backwards: held/);
  expect(judged.code).toBe(0);
  // Tokens pass at enrolment, which is not recorded.
  const { out: all } = await proxied.tap("--once", "--json", "--last", "1000000");
  expect(all).not.toMatch(/eyJhbGciOiJIUzI1NiI/);
});

describe("a proxy that can't be", () => {
  const folder = workFolder();
  test.each([
    [["--to", "127.0.0.1"], /the proxy needs certificates: --kubeconfig FILE/],
    [["--to", "127.0.0.1", "--ca", "none"], /missing: --server-cert, --server-key, --edge-certs/],
    [["--to", "127.0.0.1", "--certs", "none"], /rootCA\.crt and rootCA\.key \(EC, PEM\) are needed there/],
    [
      ["--to", "127.0.0.1", "--certs", "none", "--ca", "x"],
      /leave --ca, --server-cert, --server-key and --edge-certs out/,
    ],
    [
      ["--to", "127.0.0.1", "--ca", "a", "--server-cert", "b", "--server-key", "c", "--edge-certs", "d"],
      /a can't be read/,
    ],
    [["--to", "127.0.0.1", "--certs", "none", "--latency", "soon"], /--latency/],
    [[], /required option '--to <host>' not specified/],
  ])("%j is refused with what to do", async (args, reason) => {
    const { code, err } = await skep(folder.path, "proxy", ...args);
    expect(code).toBe(2);
    expect(err).toMatch(reason);
  });
});
