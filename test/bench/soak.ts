// A fleet with devices that report, at true speed for minutes: how fast the memory of API, cloudcore and edges grows at the end.
// `npm run soak`, or with `--edges N --minutes M`.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { edges: { type: "string", default: "1000" }, minutes: { type: "string", default: "10" } },
});
const EDGES = Number(values.edges);
const MINUTES = Number(values.minutes);
/** Between two looks at the memory, milliseconds. */
const LOOK_MS = 5000;
/** The part of the time that counts: before it, caches and the history of changes fill. */
const COUNTED = 0.5;

const main = new URL("../../bin/skep.mjs", import.meta.url).pathname;
const folder = await mkdtemp(join(tmpdir(), "skep-soak-"));
const kubeconfig = join(folder, "kubeconfig");
const children: ChildProcess[] = [];

/** Starts a command and waits until it says that it is ready. */
async function start(
  name: string,
  ...args: string[]
): Promise<{ readonly name: string; readonly pid: number; readonly said: string }> {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk) => {
      said += String(chunk);
      if (/^ready$/m.test(said)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`${name} has ended with ${code}: ${said}`)));
  });
  return { name, pid: child.pid as number, said };
}

async function megabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** Megabytes a minute: the slope of the line through the points that fits them best. */
function slopeOf(points: readonly (readonly [minute: number, size: number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, p) => sum + of(p), 0) / points.length;
  const [x, y] = [mean(([minute]) => minute), mean(([, size]) => size)];
  const over = points.reduce((sum, [minute, size]) => sum + (minute - x) * (size - y), 0);
  const under = points.reduce((sum, [minute]) => sum + (minute - x) ** 2, 0);
  return over / under;
}

try {
  const api = await start("API", "apiserver", "--port", "0", "--write-kubeconfig", kubeconfig);
  const core = await start(
    "cloudcore",
    "cloudcore",
    "--kubeconfig",
    kubeconfig,
    "--port",
    "0",
    "--node-limit",
    `${EDGES}`,
  );
  const [, hub = "", enrolment = ""] = /--cloudcore (\S+) --enrolment-port (\d+)/.exec(core.said) ?? [];
  const cohorts = {
    fleet: [{ cohort: "soak", count: EDGES, devices: [{ model: "thermometer", perEdge: 1, reports: "10s" }] }],
  };
  await writeFile(join(folder, "cohorts.yaml"), JSON.stringify(cohorts));
  const fleet = await start(
    "edges",
    ...["fleet", "--cloudcore", hub, "--enrolment-port", enrolment, "--kubeconfig", kubeconfig],
    ...["--cohorts", "cohorts.yaml", "--processes", "1"],
  );
  const seen = new Map([api, core, fleet].map((program) => [program, [] as [number, number][]]));
  const began = performance.now();
  for (let minute = 0; minute < MINUTES; minute = (performance.now() - began) / 60_000) {
    for (const [{ pid }, points] of seen) points.push([minute, await megabytes(pid)]);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  for (const [{ name }, points] of seen) {
    const counted = points.filter(([minute]) => minute >= MINUTES * COUNTED);
    const [first, last] = [points[0], points.at(-1)].map((point) => Math.round(point?.[1] ?? 0));
    console.log(
      `${name} with ${EDGES} edges: ${first} MB at the start, ${last} MB after ${MINUTES} minutes, ${
        slopeOf(counted).toFixed(2)
      } MB a minute in the second half`,
    );
  }
} finally {
  for (const child of children.toReversed()) child.kill("SIGINT");
  await Promise.all(
    children.map((child) => child.exitCode !== null || new Promise((resolve) => child.once("exit", resolve))),
  );
  await rm(folder, { recursive: true });
}
