// The hub against a bare `ws` server with mutual TLS that does the same sends, in one run: ratios, for machines are noisy.
// Runs as `npm run bench`; `--edges N` and `--rounds N` make it shorter or longer.
import { parseArgs } from "node:util";
import { build } from "hdr-histogram-js";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { authorityOf, certificates, mapAtOnce } from "./certificates.ts";
import { now, Peer } from "./peers.ts";

const { values } = parseArgs({
  options: { edges: { type: "string", default: "1000" }, rounds: { type: "string", default: "20" } },
});
const EDGES = Number(values.edges);
const ROUNDS = Number(values.rounds);
/** Connections before memory is first looked at. */
const WARM = Math.min(50, EDGES / 2);
/** Edges that are not counted in the run with bad neighbours: they are the bad ones. */
const BAD = ["bench-0", "bench-1", "bench-2"];

using api = new Peer();
using coreProcess = new Peer();
using bareProcess = new Peer();
using hubClients = new Peer();
using bareClients = new Peer();

const access = await api.call("api");
const kube = new KubeClient(tokenKubeConfig(access));
const core = await coreProcess.call("core", access);
const authority = await authorityOf(core);
console.log(`${EDGES} edges, ${ROUNDS} rounds; making their certificates`);
const names = Array.from({ length: EDGES }, (_, i) => `bench-${i}`);
const nodes = await certificates(authority, names);

// Memory of an idle edge: the same clients, nothing sent.
const bare = await bareProcess.call("serve", {
  ca: authority.certPem,
  cert: core.server.certPem,
  key: core.server.keyPem,
});
const memory = { bare: 0, hub: 0 };
for (
  const [which, server, clients, port] of [
    ["bare", bareProcess, bareClients, bare.port],
    ["hub", coreProcess, hubClients, core.port],
  ] as const
) {
  // The first connections pay for what a process needs once.
  await clients.call("connect", { port, nodes: nodes.slice(0, WARM) });
  const before = await server.call("usage");
  await clients.call("connect", { port, nodes: nodes.slice(WARM) });
  const after = await server.call("usage");
  memory[which] = (after.rss - before.rss) / (EDGES - WARM);
}
console.log(
  `memory per idle edge: hub ${kib(memory.hub)}, bare ${kib(memory.bare)}, ratio ${
    ratio(memory.hub, memory.bare)
  } (at most 1.6)`,
);

// First deliveries, which need a record each: a pod to each node, then one configmap to all of them.
const value = "x".repeat(700);
const configmap = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "shared", namespace: "default" },
  data: { n: "0", value },
};
let stored = await kube.create(resources.configmaps, configmap);
const labels = { [edgeNodeLabel]: "" };
await mapAtOnce(
  names,
  (name) => kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name, labels } }),
);
await quiet();
const first = now();
const firsts = hubClients.call("arrived", '"kind":"Pod"', []);
const containers = [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "shared" } }] }];
await mapAtOnce(names, (name) =>
  kube.create(resources.pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `pod-${name}`, namespace: "default" },
    spec: { nodeName: name, containers },
  }));
const made = now();
const podsTook = Math.max(...(await firsts).times) - first;
await quiet();
const firstRound = await hubRound("hub-first.", []);
const firstTook = Math.max(...firstRound.times) - firstRound.began;
await quiet();
console.log(
  `first deliveries: a pod each in ${podsTook.toFixed(0)} ms (making them took ${
    (made - first).toFixed(0)
  } ms of that), ` +
    `a configmap to all in ${firstTook.toFixed(0)} ms: ${
      (EDGES / firstTook * 1000).toFixed(0)
    } messages/s (aim 2000; Go: 204)`,
);

// Later updates: one configmap to all edges.
async function hubRound(text: string, except: readonly string[]): Promise<{ began: number; times: readonly number[] }> {
  const arrived = hubClients.call("arrived", text, except);
  const began = now();
  stored = await kube.update(resources.configmaps, { ...stored, data: { n: text, value } });
  return { began, times: (await arrived).times };
}
async function bareRound(text: string): Promise<{ began: number; times: readonly number[] }> {
  const arrived = bareClients.call("arrived", text, []);
  const began = now();
  const body = { ...stored, data: { n: text, value } };
  await bareProcess.call(
    "broadcast",
    `{"header":{"msg_id":"$ID","timestamp":1,"resourceversion":"1"},"route":{"source":"edgecontroller","group":"resource","operation":"update","resource":"default/configmap/shared"},"content":${
      JSON.stringify(body)
    }}\n`,
  );
  return { began, times: (await arrived).times };
}
const spread = { hub: 0, bare: 0 };
const latency = { hub: build(), bare: build() };
const records: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  // In turn, so that both see the machine in the same mood.
  const b = await bareRound(`bare-round-${round}.`);
  const h = await hubRound(`hub-round-${round}.`, []);
  for (const [which, { began, times }] of [["bare", b], ["hub", h]] as const) {
    spread[which] += Math.max(...times) - began;
    for (const time of times) latency[which].recordValue(Math.max(1, Math.round((time - began) * 1000)));
  }
  const settled = now();
  await quiet();
  records.push(now() - settled);
}
const rate = (which: "hub" | "bare") => EDGES * ROUNDS / spread[which] * 1000;
console.log(
  `later updates: hub ${rate("hub").toFixed(0)} messages/s (p99 ${p99(latency.hub)} ms), bare ${
    rate("bare").toFixed(0)
  } (p99 ${p99(latency.bare)} ms), ` +
    `ratio ${ratio(rate("hub"), rate("bare"))} (at least 0.6); the last record is written ${
      mean(records).toFixed(0)
    } ms after the last arrival`,
);

// Bad neighbours: one acknowledges nothing, one does not read, one is half-open (reads nothing, says nothing).
async function neighbours(label: string): Promise<number> {
  const all = build();
  for (let round = 0; round < ROUNDS; round++) {
    const { began, times } = await hubRound(`${label}-${round}.`, BAD);
    for (const time of times) all.recordValue(Math.max(1, Math.round((time - began) * 1000)));
    await quiet(BAD.length);
  }
  return all.getValueAtPercentile(99) / 1000;
}
const alone = [await neighbours("well-a")];
await hubClients.call("behave", BAD.slice(0, 1), "mute");
await hubClients.call("behave", BAD.slice(1), "deaf");
const beside = [await neighbours("beside-a")];
await hubClients.call("behave", BAD, "well");
alone.push(await neighbours("well-b"));
const p99Alone = mean(alone);
console.log(
  `bad neighbours: p99 of the others ${beside[0]?.toFixed(1)} ms beside them, ${
    p99Alone.toFixed(1)
  } ms without, ratio ${ratio(beside[0] as number, p99Alone)} (at most 1.5)`,
);
await kube.close();

/** Waits until the hub has nothing unacknowledged but for so many, and its processor is at rest. */
async function quiet(allowed = 0): Promise<void> {
  let last = (await coreProcess.call("gauges")).lane_unacknowledged as number;
  let cpu = await cpuOf();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const next = await cpuOf();
    last = (await coreProcess.call("gauges")).lane_unacknowledged as number;
    if (last <= allowed * 40 && next - cpu < 0.02) return;
    cpu = next;
  }
}
async function cpuOf(): Promise<number> {
  return (await coreProcess.call("cpu")) + (await api.call("cpu"));
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(0)} KiB`;
}
function ratio(a: number, b: number): string {
  return (a / b).toFixed(2);
}
function p99(histogram: ReturnType<typeof build>): string {
  return (histogram.getValueAtPercentile(99) / 1000).toFixed(1);
}
function mean(list: readonly number[]): number {
  return list.reduce((sum, n) => sum + n, 0) / list.length;
}
