// The doctor against our cloudcore: it walks all the way, and names the first step that is broken, in each of the ways that it can be.
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { type DoctorOptions, walk } from "../../edge-sim/doctor/doctor.ts";
import { createAuthority } from "../../protocol/pki/ca.ts";
import { createToken } from "../../protocol/pki/token.ts";
import { connectedNode } from "../support/nodes.ts";
import { anyPort, type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => {
  cloud = await startCloud({ config: { nodeLimit: 2 } });
});
afterAll(() => cloud.stop());

function optionsOf(more: Partial<DoctorOptions> = {}): DoctorOptions {
  const { ports, token } = cloud.core.hub;
  return {
    host: "127.0.0.1",
    websocketPort: ports.websocket,
    httpsPort: ports.https,
    token,
    node: "patient",
    registers: false,
    timeout: 3000,
    now: Date.now,
    signal: AbortSignal.timeout(60_000),
    ...more,
  };
}
const walked = async (more: Partial<DoctorOptions> = {}) => await walk(optionsOf(more), () => {});
const firstFailed = async (more: Partial<DoctorOptions>) =>
  (await walked(more)).find(({ verdict }) => verdict === "failed");

test("a cloudcore that works passes every step, and has no Node afterwards unless that was asked for", async () => {
  const steps = await walked();
  expect(steps.filter(({ verdict }) => verdict === "failed")).toEqual([]);
  expect(steps.filter(({ verdict }) => verdict === "not tried").map(({ name }) => name)).toEqual([
    "registration",
    "versions",
  ]);
  expect(await cloud.kube.find({ resource: resources.nodes, name: "patient" })).toBeUndefined();
  const all = await walked({ registers: true });
  expect(all.every(({ verdict }) => verdict === "ok")).toBe(true);
  expect(await cloud.kube.find({ resource: resources.nodes, name: "patient" })).toBeDefined();
});

test("what comes after the broken step is not tried", async () => {
  const steps = await walked({ host: "no-such-host.invalid" });
  expect(steps[0]).toMatchObject({ name: "address", verdict: "failed" });
  expect(steps.slice(1).every(({ verdict }) => verdict === "not tried")).toBe(true);
});

test("a port that nobody listens on is named", async () => {
  expect(await firstFailed({ websocketPort: 1 })).toMatchObject({
    name: "hub port",
    advice: expect.stringContaining("modules.cloudHub.websocket.port is 1"),
  });
  expect(await firstFailed({ httpsPort: 1 })).toMatchObject({ name: "enrolment port" });
});

test("a port that speaks no TLS is named", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const httpsPort = await listen(server, anyPort);
  expect(await firstFailed({ httpsPort })).toMatchObject({ name: "TLS" });
  await closeServer(server);
});

test("a token of another cloudcore, and one that has expired, are told apart", async () => {
  const other = await createToken(await createAuthority("KubeEdge", Date.now()), Date.now() + 60_000);
  expect(await firstFailed({ token: other })).toMatchObject({
    name: "CA",
    found: expect.stringContaining("not the one the token was made for"),
  });
  const old = await createToken(cloud.core.hub.certificates.authority, Date.now() - 60_000);
  expect(await firstFailed({ token: old })).toMatchObject({
    name: "token",
    found: expect.stringContaining("has expired"),
  });
});

test("a name that the hub's certificate does not have is named, with the setting that adds it", async () => {
  const elsewhere = await startCloud({ config: { advertiseAddress: ["192.0.2.1"] } });
  try {
    const { ports, token } = elsewhere.core.hub;
    const found = await firstFailed({ websocketPort: ports.websocket, httpsPort: ports.https, token });
    expect(found).toMatchObject({
      name: "server's names",
      found: expect.stringContaining("it is for 192.0.2.1"),
      advice: expect.stringContaining("add 127.0.0.1 to modules.cloudHub.advertiseAddress"),
    });
  } finally {
    await elsewhere.stop();
  }
});

test("the node limit is named", async () => {
  const edges = await Promise.all([connectedNode(cloud, "one"), connectedNode(cloud, "two")]);
  const found = await firstFailed({});
  expect(found).toMatchObject({
    name: "hub",
    found: expect.stringContaining("limit of 2"),
    advice: expect.stringContaining("nodeLimit"),
  });
  for (const edge of edges) edge.close();
});
