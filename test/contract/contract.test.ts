// The embedded API against answers recorded from a real kube-apiserver: the share that passes is printed and never falls.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi } from "../support/start.ts";

/** Passed operations of each topic, as they stand in share.json. `SKEP_UPDATE=1` writes what is better. */
interface Share {
  readonly [topic: string]: { readonly passed: number; readonly of: number };
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const agreed = JSON.parse(readFileSync(file("share.json"), "utf8")) as Share;

/** What this server does not claim to have yet: its operations are left out of the replay. */
const lacks = [
  "rbac",
  "impersonation",
  "no-anonymous",
  "service-account-tokens",
  "protobuf",
  "openapi",
  "all-groups",
  "watch-list",
  "bookmark-before-end",
  "pod-security",
  "limit-range",
  "proxy-subresources",
];

/** Texts from the real server's own documentation of its columns. */
const descriptions = "columnDefinitions\\[\\d+\\]\\.description";

let found: Record<string, { passed: number; of: number }> = {};
let cases: Record<string, number> = {};
let stop: () => Promise<void> = () => Promise.resolve();

beforeAll(async () => {
  const { api } = await startApi({ controllers: false, token: "contract" });
  stop = () => api.stop();
  const ca = join(tmpdir(), `skep-contract-${process.pid}.crt`);
  writeFileSync(ca, api.access.ca);
  const args = [
    file("replay.mjs"),
    "--server",
    api.access.url,
    "--ca",
    ca,
    "--token",
    "contract",
    "--lacks",
    lacks.join(","),
    "--ignore",
    descriptions,
  ];
  // Into a file: the runner ends at once when it is done, and what it wrote into a pipe would be cut off.
  const log = join(tmpdir(), `skep-contract-${process.pid}.log`);
  const fd = openSync(log, "w");
  await new Promise((resolve) => spawn(process.execPath, args, { stdio: ["ignore", fd, fd] }).on("close", resolve));
  closeSync(fd);
  const text = readFileSync(log, "utf8");
  for (const path of [ca, log]) rmSync(path);
  found = Object.fromEntries(
    [...text.matchAll(/^([a-z]+) +(\d+) passed, (\d+) failed/gm)].map((
      [, topic = "", passed, failed],
    ) => [topic, { passed: Number(passed), of: Number(passed) + Number(failed) }]),
  );
  cases = {};
  for (const [, name = ""] of text.matchAll(/^✗ ([a-z]+\/[\w-]+)#/gm)) cases[name] = (cases[name] ?? 0) + 1;
}, 120_000);
afterAll(() => stop());

describe("recorded answers of a real API server", () => {
  test.each(Object.keys(agreed))("%s: no fewer pass than before", (topic) => {
    expect(found[topic]?.passed ?? 0).toBeGreaterThanOrEqual(agreed[topic]?.passed ?? 0);
  });

  test("the share is printed, and better ones are agreed on", () => {
    const total = Object.values(found).reduce(
      (sum, { passed, of }) => ({ passed: sum.passed + passed, of: sum.of + of }),
      { passed: 0, of: 0 },
    );
    console.log(
      `contract: ${total.passed} of ${total.of} recorded operations pass (${
        Math.round((100 * total.passed) / total.of)
      } %)`,
    );
    for (const [topic, { passed, of }] of Object.entries(found)) console.log(`contract:   ${topic} ${passed} of ${of}`);
    expect(total.of).toBeGreaterThan(500);
    if (process.env.SKEP_UPDATE === "1") writeFileSync(file("share.json"), `${JSON.stringify(found, null, 2)}\n`);
    else expect(Object.keys(found).sort()).toEqual(Object.keys(agreed).sort());
  });

  // What cloudcore, its edges and kubectl's daily commands stand on must be right altogether.
  const whole = [
    "access/unauthenticated",
    "delete/owners",
    "kubeedge/object-sync",
    "lists/label-selectors",
    "lists/versions",
    "objects/namespaced-and-not",
    "pods/graceful-delete",
    "pods/list-by-field",
    "pods/watch-graceful-delete",
    "tables/configmaps",
    "watch/bookmarks",
    "watch/custom-resources",
    "watch/live",
    "watch/many-watchers-see-the-same",
    "watch/selector-transitions",
  ];
  test.each(whole)("%s passes whole", (name) => {
    expect(cases[name] ?? 0).toBe(0);
  });
});
