// Steps about workloads, and those that reach beyond the cluster: what they wait for, and how they fail.
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { start, type Started } from "../../index.ts";
import { closeServer } from "../../base/transport/listen.ts";
import { freePorts } from "../support/free-ports.ts";
import { rolloutProblem } from "../../scenarios/steps/workloads.ts";

let session: Started;
let server: Server;
let url: string;
let asked = 0;
beforeAll(async () => {
  session = await start({ edges: 1 });
  server = createServer((request, response) => {
    asked++;
    let body = "";
    request.on("data", (chunk) => body += String(chunk));
    request.on("end", () => {
      if (request.url === "/late" && asked < 3) return response.writeHead(503).end("not yet");
      if (request.url === "/moved") return response.writeHead(302, { location: "/" }).end();
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify({ method: request.method, type: request.headers["content-type"], body }));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await closeServer(server);
  await session[Symbol.asyncDispose]();
});

const deployment = (name: string, image: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image }] } },
  },
});
const web = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };

describe("workloads", () => {
  test("a Deployment is rolled out, scaled, and rolled out again with new pods", async () => {
    await session.apply(deployment("web", "i:1"));
    await session.rollout({ object: web });
    await session.scale({ object: web, replicas: 3 });
    await session.rollout({ object: web });
    const podsOf = async () =>
      (await session.kube.list(await session.kube.resourceOf({ apiVersion: "v1", kind: "Pod" }), {
        namespace: session.namespace,
        labelSelector: "app=web",
      })).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid);
    const before = await podsOf();
    expect(before).toHaveLength(3);
    await session.rollout({ object: web, restart: true });
    const after = await podsOf();
    expect(after).toHaveLength(3);
    expect(after.filter((uid) => before.includes(uid))).toEqual([]);
  }, 30_000);

  test("of one cloudcore there is no second to restart, and no edge's clock is set that isn't there", async () => {
    await expect(session.restart({ what: "cloudcore", replica: 2 })).rejects.toThrow(
      "there is no cloudcore 2: there is one, number 0",
    );
    await expect(session.clock({ edge: "none", back: "1h" })).rejects.toThrow('there is no edge "none"');
    await expect(session.clock({ cohort: "none", back: "1h" })).rejects.toThrow('there is no cohort "none"');
    await expect(session.clock({ edge: "none" })).rejects.toThrow(/forward|back/);
  });

  test("what is not there, or is no workload, is said", async () => {
    await expect(session.rollout({ object: { ...web, name: "none" }, within: "100ms" })).rejects.toThrow(
      "there is no Deployment none",
    );
    await session.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } });
    await expect(session.rollout({ object: { apiVersion: "v1", kind: "ConfigMap", name: "c" } })).rejects.toThrow(
      /a ConfigMap is not rolled out/,
    );
    await expect(session.scale({ object: { apiVersion: "v1", kind: "ConfigMap", name: "c" }, replicas: 1 })).rejects
      .toThrow(
        /scale ConfigMap c: the API answered 404/,
      );
  });

  test.each([
    ["Deployment", { replicas: 2 }, { updatedReplicas: 1 }, "1 of 2 pods are new"],
    ["Deployment", { replicas: 2 }, { updatedReplicas: 2, replicas: 3 }, "1 old pods are still there"],
    [
      "Deployment",
      { replicas: 2 },
      { updatedReplicas: 2, replicas: 2, availableReplicas: 1 },
      "1 of 2 new pods are available",
    ],
    ["Deployment", { replicas: 2 }, { updatedReplicas: 2, replicas: 2, availableReplicas: 2 }, undefined],
    ["StatefulSet", { replicas: 2 }, { readyReplicas: 1 }, "1 of 2 pods are ready"],
    [
      "StatefulSet",
      { replicas: 1 },
      { readyReplicas: 1, updateRevision: "b", currentRevision: "a" },
      "0 of 1 pods are new",
    ],
    ["DaemonSet", {}, { desiredNumberScheduled: 2, updatedNumberScheduled: 1 }, "1 of 2 pods are new"],
    [
      "DaemonSet",
      {},
      { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 },
      "1 of 2 new pods are available",
    ],
  ])("a %s with %j and %j: %s", (kind, spec, status, problem) => {
    expect(rolloutProblem({ apiVersion: "apps/v1", kind, metadata: { name: "w" }, spec, status })).toBe(problem);
    const metadata = { name: "w", generation: 2 };
    expect(rolloutProblem({ apiVersion: "apps/v1", kind, metadata, spec, status })).toBe(
      "its change has not been seen yet",
    );
  });
});

describe("assert", () => {
  const c = (more: object) => ({ apiVersion: "v1", kind: "ConfigMap", ...more });
  test("holds where an object has the fields, by name or by labels; absent where none has them", async () => {
    await session.apply([
      c({ metadata: { name: "a", labels: { group: "g" } }, data: { one: "1", two: "2" } }),
      c({ metadata: { name: "b", labels: { group: "g" } }, data: { one: "9" } }),
    ] as never);
    await session.assert(c({ metadata: { name: "a" }, data: { two: "2" } }) as never);
    await session.assert(c({ metadata: { labels: { group: "g" } }, data: { one: "9" } }) as never);
    await session.assert({ objects: c({ metadata: { name: "a" }, data: { one: "2" } }) as never, absent: true });
    await session.assert({ objects: c({ metadata: { name: "nobody" } }) as never, absent: true });
    const wrong = session.assert({
      objects: c({ metadata: { name: "a" }, data: { one: "2" } }) as never,
      within: "50ms",
    });
    await expect(wrong).rejects.toMatchObject({ cause: { details: ['data.one: expected "2", found "1"'] } });
    await expect(session.assert({ objects: c({ metadata: { labels: { group: "x" } } }) as never, within: "50ms" }))
      .rejects
      .toMatchObject({ cause: { details: ["it is not there"] } });
  });
});

describe("http", () => {
  test("sends what it is told, and gives the answer", async () => {
    expect(await session.http({ url, match: { method: "GET" } })).toMatchObject({
      status: 200,
      body: { method: "GET" },
    });
    await session.http({
      url,
      method: "POST",
      body: { a: 1 },
      match: { method: "POST", type: "application/json", body: '{"a":1}' },
    });
    await session.http({ url: `${url}/moved`, status: 302 });
  });

  test("asks again until the answer is the one that is wanted, and says what was missing where it does not come", async () => {
    asked = 0;
    await session.http({ url: `${url}/late` });
    expect(asked).toBe(3);
    await expect(session.http({ url, match: { method: "PUT" }, within: "100ms" })).rejects.toMatchObject({
      cause: {
        details: [
          expect.stringContaining('method: expected "PUT", found "GET"'),
          expect.stringContaining("the answer"),
        ],
      },
    });
    const [closed] = await freePorts(1);
    await expect(session.http({ url: `http://127.0.0.1:${closed}/`, within: "100ms" })).rejects.toMatchObject({
      cause: { details: [expect.stringMatching(/no answer: .*(ECONNREFUSED|refused)/i)] },
    });
    await expect(session.http({ url: "ftp://x" })).rejects.toThrow(/http/);
  });
});

describe("exec", () => {
  const node = (code: string, more: object = {}) =>
    session.exec({ command: [process.execPath, ...evaluate(code)], ...more });
  const evaluate = (code: string) => "Deno" in globalThis ? ["eval", code] : ["-e", code];

  test("gives the output, as text or as JSON, and checks it", async () => {
    expect(await node("console.log('hello')", { stdout: "hello" })).toMatchObject({ code: 0, stdout: "hello" });
    await node("console.log(JSON.stringify({ a: 1, b: 2 }))", { stdout: { a: 1 } });
    await node("console.log('a1')", { stdout: { $matches: "^a\\d$" } });
    await node("console.log(globalThis.process.env.NAMESPACE + globalThis.process.env.X)", {
      env: { X: "!" },
      stdout: `${session.namespace}!`,
    });
  });

  test("has the target's own API in its KUBECONFIG, and no token of edges in what is said of it", async () => {
    const { stdout } = await node("console.log(globalThis.process.env.KUBECONFIG)") as { readonly stdout: string };
    expect(stdout).toMatch(/skep-exec-\w+[/\\]kubeconfig$/);
    expect(existsSync(stdout)).toBe(false);
    const read = `console.log(require("fs").readFileSync(process.env.KUBECONFIG, "utf8").includes(${
      JSON.stringify(session.kube.server)
    }))`;
    if (!("Deno" in globalThis)) await node(read, { stdout: "true" });
    const error = await session.exec({ command: ["no-such-program", "$TOKEN"] }).catch((reason: unknown) => reason);
    expect(String(error)).toContain("(token)");
    expect(String(error)).not.toContain(session.environment.token);
  });

  test("fails with the code, the output or the time that is not the wanted one", async () => {
    await node("globalThis.process.exit(3)", { code: 3 });
    await expect(node("console.error('no'); globalThis.process.exit(3)")).rejects.toMatchObject({
      message: expect.stringContaining("ended with 3, not 0"),
      cause: { details: ["errors:", "  no"] },
    });
    await expect(node("console.log('a')", { stdout: "b" })).rejects.toThrow("its output is another one");
    await expect(node("setTimeout(() => {}, 60000)", { within: "300ms" })).rejects.toThrow("not within 300 ms");
    await expect(session.exec({ command: ["no-such-program"] })).rejects.toThrow("it can't be started");
  });
});
