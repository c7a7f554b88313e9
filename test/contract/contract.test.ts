// The embedded API gives the answers that were recorded from a real kube-apiserver: all but those in exceptions.json.
import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../base/time/clock.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { allKubeedgeCrds } from "../../protocol/apis/crds.ts";
import { freezeStored } from "../support/frozen.ts";
import { startApi } from "../support/start.ts";

/** What is not compared, and operations whose answers differ, each with its reason. */
interface Exceptions {
  /** Paths in answers, as regular expressions. */
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  /** Operations as `topic/case#step`. */
  readonly operations: readonly { readonly id: string; readonly reason: string }[];
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const exceptions = JSON.parse(readFileSync(file("exceptions.json"), "utf8")) as Exceptions;
const topics = readdirSync(file("contract")).filter((name) => name.endsWith(".jsonl")).map((name) =>
  name.replace(".jsonl", "")
);

const found = new Map<string, { readonly passed: number; readonly skipped: number }>();
let failed: string[] = [];
let stop: () => Promise<void> = () => Promise.resolve();

beforeAll(async () => {
  // Owners of fields stand in the order of their seconds, and what was recorded of an object happened within one.
  const [wheel, now] = [new TimerWheel(), Date.now()];
  const clock: Clock = { now: () => now, monotonic: () => wheel.monotonic(), after: (ms, run) => wheel.after(ms, run) };
  const { api } = await startApi({ clock, controllers: false, rbac: true, seed: allKubeedgeCrds, token: "contract" });
  stop = () => api.stop();
  freezeStored(api.resources.store);
  const ca = join(tmpdir(), `skep-contract-${process.pid}.crt`);
  writeFileSync(ca, api.access.ca);
  const ignored = exceptions.ignored.flatMap(({ path }) => ["--ignore", path]);
  const args = [file("replay.mjs"), "--server", api.access.url, "--ca", ca, "--token", "contract", ...ignored];
  // Into a file: the runner ends at once when it is done, and what it wrote into a pipe would be cut off.
  const log = join(tmpdir(), `skep-contract-${process.pid}.log`);
  const fd = openSync(log, "w");
  await new Promise((resolve) => spawn(process.execPath, args, { stdio: ["ignore", fd, fd] }).on("close", resolve));
  closeSync(fd);
  const text = readFileSync(log, "utf8");
  for (const path of [ca, log]) rmSync(path);
  for (const [, topic = "", passed, skipped] of text.matchAll(/^([a-z]+) +(\d+) passed, \d+ failed, (\d+) skipped/gm)) {
    found.set(topic, { passed: Number(passed), skipped: Number(skipped) });
  }
  failed = [...text.matchAll(/^✗ ([a-z]+\/[\w-]+#[\w-]+)/gm)].map(([, id = ""]) => id).sort();
  const sum = [...found.values()].reduce((total, { passed }) => total + passed, 0);
  console.log(`contract: ${sum} of ${sum + failed.length} recorded operations pass`);
}, 120_000);
afterAll(() => stop());

describe("recorded answers of a real API server", () => {
  test.each(topics)("%s: all of them are given", (topic) => {
    expect(failed.filter((id) => id.startsWith(`${topic}/`))).toEqual(
      exceptions.operations.map(({ id }) => id).filter((id) => id.startsWith(`${topic}/`)).sort(),
    );
    expect(found.get(topic)?.skipped).toBe(0);
    expect(found.get(topic)?.passed).toBeGreaterThan(10);
  });
});
