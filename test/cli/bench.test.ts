// The bench runs and tells its ratios; what they are is nothing a test on a shared machine could say.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

test(
  "npm run bench compares the hub with a bare server, in memory, first deliveries, updates and beside bad neighbours",
  async () => {
    const args = ["test/bench/hub.ts", "--edges", "12", "--rounds", "2"];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    expect(stdout).toMatch(/memory per idle edge: hub -?\d+ KiB, bare -?\d+ KiB/);
    expect(stdout).toMatch(/first deliveries: a pod each in \d+ ms/);
    expect(stdout).toMatch(/later updates: hub \d+ messages\/s \(p99 [\d.]+ ms\), bare \d+/);
    expect(stdout).toMatch(/bad neighbours: p99 of the others [\d.]+ ms beside them, [\d.]+ ms without, ratio [\d.]+/);
  },
  60_000,
);

test("npm run bench compares the hub with its tap on and off", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "test/bench/tap.ts",
    "--edges",
    "10",
    "--rounds",
    "2",
  ], {
    cwd: root,
  });
  expect(stdout).toMatch(
    /\d+ us of the cloudcore's processor with the tap off, \d+ us with it on \([5-9][\d.]* hops a message\), ratio [\d.]+/,
  );
}, 60_000);

test("npm run bench compares the embedded API with a bare echo, and a pod among few with one among many", async () => {
  const args = ["test/bench/api.ts", "--count", "20", "--nodes", "20"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  for (const what of ["create", "get", "merge patch", "strategic merge patch", "server-side apply", "status patch"]) {
    expect(stdout).toMatch(
      new RegExp(`^${what}: \\d+ a second of the API's processor, bare echo \\d+, ratio [\\d.]+`, "m"),
    );
  }
  expect(stdout).toMatch(
    /a list of 40 pods, [\d.]+ MiB: [\d.]+ ms of processor, writing as much text [\d.]+ ms, ratio [\d.]+/,
  );
  expect(stdout).toMatch(
    /a pod that is created and bound: [\d.]+ ms of processor among 2, [\d.]+ ms among 20, quotient [\d.]+/,
  );
  expect(stdout).toMatch(/memory with 20 nodes and 60 pods: \d+ MB/);
}, 60_000);
