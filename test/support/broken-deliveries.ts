// Ten ways in which an object does not reach an edge, each made real, with the reason that has to be named.
import { createSecureContext } from "node:tls";
import { ControlClient } from "../../base/control/client.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { limits } from "../../protocol/limits.ts";
import { issueClient } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { consoleFile } from "../../scenarios/console/console.ts";
import { LocalSource } from "../../scenarios/tap/local.ts";
import { serveTap } from "../../scenarios/tap/serve.ts";
import type { WhyReason } from "../../scenarios/tap/why.ts";
import { addNode, addPod, connectedNode, podOn } from "./nodes.ts";
import { type Cloud, startCloud } from "./start.ts";
import { hiddenRuns } from "./hidden-runs.ts";
import { until } from "./until.ts";

/** One way. `make` settles when the delivery is broken. */
export interface BrokenDelivery {
  readonly name: string;
  readonly object: string;
  readonly edge: string;
  readonly reason: WhyReason;
  /** Of the answer. */
  readonly words: RegExp;
  readonly nodeLimit?: number;
  make(cloud: Cloud, edges: (count: number) => Promise<readonly Edge[]>): Promise<void>;
}

const configmap = (name: string, data: Record<string, string> = { a: "1" }) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});

/** A pod on the node that mounts these. */
function podUsing(node: string, ...names: string[]) {
  const pod = podOn(node, "web");
  const volumes = names.map((name) => ({ name, configMap: { name } }));
  return { ...pod, spec: { ...pod.spec as object, volumes } };
}

function device(name: string, nodeName: string) {
  return {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "Device",
    metadata: { name, namespace: "default" },
    spec: { deviceModelRef: { name: "model" }, nodeName, properties: [] },
  };
}

export const brokenDeliveries: readonly BrokenDelivery[] = [
  {
    name: "the edge is away",
    object: "pod/default/web",
    edge: "edge-0",
    reason: "edge away",
    words: /edge-0 is not connected; it will be resynced when it connects/,
    async make({ core, kube }, edges) {
      const [edge] = await edges(1);
      await until("the edge is ready", () => edge?.isReady);
      edge?.link.put({ cut: "both" });
      await until("the hub has lost it", () => core.hub.sessions.of("edge-0") === undefined);
      await addPod(kube, "edge-0", "web");
    },
  },
  {
    name: "the pod is on another node",
    object: "pod/default/web",
    edge: "edge-0",
    reason: "wrong node",
    words: /pod default\/web is not for edge-0: it is bound to edge-1/,
    async make({ kube }, edges) {
      await edges(2);
      await addPod(kube, "edge-1", "web");
    },
  },
  {
    name: "no pod of the edge uses it",
    object: "configmap/default/app",
    edge: "edge-0",
    reason: "not used",
    words: /edge-0 is not sent configmap default\/app: no pod on edge-0 uses it/,
    async make({ kube }, edges) {
      await edges(1);
      await kube.create(resources.configmaps, configmap("app"));
    },
  },
  {
    name: "the lane is full",
    object: "configmap/default/big-19",
    edge: "slow",
    reason: "lane full",
    words: /did not fit into the lane of slow/,
    async make(cloud) {
      await connectedNode(cloud, "slow");
      const names = Array.from({ length: 20 }, (_, i) => `big-${i}`);
      await cloud.kube.create(resources.pods, podUsing("slow", ...names));
      for (const name of names) {
        await cloud.kube.create(resources.configmaps, configmap(name, { a: "x".repeat(900_000) }));
      }
    },
  },
  {
    name: "the version is not newer",
    object: "configmap/default/app",
    edge: "edge-0",
    reason: "delivered",
    words: /acknowledged version \d+, and the API has none that is newer/,
    async make({ kube }, edges) {
      const [edge] = await edges(1);
      await kube.create(resources.configmaps, configmap("app"));
      await kube.create(resources.pods, podUsing("edge-0", "app"));
      await until("the edge has it", () => edge?.store.get("default/configmap/app"));
      // It changes nothing, and so makes no version.
      await kube.patch({ resource: resources.configmaps, namespace: "default", name: "app" }, "merge", {
        data: { a: "1" },
      });
    },
  },
  {
    name: "the certificate has expired",
    object: "pod/default/web",
    edge: "old",
    reason: "certificate expired",
    words: /old can't connect: its certificate has expired/,
    async make({ core, kube }) {
      await addNode(kube, "old");
      await addPod(kube, "old", "web");
      const { authority } = core.hub.certificates;
      const subject = { commonName: nodeCommonName("old"), organization: nodeOrganization };
      const longAgo = Date.now() - 10 * 86_400_000;
      const { certPem: cert, keyPem: key } = await issueClient(authority, subject, longAgo, 1);
      const dialled = dialWebSocket({
        url: `wss://127.0.0.1:${core.hub.ports.websocket}/p/old/events`,
        secureContext: createSecureContext({ ca: authority.certPem, cert, key }),
        headers: { node_id: "old", project_id: "p", ConnectionUse: "msg" },
        handshakeTimeout: 5000,
        maxMessage: 1024,
        maxFragments: limits.fragments,
        maxRefusal: limits.refusalBody,
      });
      await dialled.then((socket) => socket.close(), () => {});
      await until("the hub has refused it", () => core.hub.departures.of("old"));
    },
  },
  {
    name: "the node limit is reached",
    object: "pod/default/web",
    edge: "second",
    reason: "node limit",
    words: /cloudcore refuses second: its limit of connected nodes is reached/,
    nodeLimit: 1,
    async make(cloud) {
      await connectedNode(cloud, "first");
      await addNode(cloud.kube, "second");
      await addPod(cloud.kube, "second", "web");
      const { authority } = cloud.core.hub.certificates;
      const subject = { commonName: nodeCommonName("second"), organization: nodeOrganization };
      const { certPem: cert, keyPem: key } = await issueClient(authority, subject, Date.now());
      const dialled = dialWebSocket({
        url: `wss://127.0.0.1:${cloud.core.hub.ports.websocket}/p/second/events`,
        secureContext: createSecureContext({ ca: authority.certPem, cert, key }),
        headers: { node_id: "second", project_id: "p", ConnectionUse: "msg" },
        handshakeTimeout: 5000,
        maxMessage: 1024,
        maxFragments: limits.fragments,
        maxRefusal: limits.refusalBody,
      });
      await dialled.then((socket) => socket.close(), () => {});
      await until("the hub has refused it", () => cloud.core.hub.departures.of("second"));
    },
  },
  {
    name: "the edge does not acknowledge",
    object: "pod/default/web",
    edge: "mute",
    reason: "not acknowledged",
    words: /mute has not acknowledged pod default\/web: version \d+ was written .*, first [\d.]+ m?s ago$/,
    async make(cloud) {
      const edge = await connectedNode(cloud, "mute");
      await addPod(cloud.kube, "mute", "web");
      await edge.expect("the pod", ({ route }) => route.resource === "default/pod/web");
    },
  },
  {
    name: "the watch of the API is broken",
    object: "configmap/default/app",
    edge: "edge-0",
    reason: "watch broken",
    words: /cloudcore does not see changes of configmaps at the moment: its watch of the API is broken/,
    async make({ api, core }, edges) {
      await edges(1);
      await api.stop();
      await until("the watch has failed", () => core.inspector.watchProblem("configmap"));
    },
  },
  {
    name: "the device is bound to another node",
    object: "device/default/thermometer",
    edge: "edge-0",
    reason: "wrong node",
    words: /device default\/thermometer is not for edge-0: it is bound to edge-1/,
    async make({ kube }, edges) {
      await edges(2);
      await kube.create(resources.devices, device("thermometer", "edge-1"));
    },
  },
];

/** Makes it, and opens the control endpoint of all that runs, with the console. */
export async function breakDelivery(broken: BrokenDelivery) {
  await using cleanup = new AsyncDisposableStack();
  const cloud = await startCloud(broken.nodeLimit === undefined ? {} : { config: { nodeLimit: broken.nodeLimit } });
  cleanup.defer(() => cloud.stop());
  let edges: readonly Edge[] = [];
  await broken.make(cloud, async (count) => edges = (await cloud.fleet(count)).edges());
  const tap = cleanup.use(
    await serveTap({
      what: "test",
      listen: { host: "127.0.0.1", port: 0, exact: false },
      ring: cloud.hops,
      source: new LocalSource({
        cloud: () => cloud.core.inspector,
        edges: () => edges,
        edge: (name) => edges.find((edge) => edge.name === name),
        gauges: () => cloud.core.hub.metrics(),
      }),
      logger: silentLogger,
      runFolder: hiddenRuns,
      file: consoleFile,
    }),
  );
  const url = new URL(tap.address);
  const rest = cleanup.move();
  return {
    address: tap.address,
    client: new ControlClient(url.origin, url.searchParams.get("token") ?? ""),
    stop: () => rest.disposeAsync(),
  };
}
