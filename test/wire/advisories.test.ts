// Inputs of KubeEdge's advisories and crash fixes that no other test sends; docs/security.md has all of them.
import https from "node:https";
import { createSecureContext } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { dialWebSocket } from "../../base/transport/websocket-client.ts";
import { DeviceStatuses } from "../../cloud/devicecontroller/statuses.ts";
import { Caches } from "../../cloud/kube/caches.ts";
import { KubeClient } from "../../cloud/kube/client.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { limits } from "../../protocol/limits.ts";
import { isNewerVersion } from "../../protocol/apis/kube-object.ts";
import type { Device } from "../../protocol/apis/device.ts";
import { newMessage } from "../../protocol/message/message.ts";
import { createAuthority, issueServer } from "../../protocol/pki/ca.ts";
import { connectedEdge } from "../support/fake-cloud.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { startCloud } from "../support/start.ts";
import { until } from "../support/until.ts";

test("of the answer to a refused handshake a kilobyte is read, however much comes (CVE-2022-31080)", async () => {
  const authority = await createAuthority("KubeEdge", Date.now());
  const pair = await issueServer(authority, { commonName: "x", organization: "x" }, ["127.0.0.1"], Date.now());
  let written = 0;
  const server = https.createServer({ cert: pair.certPem, key: pair.keyPem });
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n");
    // As much as it is let: a peer that reads all of it would never be done.
    const more = () => {
      while (!socket.destroyed && written < 512 * 1024 * 1024) {
        written += 65_536;
        if (!socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`)) return;
      }
    };
    socket.on("drain", more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { readonly port: number };
  const dialled = dialWebSocket({
    url: `wss://127.0.0.1:${port}/`,
    secureContext: createSecureContext({ ca: authority.certPem }),
    headers: {},
    handshakeTimeout: 10_000,
    maxMessage: 1024,
    maxFragments: limits.fragments,
    maxRefusal: limits.refusalBody,
  });
  await expect(dialled).rejects.toMatchObject({ status: 403 });
  await expect(dialled).rejects.toThrow(/^refused with HTTP 403: x{1,1100}$/);
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

test.each([
  ["abc", "def"],
  ["", "x1"],
  ["9".repeat(400), "1"],
  ["-1", "0x10"],
  ["1e3", "NaN"],
])("versions that are no numbers, as %j and %j, are compared without harm", (one, other) => {
  expect(typeof isNewerVersion(one, other)).toBe("boolean");
  expect(isNewerVersion(one, other) && isNewerVersion(other, one)).toBe(false);
});

test("a DeviceStatus that two cloudcores make at the same time is made once, and both go on with it (739030623)", async () => {
  const cloud = await startCloud();
  onTestFinished(() => cloud.stop());
  const { apiVersion, kind } = resources.devices;
  const device = await cloud.kube.create(resources.devices, {
    apiVersion,
    kind,
    metadata: { name: "d", namespace: "default" },
    spec: { nodeName: "n", protocol: { protocolName: "virtual" } },
  }) as Device;
  const made = await Promise.all(["one", "other"].map(async () => {
    const client = new KubeClient(tokenKubeConfig(cloud.api.access));
    const caches = new Caches(client, { clock: cloud.clock, random: new Random(1), logger: silentLogger });
    onTestFinished(async () => {
      await caches.stop();
      await client.close();
    });
    // Neither's cache is filled: each must find out by the API's answer.
    const statuses = new DeviceStatuses(caches);
    const status = await statuses.ensure(device);
    await statuses.patch(device, { state: "online" });
    return status.metadata.uid;
  }));
  expect(new Set(made).size).toBe(1);
  expect((await cloud.kube.list(resources.devicestatuses)).items).toHaveLength(1);
});

test("a Deployment without replicas and an EndpointSlice without nodeName are taken, and edges are served on (08bff677d, d9be698d0)", async () => {
  const cloud = await startCloud();
  onTestFinished(() => cloud.stop());
  const edge = await rawEdge(cloud, "edge-0");
  const labels = { app: "web" };
  const containers = [{ name: "c", image: "i" }];
  const made = await cloud.kube.create(await cloud.kube.resourceOf({ apiVersion: "apps/v1", kind: "Deployment" }), {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  });
  expect(made.spec).toMatchObject({ replicas: 1 });
  const slices = await cloud.kube.resourceOf({ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" });
  await cloud.kube.create(slices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-x", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.7"] }],
  });
  await until("its pod is made", async () => (await cloud.kube.list(resources.pods)).items.length === 1);
  edge.send({ operation: "ping" });
  await edge.expect("an answer", ({ content }) => content === "ack");
  edge.close();
});

test("shell metacharacters in jobs and in reports about them are texts (CVE-2026-62182, CVE-2026-62371)", async () => {
  const cloud = await startCloud();
  onTestFinished(() => cloud.stop());
  const marker = join(tmpdir(), `skep-shell-${process.pid}`);
  const evil = `x; touch ${marker} #$(touch ${marker})\`touch ${marker}\`|touch ${marker}`;
  const { authority } = cloud.core.hub.certificates;
  const report = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const { https: port } = cloud.core.hub.ports;
      const request = https.request(
        { host: "127.0.0.1", port, path, method: "POST", ca: authority.certPem },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      request.on("error", reject);
      request.end(JSON.stringify({ NodeName: evil, From: evil, To: evil, Status: evil, Reason: evil }));
    });
  expect(await report("/nodeupgrade")).toBe(200);
  const word = encodeURIComponent(evil);
  expect(await report(`/task/upgrade/name/${word}/node/${word}/status`)).toBe(200);
  // An edge's name may have none of them.
  await expect(rawEdge(cloud, evil)).rejects.toThrow();
  const edge = await rawEdge(cloud, "edge-0");
  edge.send({
    operation: "update",
    resource: "default/nodeupgradejobstatus/x",
    content: { Status: evil, version: evil },
  });
  edge.send({ operation: "ping" });
  await edge.expect("an answer", ({ content }) => content === "ack");
  edge.close();
  expect(existsSync(marker)).toBe(false);
});

test("a twin that is empty, or is synced with nothing, is answered or dropped by the edge, which goes on (567654497)", async () => {
  const { edge, said, send } = await connectedEdge();
  const tell = (resource: string, content: unknown) =>
    send(newMessage(0, { source: "devicecontroller", group: "twin", operation: "update", resource, content }));
  const devices = (twin: unknown) => ({ added_devices: [{ id: "default/d", name: "d", twin }], removed_devices: null });
  for (const twin of [null, {}, { t: null }, { t: {} }, [], "text"]) {
    tell("membership", devices(twin));
    tell("device/default/d/twin/cloud_updated", { event_id: "", timestamp: 0, twin });
    tell("device/default/d/twin/cloud_updated", twin);
  }
  const last = newMessage(0, {
    source: "edgecontroller",
    group: "resource",
    operation: "insert",
    resource: "default/configmap/last",
    content: { metadata: { name: "last", namespace: "default", uid: "u", resourceVersion: "1" } },
  });
  send(last);
  await until(
    "it acknowledges what comes after",
    () => said.some((each) => each.header.parent_msg_id === last.header.msg_id),
  );
  expect(edge.hub.isConnected).toBe(true);
});
