// A fleet with devices that report, at true speed for an hour: what each process still holds after a full garbage collection may not grow.
// `npm run soak` ends with it; `--edges N --minutes M` for others. Ends with 1 where memory grows by 1 % an hour or more, or handles do.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { eachLine } from "../../base/process/lines.ts";

const { values } = parseArgs({
  options: { edges: { type: "string", default: "1000" }, minutes: { type: "string", default: "60" } },
});
const EDGES = Number(values.edges);
const MINUTES = Number(values.minutes);
/** Between two looks, milliseconds. */
const LOOK_MS = 30_000;
/** The part of the time that doesn't count: caches and the history of changes fill. */
const WARM_UP = 1 / 3;
/** Percent an hour. */
const LIMIT = 1;
const MAX_LINE = 64 * 1024;
if (!(MINUTES >= 3)) throw new Error(`--minutes ${values.minutes}: a slope needs three minutes or more`);

const main = new URL("../../bin/skep.mjs", import.meta.url).pathname;
const folder = await mkdtemp(join(tmpdir(), "skep-soak-"));
const kubeconfig = join(folder, "kubeconfig");
const children: ChildProcess[] = [];
const inspectors: WebSocket[] = [];

interface Program {
  readonly name: string;
  readonly pid: number;
  readonly said: string;
  /** Evaluates an expression in it after a full garbage collection. */
  readonly evaluate: (expression: string) => Promise<unknown>;
}

/** What is held at a moment: megabytes, and open handles (sockets, timers, watchers). */
interface Look {
  readonly hour: number;
  readonly live: number;
  readonly resident: number;
  readonly handles: number;
}

/** Starts a command and waits until it says that it is ready. */
async function start(name: string, ...args: string[]): Promise<Program> {
  const child = spawn(process.execPath, ["--inspect=127.0.0.1:0", main, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let said = "";
  const inspector = Promise.withResolvers<string>();
  eachLine(child.stderr, MAX_LINE, (line) => {
    const [, url] = /^Debugger listening on (ws:\S+)$/.exec(line) ?? [];
    if (url !== undefined) inspector.resolve(url);
    else if (!/^(For help|Debugger|Waiting for the debugger)/.test(line)) console.error(line);
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk) => {
      said += String(chunk);
      if (/^ready$/m.test(said)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`${name} has ended with ${code}: ${said}`)));
  });
  return { name, pid: child.pid as number, said, evaluate: await inspect(await inspector.promise) };
}

/** Chrome's DevTools protocol, as Node's inspector speaks it (https://chromedevtools.github.io/devtools-protocol/). */
async function inspect(url: string): Promise<Program["evaluate"]> {
  const socket = new WebSocket(url);
  inspectors.push(socket);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  let id = 0;
  const asked = new Map<number, PromiseWithResolvers<{ readonly result?: { readonly value?: unknown } }>>();
  const ended = new Error("a program has ended, or its inspector");
  socket.onclose = () => asked.forEach(({ reject }) => reject(ended));
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(String(data)) as { readonly id?: number; readonly result: object };
    asked.get(answer.id ?? 0)?.resolve(answer.result);
    asked.delete(answer.id ?? 0);
  };
  const call = (method: string, params: object = {}) => {
    if (socket.readyState !== WebSocket.OPEN) return Promise.reject(ended);
    const answer = Promise.withResolvers<{ readonly result?: { readonly value?: unknown } }>();
    asked.set(++id, answer);
    socket.send(JSON.stringify({ id, method, params }));
    return answer.promise;
  };
  return async (expression) => {
    await call("HeapProfiler.collectGarbage");
    return (await call("Runtime.evaluate", { expression, returnByValue: true })).result?.value;
  };
}

const MB = 1024 * 1024;

async function look({ evaluate, pid }: Program, hour: number): Promise<Look> {
  const [heap, external, handles] = await evaluate(
    "(({ heapUsed, external }) => [heapUsed, external, process.getActiveResourcesInfo().length])(process.memoryUsage())",
  ) as [number, number, number];
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  return { hour, live: (heap + external) / MB, resident, handles };
}

/** Percent of the mean an hour, and its standard error: of the line through the points that fits them best. */
function slopeOf(
  looks: readonly Look[],
  value: (look: Look) => number,
): { readonly slope: number; readonly error: number } {
  const mean = (of: (look: Look) => number) => looks.reduce((sum, each) => sum + of(each), 0) / looks.length;
  const [x, y] = [mean(({ hour }) => hour), mean(value)];
  const spread = looks.reduce((sum, { hour }) => sum + (hour - x) ** 2, 0);
  const slope = looks.reduce((sum, each) => sum + (each.hour - x) * (value(each) - y), 0) / spread;
  const left = looks.reduce((sum, each) => sum + (value(each) - y - slope * (each.hour - x)) ** 2, 0);
  const error = Math.sqrt(left / (looks.length - 2) / spread);
  return { slope: slope / y * 100, error: error / y * 100 };
}

/** Says how it went, and whether it is well. */
function judged({ name }: Program, looks: readonly Look[]): boolean {
  const counted = looks.filter(({ hour }) => hour * 60 >= MINUTES * WARM_UP);
  const [first, last] = [counted[0], counted.at(-1)] as [Look, Look];
  const [live, resident] = [slopeOf(counted, (each) => each.live), slopeOf(counted, (each) => each.resident)];
  const percent = ({ error, slope }: typeof live) => `${slope.toFixed(2)} ± ${error.toFixed(2)} % an hour`;
  const isWell = live.slope < LIMIT && last.handles <= first.handles * (1 + LIMIT / 100) + 2;
  console.log(
    `${isWell ? "✓" : "✗"} ${name}: ${first.live.toFixed(1)} MB held after the warm-up, ${
      last.live.toFixed(1)
    } MB at the end (${percent(live)}); resident ${first.resident.toFixed(0)} and ${last.resident.toFixed(0)} MB (${
      percent(resident)
    }); ${first.handles} and ${last.handles} handles`,
  );
  return isWell;
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
  const seen = new Map([api, core, fleet].map((program) => [program, [] as Look[]]));
  const began = performance.now();
  for (let hour = 0; hour * 60 < MINUTES; hour = (performance.now() - began) / 3_600_000) {
    for (const [program, looks] of seen) looks.push(await look(program, hour));
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  console.log(`${EDGES} edges with a device each, ${MINUTES} minutes at true speed; the first third is warm-up`);
  const isWell = [...seen].map(([program, looks]) => judged(program, looks)).every(Boolean);
  process.exitCode = isWell ? 0 : 1;
} finally {
  // What is inspected waits for its inspector before it ends.
  for (const inspector of inspectors) inspector.close();
  for (const child of children.toReversed()) child.kill("SIGINT");
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }),
  );
  await rm(folder, { recursive: true });
}
