// The hub with its tap on against the same hub with it off, in turn: what a message costs more of the cloudcore's processor.
// Runs as `npm run bench`; `--edges N` and `--rounds N` make it shorter or longer.
import { parseArgs } from "node:util";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { authorityOf, certificates, mapAtOnce } from "./certificates.ts";
import { now, Peer } from "./peers.ts";

const { values } = parseArgs({
  options: { edges: { type: "string", default: "500" }, rounds: { type: "string", default: "20" } },
});
const EDGES = Number(values.edges);
const ROUNDS = Number(values.rounds);
/** Updates a second, of so many edges each: a thousand messages at 500 edges. */
const ROUND_MS = 500;

using api = new Peer();
using coreProcess = new Peer();
using clients = new Peer();

const access = await api.call("api");
const kube = new KubeClient(tokenKubeConfig(access));
const core = await coreProcess.call("core", access);
const names = Array.from({ length: EDGES }, (_, i) => `bench-${i}`);
const nodes = await certificates(await authorityOf(core), names);
const labels = { [edgeNodeLabel]: "" };
await mapAtOnce(
  names,
  (name) => kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name, labels } }),
);
await clients.call("connect", { port: core.port, nodes });
const value = "x".repeat(700);
let stored = await kube.create(resources.configmaps, {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "shared", namespace: "default" },
  data: { n: "0", value },
});
const containers = [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "shared" } }] }];
await mapAtOnce(names, (name) =>
  kube.create(resources.pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `pod-${name}`, namespace: "default" },
    spec: { nodeName: name, containers },
  }));
await round("first.");

const cpu = { on: 0, off: 0 };
const spread = { on: 0, off: 0 };
const hops = await coreProcess.call("tap", true);
for (let i = 0; i < ROUNDS; i++) {
  // In turn, and which comes first in turn, too, so that both see the machine in the same mood.
  for (const which of i % 2 === 0 ? ["on", "off"] as const : ["off", "on"] as const) {
    await coreProcess.call("tap", which === "on");
    await quiet();
    const before = await coreProcess.call("cpu");
    spread[which] += await round(`${which}-${i}.`);
    await quiet();
    cpu[which] += await coreProcess.call("cpu") - before;
  }
}
const seen = await coreProcess.call("tap", false) - hops;
const per = (which: "on" | "off") => cpu[which] / (EDGES * ROUNDS) * 1e6;
console.log(
  `a message with its acknowledgement and record: ${
    per("off").toFixed(0)
  } us of the cloudcore's processor with the tap off, ` +
    `${per("on").toFixed(0)} us with it on (${(seen / (EDGES * ROUNDS)).toFixed(1)} hops a message), ratio ${
      (per("off") / per("on")).toFixed(2)
    } (at least 0.9); at ${(EDGES / ROUND_MS * 1000).toFixed(0)} messages/s: to all edges in ${
      (spread.off / ROUNDS).toFixed(0)
    } and ${(spread.on / ROUNDS).toFixed(0)} ms`,
);
await kube.close();

/** One update to all edges; milliseconds until the last has it. */
async function round(text: string): Promise<number> {
  const arrived = clients.call("arrived", text, []);
  const began = now();
  stored = await kube.update(resources.configmaps, { ...stored, data: { n: text, value } });
  return Math.max(...(await arrived).times) - began;
}

/** Waits until the hub has nothing unacknowledged, and its records are written. */
async function quiet(): Promise<void> {
  let cpuBefore = await coreProcess.call("cpu");
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const cpuNow = await coreProcess.call("cpu");
    const { lane_unacknowledged: left = 0 } = await coreProcess.call("gauges");
    if (left === 0 && cpuNow - cpuBefore < 0.02) return;
    cpuBefore = cpuNow;
  }
}
