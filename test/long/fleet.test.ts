// What a fleet costs and whether it grows: too long for every day. `SKEP_FLEET_EDGES` and `SKEP_FLEET_MINUTES` make it shorter or longer.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeKubeconfig } from "../../cloud/apiserver/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { sleep } from "../../base/time/clock.ts";
import { Command, skep, workFolder } from "../support/command.ts";
import { type Cloud, startCloud } from "../support/start.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const EDGES = Number(process.env.SKEP_FLEET_EDGES ?? 500);
const MINUTES = Number(process.env.SKEP_FLEET_MINUTES ?? 10);

test("the bench compares what edges ask with a bare client that makes the same API calls", async () => {
  const args = ["test/bench/upstream.ts", "--edges", "4", "--count", "2"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  for (const what of ["renewals of leases", "patches of nodes", "twin reports"]) {
    expect(stdout).toMatch(
      new RegExp(`${what}: \\d+ a second of cloudcore's processor .*, bare https \\d+ .*, ratio [\\d.]+`),
    );
  }
}, 60_000);

test("the bench compares the fleet with bare clients: memory, joins and rest", async () => {
  const args = ["test/bench/fleet.ts", "--edges", "12", "--seconds", "1"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  expect(stdout).toMatch(
    /memory per edge of the fleet: -?\d+ KiB, of which a bare client that has read as much takes -?\d+/,
  );
  expect(stdout).toMatch(/joins per second of processor: \d+ .*; bare clients \d+/);
  expect(stdout).toMatch(/processor of 12 idle edges: [\d.]+ % of one/);
}, 60_000);

const folder = workFolder();
let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(async () => {
  await cloud.stop();
  folder.remove();
});

test("a fleet in several processes that nobody answers says so, once, after a while", async () => {
  const kubeconfig = join(folder.path, "kubeconfig");
  await writeKubeconfig(kubeconfig, cloud.api.access);
  const nobody = [
    "fleet",
    "--cloudcore",
    "127.0.0.1:1",
    "--kubeconfig",
    kubeconfig,
    "--edges",
    "2",
    "--processes",
    "2",
  ];
  const { code, err } = await skep(folder.path, ...nobody);
  expect(err).toMatch(/^skep: no edge could connect to 127\.0\.0\.1:1 within 30 s: .*ECONNREFUSED/m);
  expect(err.match(/no edge could connect/g)).toHaveLength(1);
  expect(code).toBe(2);
}, 60_000);

/** Bytes of memory of the processes that this one has started. */
function memoryOfChildren(parent: number): number {
  const of = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && of(pid, "status").includes(`\nPPid:\t${parent}\n`))
    .reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(of(pid, "status"))?.[1] ?? 0) * 1024, 0);
}

test.skipIf(process.platform !== "linux")(
  `${EDGES} edges with a pod and a device each use no more memory after ${MINUTES} minutes`,
  async () => {
    const kubeconfig = join(folder.path, "kubeconfig");
    await writeKubeconfig(kubeconfig, cloud.api.access);
    const cohorts = join(folder.path, "cohorts.yaml");
    writeFileSync(
      cohorts,
      `fleet: [{ cohort: gw, count: ${EDGES}, devices: [{ model: thermometer, perEdge: 1, reports: 60s }] }]`,
    );
    const { ports } = cloud.core.hub;
    const address = ["--cloudcore", `127.0.0.1:${ports.websocket}`, "--enrolment-port", String(ports.https)];
    const flags = ["--kubeconfig", kubeconfig, "--cohorts", cohorts, "--processes", "2", "--time-scale", "10"];
    const fleet = new Command(folder.path, ["fleet", ...address, ...flags]);
    await fleet.says(/\nready/, 300_000);
    for (let i = 0; i < EDGES; i++) {
      await cloud.kube.create(resources.pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `p-${i}`, namespace: "default" },
        spec: { nodeName: `gw-${i}`, containers: [{ name: "c", image: "nginx" }] },
      });
    }
    await fleet.says(new RegExp(`${EDGES} Ready, ${EDGES} pods running, ${EDGES} devices, 0 reconnects`), 300_000);
    const wait = (minutes: number) => sleep(cloud.clock, minutes * 60_000);
    // What a process needs once it has by then.
    await wait(MINUTES / 5);
    const before = memoryOfChildren(fleet.child.pid as number);
    await wait(MINUTES * 4 / 5);
    const after = memoryOfChildren(fleet.child.pid as number);
    console.log(
      `fleet: ${EDGES} edges, ${Math.round(before / 2 ** 20)} MiB, and ${Math.round(after / 2 ** 20)} MiB at the end`,
    );
    expect(after).toBeLessThan(before * 1.15);
    expect(fleet.out).not.toMatch(/[1-9]\d* reconnects/);
    expect((await fleet.interrupt()).code).toBe(130);
  },
  (MINUTES + 15) * 60_000,
);
