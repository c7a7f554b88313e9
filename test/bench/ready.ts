// How long until a fleet is Ready on our cloudcore, and until one twice as large is: the quotient is 2 when an edge costs the same in
// both. Every node has its Node, two pods and a device before its edge connects. Part of `npm run bench`; `--edges N` sets the smaller.
import { parseArgs } from "node:util";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { edgeNodeLabel } from "../../protocol/message/names.ts";
import { mapAtOnce } from "./certificates.ts";
import { now, Peer } from "./peers.ts";

const { values } = parseArgs({ options: { edges: { type: "string", default: "2000" } } });
const EDGES = Number(values.edges);

const smaller = await timeUntilReady(EDGES);
const larger = await timeUntilReady(2 * EDGES);
const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;
console.log(
  `until all are Ready: ${EDGES} edges ${seconds(smaller.elapsed)}, ${2 * EDGES} edges ${seconds(larger.elapsed)}: ${
    (larger.elapsed / smaller.elapsed).toFixed(2)
  } times as long (2 is linear); cloudcore's processor ${seconds(smaller.cpu)} and ${seconds(larger.cpu)}: ${
    (larger.cpu / smaller.cpu).toFixed(2)
  } times as much`,
);

/** Milliseconds until `count` edges are Ready, and milliseconds of processor time that cloudcore took for it; all in new processes. */
async function timeUntilReady(count: number): Promise<{ readonly elapsed: number; readonly cpu: number }> {
  using api = new Peer();
  using core = new Peer();
  using fleet = new Peer();
  const access = await api.call("api");
  const hub = await core.call("core", access);
  const kube = new KubeClient(tokenKubeConfig(access));
  // The names that the fleet gives its edges.
  const names = Array.from({ length: count }, (_, i) => `fleet-0-${i}`);
  await mapAtOnce(names, (name) =>
    kube.create(resources.nodes, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { [edgeNodeLabel]: "" } },
    }));
  await mapAtOnce(names, async (name) => {
    for (const pod of ["a", "b"]) {
      await kube.create(resources.pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `${name}-${pod}`, namespace: "default" },
        spec: { nodeName: name, containers: [{ name: "c", image: "nginx" }] },
      });
    }
    await kube.create(resources.devices, {
      apiVersion: resources.devices.apiVersion,
      kind: "Device",
      metadata: { name, namespace: "default" },
      spec: { nodeName: name, properties: [{ name: "temperature" }], protocol: { protocolName: "p" } },
    });
  });
  await kube.close();
  const cpu = await core.call("cpu");
  const start = now();
  await fleet.call("edges", { from: 0, count, hub, authority: hub.authority });
  const elapsed = now() - start;
  return { elapsed, cpu: (await core.call("cpu") - cpu) * 1000 };
}
