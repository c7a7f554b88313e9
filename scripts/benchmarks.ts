// Fills docs/benchmarks.md: KubeEdge's six planned performance scenarios against our cloudcore and, with `--go FILE`, against the Go one,
// both on the embedded API with the same edges. `--edges N`, `--duration TIME` and `--only NAME,NAME` make it smaller.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hasCode, KubeClient } from "../cloud/kube/client.ts";
import { loadKubeConfig } from "../cloud/kube/kubeconfig.ts";
import { size } from "../scenarios/load/lines.ts";
import { type FlowResult, type LoadResult, percentiles } from "../scenarios/load/result.ts";
import { Child } from "../scenarios/targets/child.ts";
import { bootstrapToken } from "../scenarios/targets/cluster-secrets.ts";
import { holdBlock } from "../scenarios/targets/ports.ts";

const { values } = parseArgs({
  options: {
    go: { type: "string" },
    edges: { type: "string", default: "1000" },
    duration: { type: "string", default: "30s" },
    only: { type: "string" },
  },
});

/** The six, with the flows that each is about. */
const profiles: Readonly<Record<string, readonly string[]>> = {
  join: ["join", "ready", "lease.late"],
  "create-devices": ["ready", "lease.late"],
  "report-status": ["report.seen", "lease.late"],
  deploy: ["pod.running", "pod.gone", "lease.late"],
  "update-twin": ["desired.applied", "lease.late"],
  "hub-alone": ["query.answered", "lease.late"],
};
const TOKEN_MS = 60_000;

const bin = fileURLToPath(new URL("../bin/skep.mjs", import.meta.url));

/** A fleet's devices are ten times as many as its edges: they are given a fifth of the edges. */
const edgesFor = (profile: string) => Math.ceil(Number(values.edges) / (profile === "create-devices" ? 5 : 1));

/** A report, or why there is none. */
type Outcome = LoadResult | string;

/** One run of a profile. */
async function load(
  profile: string,
  more: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const report = await mkdtemp(join(tmpdir(), "skep-benchmark-"));
  let said = "";
  try {
    const args = [
      "load",
      profile,
      "--edges",
      String(edgesFor(profile)),
      "--duration",
      values.duration,
      "--report",
      report,
      ...more,
    ];
    await new Promise<void>((resolve, reject) => {
      const child = spawn(process.execPath, [bin, ...args], {
        stdio: ["ignore", "inherit", "pipe"],
        env: { ...process.env, ...env },
      });
      child.stderr?.on("data", (text) => said += String(text));
      child.once("error", reject);
      child.once("close", () => resolve());
    });
    const text = await readFile(join(report, "load.json"), "utf8").catch(() => undefined);
    return text === undefined ? said.split("\n")[0] ?? "" : JSON.parse(text) as LoadResult;
  } finally {
    await rm(report, { recursive: true, force: true });
  }
}

/** The Go cloudcore on an API of ours, both new, and a run against it. */
async function loadGo(program: string, profile: string): Promise<Outcome> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "skep-go-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const port = await holdBlock("127.0.0.1", cleanup);
  const kubeconfig = join(folder, "kubeconfig");
  const api = cleanup.use(
    await Child.start("the API", ["apiserver", "--write-kubeconfig", kubeconfig, "--port", String(port)]),
  );
  const [websocket, https] = [port + 1, port + 2];
  const file = (name: string) => join(folder, name);
  await writeFile(
    file("cloudcore.yaml"),
    `apiVersion: cloudcore.config.kubeedge.io/v1alpha2
kind: CloudCore
kubeAPIConfig: { kubeConfig: ${kubeconfig}, master: "" }
modules:
  cloudHub:
    advertiseAddress: [127.0.0.1]
    nodeLimit: ${Math.max(1000, Number(values.edges))}
    tlsCAFile: ${file("ca.crt")}
    tlsCAKeyFile: ${file("ca.key")}
    tlsCertFile: ${file("hub.crt")}
    tlsPrivateKeyFile: ${file("hub.key")}
    https: { address: 127.0.0.1, enable: true, port: ${https} }
    websocket: { address: 127.0.0.1, enable: true, port: ${websocket} }
    unixsocket: { enable: false, address: "unix://${file("hub.sock")}" }
  iptablesManager: { enable: false, mode: internal }
`,
  );
  const core = spawn(program, ["--config", file("cloudcore.yaml")], { stdio: "ignore" });
  cleanup.defer(() => void core.kill("SIGKILL"));
  const kube = new KubeClient(loadKubeConfig(kubeconfig));
  cleanup.defer(() => kube.close());
  const late = performance.now() + TOKEN_MS;
  let token = "";
  while (token === "") {
    token = await bootstrapToken(kube).catch((error: unknown) => {
      if (hasCode(error, 404)) return "";
      throw error;
    });
    if (performance.now() > late) throw new Error("the Go cloudcore has made no token within a minute");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const where = [
    "--kubeconfig",
    kubeconfig,
    "--cloudcore",
    `127.0.0.1:${websocket}`,
    "--enrolment-port",
    String(https),
  ];
  const pids = ["--pid", `cloudcore=${core.pid}`, "--pid", `api=${api.pid}`];
  return await load(profile, [...where, ...pids], { SKEP_TOKEN: token });
}

type Runs = readonly (readonly [name: string, result: Outcome])[];

function cell(flow: FlowResult | undefined): string {
  if (flow === undefined || flow.count === 0) return "not measured";
  const at = (percentile: (typeof percentiles)[number]) => flow.values[percentiles.indexOf(percentile)];
  return `${at(50)} / ${at(95)} / ${at(99)} ms (${flow.count})`;
}

function part(profile: string, runs: Runs): string {
  const row = (name: string, of: (result: LoadResult) => string) =>
    `| ${name} | ${runs.map(([, result]) => typeof result === "string" ? "" : of(result)).join(" | ")} |`;
  const cpu = (of: "cloudcore" | "api" | "fleet") => (result: LoadResult) => {
    const [used, held] = [result.gauges[`${of}.cpu`], result.gauges[`${of}.rss`]];
    return used === undefined || held === undefined
      ? "not measured"
      : `${(used.mean * 100).toFixed(0)} %, ${size(held.max)}`;
  };
  return [
    `## ${profile}`,
    "",
    `${edgesFor(profile)} edges.`,
    "",
    `| | ${runs.map(([name]) => name).join(" | ")} |`,
    `|---|${runs.map(() => "---").join("|")}|`,
    ...(profiles[profile] ?? []).map((flow) =>
      row(`\`${flow}\` p50 / p95 / p99 (count)`, ({ flows }) => cell(flows.find((one) => one.flow === flow)))
    ),
    row("cloudcore: processor, memory at most", cpu("cloudcore")),
    row("API: processor, memory at most", cpu("api")),
    row("edges: processor, memory at most", cpu("fleet")),
    row("notes", ({ reasons }) => reasons.join("; ")),
    row("lost, errors, reconnects", ({ counts }) => `${counts.lost}, ${counts.errors}, ${counts.reconnects}`),
    ...runs.filter(([, result]) => typeof result === "string").map(([name, why]) =>
      `| ${name} has no result | ${
        runs.map(([other]) => other === name ? String(why).replace(/^skep: /, "") : "").join(" | ")
      } |`
    ),
    row("verdict", ({ thresholds, verdict }) => {
      const crossed = thresholds.filter((one) => one.verdict === "crossed").map(({ text }) => `\`${text}\``);
      return crossed.length === 0 ? verdict : `${verdict}: ${crossed.join(", ")}`;
    }),
    "",
  ].join("\n");
}

const wanted = values.only?.split(",") ?? Object.keys(profiles);
const parts: string[] = [];
let about: LoadResult | undefined;
for (const profile of wanted) {
  const runs: (readonly [string, Outcome])[] = [["skep", await load(profile, [], {})]];
  if (values.go !== undefined) runs.push(["Go", await loadGo(values.go, profile)]);
  const [ours] = runs.map(([, result]) => result);
  if (typeof ours === "object") about ??= ours;
  parts.push(part(profile, runs));
  // What is measured so far is kept, however the rest ends.
  await writeFile("docs/benchmarks.md", pageOf(about, parts));
}
console.log("wrote docs/benchmarks.md");

function pageOf(about: LoadResult | undefined, parts: readonly string[]): string {
  return [
    "# Benchmarks",
    "",
    "KubeEdge's six planned performance scenarios (join, create devices, report status, deploy, update a twin, the hub alone), one after the other, with API, cloudcore and edges on one machine. Both cloudcores run on `skep apiserver` with the same edges, which enrol with the token. Processor time is the mean of the judged time; 100 % is one processor. Everything shares the machine's processors, so that these figures compare the two, and are no measure of what either does alone.",
    "",
    `Machine: ${about?.versions.machine}; skep ${about?.versions.skep} on ${about?.versions.runtime}; Go cloudcore v1.23.1. Written by \`npm run -s node -- scripts/benchmarks.ts --go CLOUDCORE\`, with \`--edges ${values.edges} --duration ${values.duration}\`.`,
    "",
    ...parts,
  ].join("\n");
}
