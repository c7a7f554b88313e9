// A proxy between our own edges and cloudcore, over real TLS: enrolment, messages, faults, in both trust situations.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ControlClient } from "../../base/control/client.ts";
import { HopRing } from "../../base/hop/ring.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { closeServer, listen } from "../../base/transport/listen.ts";
import type { Edge } from "../../edge-sim/edge.ts";
import { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { edgecoreTimings, scaledTimings } from "../../edge-sim/timings/timings.ts";
import { issueClient, issueServer } from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";
import { Proxy } from "../../proxy/proxy.ts";
import { type ProxyTrust, trustOfAuthority, trustOfFiles } from "../../proxy/trust.ts";
import { judgeRecording } from "../../scenarios/recording/judge.ts";
import { ProxyFaults, ProxySource } from "../../scenarios/tap/proxied.ts";
import { serveTap } from "../../scenarios/tap/serve.ts";
import type { Why } from "../../scenarios/tap/why.ts";
import { addPod } from "../support/nodes.ts";
import { anyPort, type Cloud, startCloud } from "../support/start.ts";
import { hiddenRuns } from "../support/hidden-runs.ts";
import { until } from "../support/until.ts";

let cloud: Cloud;
beforeAll(async () => {
  cloud = await startCloud();
});
afterAll(() => cloud.stop());

/** A proxy before the cloud, and edges that connect to it alone. */
async function behindProxy(trust: ProxyTrust, names: { readonly cohort: string; readonly count: number }) {
  await using cleanup = new AsyncDisposableStack();
  const { clock } = cloud;
  const { ports } = cloud.core.hub;
  const ring = new HopRing(20_000_000);
  const proxy = cleanup.use(
    await Proxy.start({
      hub: anyPort,
      enrolment: anyPort,
      to: { host: "127.0.0.1", hubPort: ports.websocket, enrolPort: ports.https },
      trust,
      clock,
      random: new Random(1),
      logger: silentLogger,
      tap: ring,
    }),
  );
  const signal = new AbortController();
  cleanup.defer(() => signal.abort());
  const tap = cleanup.use(
    await serveTap({
      what: "proxy",
      listen: anyPort,
      ring,
      source: new ProxySource(() => proxy),
      logger: silentLogger,
      runFolder: hiddenRuns,
      actions: new ProxyFaults(() => proxy, clock, signal.signal),
    }),
  );
  const fleet = cleanup.use(
    new Fleet({
      cohorts: [names],
      hub: {
        host: "127.0.0.1",
        websocketPort: proxy.ports.hub,
        httpsPort: proxy.ports.enrolment,
        token: cloud.core.hub.token,
      },
      timings: scaledTimings(edgecoreTimings, 10),
      clock,
      random: new Random(2),
      logger: silentLogger,
    }),
  );
  await fleet.start();
  await until("all are ready", () => fleet.edges().every(({ isReady }) => isReady), 30_000);
  const url = new URL(tap.address);
  const rest = cleanup.move();
  return {
    ring,
    proxy,
    fleet,
    client: new ControlClient(url.origin, url.searchParams.get("token") ?? ""),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

const ofAuthority = () => trustOfAuthority(cloud.core.hub.certificates.authority, ["127.0.0.1"], Date.now);
const storeOf = (edge: Edge | undefined, path: string) => edge?.store.get(path);

describe("with the cloudcore's CA", () => {
  test("edges enrol and register through it, and every message is seen, connections and all", async () => {
    await using all = await behindProxy(await ofAuthority(), { cohort: "through", count: 2 });
    const { fleet, proxy, ring } = all;
    await addPod(cloud.kube, "through-0", "seen");
    await until("the pod is there", () => storeOf(fleet.get("through-0"), "default/pod/seen"));
    const hops = [...ring.since(0)];
    expect(new Set(hops.map(({ hop }) => hop))).toEqual(new Set(["proxy.connect", "proxy.up", "proxy.down"]));
    expect(hops.filter(({ hop }) => hop === "proxy.connect").map(({ node }) => node).toSorted()).toEqual([
      "through-0",
      "through-1",
    ]);
    const pod = hops.find(({ direction, resource }) => direction === "down" && resource === "default/pod/seen");
    expect(pod).toMatchObject({ node: "through-0", operation: "insert", hop: "proxy.down" });
    // The hub has seen the same edges by their own names, with the certificates that the proxy made.
    expect(cloud.core.hub.sessions.of("through-1")).toBeDefined();
    expect(proxy.edge("through-0")).toMatchObject({ isConnected: true, connections: 1 });
    expect(judgeRecording(hops).filter(({ verdict }) => verdict === "broken")).toEqual([]);
  });

  test("a fault on one edge's link acts on that edge alone, and what it swallowed is named", async () => {
    await using all = await behindProxy(await ofAuthority(), { cohort: "bad", count: 2 });
    const { client, fleet, ring } = all;
    await client.post("/api/actions", { fault: { edge: "bad-0", halfOpen: "down" } });
    await addPod(cloud.kube, "bad-0", "lost");
    await addPod(cloud.kube, "bad-1", "found");
    await until("the other edge has its pod", () => storeOf(fleet.get("bad-1"), "default/pod/found"));
    await until(
      "the fault is seen",
      () => [...ring.since(0)].some(({ hop, resource }) => hop === "proxy.drop" && resource === "default/pod/lost"),
    );
    expect(storeOf(fleet.get("bad-0"), "default/pod/lost")).toBeUndefined();
    const why = await client.get<Why>("/api/why", { object: "pod/lost", edge: "bad-0" });
    expect(why.answer).toMatch(/did not get through to bad-0: this proxy dropped it/);
    expect(why.evidence.join()).toMatch(/half-open down/);
    await client.post("/api/actions", { fault: { edge: "bad-0", heal: true } });
    await until("it arrives after all", () => storeOf(fleet.get("bad-0"), "default/pod/lost"), 30_000);
    // The edge may have lost its connection meanwhile: then it comes once more, when that is back.
    await until("its acknowledgement is seen, too", async () => {
      const { answer, reason } = await client.get<Why>("/api/why", { object: "pod/lost", edge: "bad-0" });
      if (reason !== "delivered") throw new Error(answer);
      return true;
    }, 30_000);
  });

  test("a message that comes twice is seen to, by its id; and a proxy that stops ends what waits for a fault", async () => {
    await using all = await behindProxy(await ofAuthority(), { cohort: "twice", count: 1 });
    const { client, fleet, proxy, ring } = all;
    await client.post("/api/actions", { fault: { edge: "twice-0", duplicate: 1, direction: "down" } });
    await addPod(cloud.kube, "twice-0", "again");
    await until("the pod is there", () => storeOf(fleet.get("twice-0"), "default/pod/again"));
    const altered = [...ring.since(0)].find(({ hop, resource }) =>
      hop === "proxy.alter" && resource === "default/pod/again"
    );
    expect(altered?.id).not.toBe("");
    expect(altered?.outcome).toMatch(/^duplicated/);
    await client.post("/api/actions", { fault: { edge: "twice-0", cut: "blackHole" } });
    await proxy.stop();
    expect([...ring.since(0)].at(-1)).toMatchObject({
      hop: "proxy.disconnect",
      node: "twice-0",
      outcome: "the proxy is stopping",
    });
  });

  test("latency is added to each message, and a cut ends the connection until it is healed", async () => {
    await using all = await behindProxy(await ofAuthority(), { cohort: "slow", count: 1 });
    const { client, fleet, proxy } = all;
    const edge = fleet.get("slow-0") as Edge;
    await client.post("/api/actions", { fault: { edge: "slow-0", latency: "300ms", direction: "down" } });
    const began = performance.now();
    await addPod(cloud.kube, "slow-0", "late");
    await until("it arrives", () => storeOf(edge, "default/pod/late"));
    expect(performance.now() - began).toBeGreaterThan(290);
    await client.post("/api/actions", { fault: { edge: "slow-0", heal: true } });
    await client.post("/api/actions", { fault: { edge: "slow-0", cut: "both" } });
    await until("it is gone", () => !edge.hub.isConnected && proxy.edge("slow-0")?.isConnected === false);
    expect(proxy.edge("slow-0")?.problem).toMatch(/a fault has cut the link/);
    await client.post("/api/actions", { fault: { edge: "slow-0", heal: true } });
    await until("it is back", () => edge.hub.isConnected, 30_000);
  });

  test.each([
    [{ fault: { edge: "nobody", cut: "both" } }, /no edge nobody has come through this proxy/],
    [{ fault: { edge: "x", cut: "half" } }, /fault/],
    [{ edge: { restart: "x" } }, /one step is needed/],
  ])("%j is refused", async (step, reason) => {
    const clock = cloud.clock;
    const none = { edge: () => undefined, edges: () => [] } as unknown as Proxy;
    await expect((async () => await new ProxyFaults(() => none, clock, new AbortController().signal).take(step))())
      .rejects.toThrow(reason);
  });
});

describe("with certificates that are given", () => {
  test("an edge connects by its own, and one without a file of its own is refused with the file's name", async () => {
    const folder = mkdtempSync(join(tmpdir(), "skep-proxy-"));
    try {
      const { authority } = cloud.core.hub.certificates;
      const server = await issueServer(authority, { commonName: "proxy" }, ["127.0.0.1"], Date.now());
      const file = (name: string, text: string) => {
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      };
      mkdirSync(join(folder, "edges"));
      const own = await issueClient(authority, {
        commonName: nodeCommonName("given-0"),
        organization: nodeOrganization,
      }, Date.now());
      file("edges/given-0.crt", own.certPem);
      file("edges/given-0.key", own.keyPem);
      const trust = await trustOfFiles({
        ca: file("ca.crt", authority.certPem),
        serverCert: file("server.crt", server.certPem),
        serverKey: file("server.key", server.keyPem),
        edges: join(folder, "edges"),
      });
      await using all = await behindProxy(trust, { cohort: "given", count: 1 });
      const { fleet, ring } = all;
      await addPod(cloud.kube, "given-0", "given");
      await until("the pod is there", () => storeOf(fleet.get("given-0"), "default/pod/given"));
      fleet.add("missing");
      const refused = await until(
        "the other is refused",
        () => [...ring.since(0)].find(({ hop, node }) => hop === "proxy.disconnect" && node === "missing"),
      );
      expect(refused.outcome).toMatch(/edges\/missing\.crt can't be read/);
      await expect(trustOfFiles({ ca: "none", serverCert: "none", serverKey: "none", edges: "none" })).rejects.toThrow(
        /none can't be read/,
      );
      await expect(trust.clientOf({ commonName: "system:node:../../etc/passwd" })).rejects.toThrow(/which is no node/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("a cloudcore that is not there is named, and edges come when it is", async () => {
  const ring = new HopRing(1_000_000);
  const trust = await ofAuthority();
  await using proxy = await Proxy.start({
    hub: anyPort,
    enrolment: anyPort,
    to: { host: "127.0.0.1", hubPort: 1, enrolPort: 1 },
    trust,
    clock: cloud.clock,
    random: new Random(1),
    logger: silentLogger,
    tap: ring,
  });
  const { authority } = cloud.core.hub.certificates;
  const pair = await issueClient(
    authority,
    { commonName: nodeCommonName("early"), organization: nodeOrganization },
    Date.now(),
  );
  await using fleet = new Fleet({
    cohorts: [{
      cohort: "early",
      count: 1,
      credentials: { ca: authority.certPem, cert: pair.certPem, key: pair.keyPem },
    }],
    hub: { host: "127.0.0.1", websocketPort: proxy.ports.hub, httpsPort: proxy.ports.enrolment },
    timings: scaledTimings(edgecoreTimings, 10),
    clock: cloud.clock,
    random: new Random(2),
    logger: silentLogger,
  });
  await fleet.start();
  const seen = await until("it is said", () => [...ring.since(0)].find(({ hop }) => hop === "proxy.disconnect"));
  expect(seen).toMatchObject({ node: "early" });
  expect(seen.outcome).toMatch(/the cloudcore can't be reached: .*ECONNREFUSED/);
});

describe("connections that say nothing", () => {
  /** A proxy before a server that answers `there`, and counts who comes. */
  async function quiet() {
    const trust = await ofAuthority();
    let came = 0;
    const cloudcore = createServer({ ...trust.server, ca: trust.ca }, (socket) => {
      came++;
      socket.on("error", () => {});
      socket.once("data", () => socket.end("there"));
    });
    const port = await listen(cloudcore, anyPort);
    onTestFinished(() => closeServer(cloudcore));
    const proxy = await Proxy.start({
      hub: anyPort,
      enrolment: anyPort,
      to: { host: "127.0.0.1", hubPort: port, enrolPort: port },
      trust,
      clock: cloud.clock,
      random: new Random(1),
      logger: silentLogger,
      tap: { on: undefined },
      handshakes: { pending: 3, timeout: 1000 },
    });
    onTestFinished(() => proxy.stop());
    const { authority } = cloud.core.hub.certificates;
    const subject = { commonName: nodeCommonName("quiet"), organization: nodeOrganization };
    const pair = await issueClient(authority, subject, Date.now());
    const dial = (to: "hub" | "enrolment") => {
      const edge = connect({
        host: "127.0.0.1",
        port: proxy.ports[to],
        ca: trust.ca,
        cert: pair.certPem,
        key: pair.keyPem,
      });
      edge.on("error", () => {});
      return edge;
    };
    return { dial, came: () => came };
  }

  test("at enrolment cost the cloudcore no connection, and end in time; one that asks is served meanwhile", async () => {
    const { came, dial } = await quiet();
    const silent = [dial("enrolment"), dial("enrolment")];
    await until("their handshakes are done", () => silent.every((socket) => socket.getPeerCertificate()?.subject));
    const asking = dial("enrolment");
    asking.write("GET /edge.crt");
    const chunks: Buffer[] = [];
    for await (const chunk of asking) chunks.push(chunk as Buffer);
    expect([Buffer.concat(chunks).toString(), came()]).toEqual(["there", 1]);
    // Nor does one that ends without a word.
    const brief = dial("enrolment");
    brief.end();
    await until("the silent ones are ended", () => [...silent, brief].every((socket) => socket.closed));
    expect(came()).toBe(1);
  });

  test.each(["hub", "enrolment"] as const)("are bounded at the %s", async (to) => {
    const { dial } = await quiet();
    const silent = Array.from({ length: 3 }, () => dial(to));
    await until("their handshakes are done", () => silent.every((socket) => socket.getPeerCertificate()?.subject));
    const refused = dial(to);
    await until("one too many is refused", () => refused.closed);
    expect(silent.some((socket) => socket.closed)).toBe(false);
    await until("the others are ended in time", () => silent.every((socket) => socket.closed));
  });
});
