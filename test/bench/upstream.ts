// What edges ask, per second of cloudcore's processor time, against a bare `node:https` client that makes the same API calls in the
// same run. The API server has a process of its own. `npm run bench`; `--edges N` and `--count N` make it shorter or longer.
import { parseArgs } from "node:util";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { authorityOf, certificates, mapAtOnce } from "./certificates.ts";
import { now, Peer, type RequestKind } from "./peers.ts";

const { values } = parseArgs({
  options: { edges: { type: "string", default: "200" }, count: { type: "string", default: "50" } },
});
const EDGES = Number(values.edges);
const COUNT = Number(values.count);

using api = new Peer();
using coreProcess = new Peer();
using directProcess = new Peer();
using clients = new Peer();

const access = await api.call("api");
const kube = new KubeClient(tokenKubeConfig(access));
const core = await coreProcess.call("core", access);
const names = Array.from({ length: EDGES }, (_, i) => `bench-${i}`);
const labels = { [edgeNodeLabel]: "" };
await mapAtOnce(
  names,
  (name) => kube.create(resources.nodes, { apiVersion: "v1", kind: "Node", metadata: { name, labels } }),
);
await mapAtOnce(names, (name) =>
  kube.create(resources.devices, {
    apiVersion: resources.devices.apiVersion,
    kind: "Device",
    metadata: { name, namespace: "default" },
    spec: { nodeName: name, properties: [{ name: "temperature" }], protocol: { protocolName: "p" } },
  }));
await clients.call("connect", { port: core.port, nodes: await certificates(await authorityOf(core), names) });

const what: Readonly<Record<RequestKind, string>> = {
  lease: "renewals of leases",
  nodepatch: "patches of nodes",
  twin: "twin reports",
};
for (const kind of Object.keys(what) as RequestKind[]) {
  // The first of each makes what the others change.
  await clients.call("exchange", kind, 2);
  const through = await measured(coreProcess, () => clients.call("exchange", kind, COUNT));
  const records = await recordsOf();
  const direct = await measured(directProcess, () => directProcess.call("direct", access, kind, names, COUNT, records));
  console.log(
    `${what[kind]}: ${through.perCpu.toFixed(0)} a second of cloudcore's processor (${
      through.perSecond.toFixed(0)
    }/s), ` +
      `bare https ${direct.perCpu.toFixed(0)} (${direct.perSecond.toFixed(0)}/s), ratio ${
        (through.perCpu / direct.perCpu).toFixed(2)
      } (aim 0.6)`,
  );
}
await kube.close();

/** The sync records of the Nodes, by node. */
async function recordsOf(): Promise<Record<string, string>> {
  const { items } = await kube.list(resources.clusterobjectsyncs);
  return Object.fromEntries(items.map(({ metadata: { name } }) => [name.slice(0, name.lastIndexOf(".")), name]));
}

async function measured(
  peer: Peer,
  run: () => Promise<void>,
): Promise<{ readonly perCpu: number; readonly perSecond: number }> {
  const [cpu, began] = [await peer.call("cpu"), now()];
  await run();
  const [cpuTook, took] = [await peer.call("cpu") - cpu, now() - began];
  return { perCpu: EDGES * COUNT / cpuTook, perSecond: EDGES * COUNT / took * 1000 };
}
