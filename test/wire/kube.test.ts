// The Kubernetes client and its informers against a real server: connections, unknown fields, and what a watch survives.
import { request as httpsRequest } from "node:https";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { connect, createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { closeServer, listen } from "../../base/transport/listen.ts";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { KubeApiError, KubeClient, KubeUnreachableError } from "../../cloud/kube/client.ts";
import { type CacheEvent, Informer, type InformerOptions } from "../../cloud/kube/informer.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { at, type KubeObject } from "../../protocol/apis/kube-object.ts";
import { until } from "../support/until.ts";
import { anyPort, startApi } from "../support/start.ts";

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).toReversed()) await close();
});

async function start() {
  const { api, clock } = await startApi({ controllers: false });
  cleanup.push(() => api.stop());
  const kube = new KubeClient(tokenKubeConfig(api.access));
  cleanup.push(() => kube.close());
  return { api, clock, kube };
}

const configMap = (
  name: string,
  data: Record<string, string> = {},
  more: Record<string, unknown> = {},
): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
  ...more,
});

async function informerOf(kube: KubeClient, kind: Resource = resources.configmaps, options: InformerOptions = {}) {
  const world = { clock: new TimerWheel(), random: new Random(1), logger: silentLogger };
  const informer = new Informer(kube, kind, world, options);
  const events: CacheEvent[] = [];
  informer.subscribe((event) => events.push(event));
  cleanup.push(() => informer.stop());
  await informer.start();
  return { informer, events, names: () => events.map((e) => `${e.type} ${e.object.metadata.name}`) };
}

describe("the client", () => {
  test("says for whom it asks, with its own credentials", async () => {
    const heard: IncomingHttpHeaders[] = [];
    const server = createHttpServer((request, response) => {
      heard.push(request.headers);
      response.end('{"metadata":{"name":"n"}}');
    });
    const port = await listen(server, anyPort);
    const config = tokenKubeConfig({ url: `https://127.0.0.1:${port}`, ca: "", token: "own" });
    config.config.clusters = config.config.clusters.map((cluster) => ({
      ...cluster,
      server: `http://127.0.0.1:${port}`,
      skipTLSVerify: true,
    }));
    const client = new KubeClient(config);
    const node = client.impersonating("system:node:n", "system:nodes");
    for (const asking of [node, client]) await asking.get({ resource: resources.nodes, name: "n" });
    expect(heard.map((headers) => [headers.authorization, headers["impersonate-user"], headers["impersonate-group"]]))
      .toEqual([
        ["Bearer own", "system:node:n", "system:nodes"],
        ["Bearer own", undefined, undefined],
      ]);
    await client.close();
    await closeServer(server);
  });

  test("keeps its connections: 200 calls, one after another and at once, open few", async () => {
    const { api } = await start();
    let connections = 0;
    const counter = createServer((socket) => {
      connections++;
      const onward = connect(api.port, "127.0.0.1");
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on("error", () => end.destroy());
    });
    const port = await listen(counter, anyPort);
    const kube = new KubeClient(tokenKubeConfig({ ...api.access, url: `https://127.0.0.1:${port}` }));
    for (let i = 0; i < 100; i++) await kube.list(resources.configmaps);
    // undici may open a second one while the first answer is still being read.
    expect(connections).toBeLessThanOrEqual(2);
    await Promise.all(Array.from({ length: 100 }, () => kube.list(resources.configmaps)));
    expect(connections).toBeLessThanOrEqual(64);
    await kube.close();
    await closeServer(counter);
  });

  test("says what the API said, and when there was no answer at all", async () => {
    const { api, kube } = await start();
    await expect(kube.get({ resource: resources.configmaps, namespace: "default", name: "x" })).rejects.toThrow(
      KubeApiError,
    );
    await expect(kube.get({ resource: resources.configmaps, namespace: "default", name: "x" })).rejects.toThrow(
      'configmaps "x" not found',
    );
    expect(await kube.find({ resource: resources.configmaps, namespace: "default", name: "x" })).toBeUndefined();
    await api.stop();
    await expect(kube.list(resources.nodes)).rejects.toThrow(KubeUnreachableError);
  });

  test("finds the place of kinds it doesn't know by asking the server", async () => {
    const { kube } = await start();
    expect(await kube.resourceOf({ apiVersion: "v1", kind: "Event" })).toMatchObject({
      plural: "events",
      namespaced: true,
    });
    await expect(kube.resourceOf({ apiVersion: "v1", kind: "Nothing" })).rejects.toThrow("has no kind Nothing in v1");
  });
});

describe("objects", () => {
  test("come unchanged, fields of no schema and micro-times too, by list, watch and patch", async () => {
    const { kube } = await start();
    const strange = { future: { field: [1, { a: "b" }] }, when: "2026-01-02T03:04:05.123456Z", big: 12345678901234 };
    const kind = resources.devices;
    const { informer } = await informerOf(kube, kind);
    const device = {
      apiVersion: "devices.kubeedge.io/v1beta1",
      kind: "Device",
      metadata: { name: "strange", namespace: "default" },
    };
    await kube.create(kind, { ...device, spec: { protocol: { configData: strange } } });
    const watched = await until("the watch has it", () => informer.get("default", "strange"));
    const [listed] = (await kube.list(kind)).items;
    const patched = await kube.patch(
      { resource: kind, namespace: "default", name: "strange" },
      "merge",
      { metadata: { labels: { x: "y" } } },
    );
    const again = await informerOf(kube, kind);
    for (const object of [watched, listed, patched, again.informer.get("default", "strange")]) {
      expect(at(object, "spec", "protocol", "configData")).toEqual(strange);
      expect(object?.kind).toBe("Device");
      expect(typeof object?.metadata.creationTimestamp).toBe("string");
    }
  });

  test("more than a page of them are all listed", async () => {
    const { kube } = await start();
    for (let i = 0; i < 510; i++) await kube.create(resources.configmaps, configMap(`c${i}`));
    expect((await kube.list(resources.configmaps)).items).toHaveLength(510);
  });
});

describe("an informer", () => {
  test("tells of what is there, what changes and what goes", async () => {
    const { kube } = await start();
    await kube.create(resources.configmaps, configMap("a"));
    const { names } = await informerOf(kube);
    const ref = { resource: resources.configmaps, namespace: "default", name: "a" };
    await kube.patch(ref, "merge", { data: { x: "1" } });
    await kube.delete(ref);
    await until("three events", () => names().length === 3);
    expect(names()).toEqual(["added a", "modified a", "deleted a"]);
  });

  test.each([
    [true, "without who owns which of their fields"],
    [false, "as they are"],
  ])("that is lean: %s, keeps objects %s", async (isLean) => {
    const { kube } = await start();
    await kube.create(resources.configmaps, configMap("a", { x: "1" }));
    const { informer } = await informerOf(kube, resources.configmaps, { isLean });
    await kube.create(resources.configmaps, configMap("b", { x: "1" }));
    await until("both are there", () => informer.list().length === 2);
    const kept = informer.list().map(({ metadata }) => metadata.managedFields !== undefined);
    expect(kept).toEqual([!isLean, !isLean]);
    expect(informer.get("default", "b")?.metadata.resourceVersion).toBeDefined();
  });

  test("goes on after the server was restarted, missing nothing", async () => {
    const { api, kube } = await start();
    const { names } = await informerOf(kube);
    await kube.create(resources.configmaps, configMap("before"));
    await until("the first", () => names().includes("added before"));
    await api.restart();
    await until("the server answers", () => kube.create(resources.configmaps, configMap("after")));
    await until("the second", () => names().includes("added after"));
    expect(names()).toEqual(["added before", "added after"]);
  });

  test("survives a while without credentials, when its watch begins anew", async () => {
    const { api, kube } = await start();
    const access = tokenKubeConfig(api.access);
    const watching = new KubeClient(access);
    cleanup.push(() => watching.close());
    const { names } = await informerOf(watching);
    const real = access.config.applySecurityAuthentication.bind(access.config);
    let failures = 0;
    access.config.applySecurityAuthentication = () => {
      failures++;
      return Promise.reject(new Error("exec plugin: exit status 1"));
    };
    await api.restart();
    // A connection that breaks in its handshake is given up by undici after ten seconds, where the runtime doesn't tell (Deno).
    await until("the credentials have been asked for twice", () => failures >= 2, 20_000);
    access.config.applySecurityAuthentication = real;
    await until("the server answers", () => kube.create(resources.configmaps, configMap("after")));
    await until("the informer has gone on", () => names().includes("added after"));
  });

  test("lists again after 410 and tells the difference, an object made anew as two events", async () => {
    const { api, kube } = await start();
    for (const name of ["stays", "goes", "anew"]) await kube.create(resources.configmaps, configMap(name));
    const { names, events } = await informerOf(kube);
    events.length = 0;
    // What happens while nobody looks, and is then forgotten by the server, as after an etcd compaction.
    const { store } = api.resources;
    await api.stop();
    for (const name of ["goes", "anew"]) {
      store.remove("configmaps", store.get("configmaps", `default/${name}`) as KubeObject);
    }
    store.put(
      "configmaps",
      configMap("anew", {}, { metadata: { name: "anew", namespace: "default", uid: "another" } }),
    );
    store.put("configmaps", configMap("new", {}, { metadata: { name: "new", namespace: "default", uid: "new" } }));
    store.compact();
    await api.restart().catch(() => {});
    await until("it has caught up", () => names().includes("added new"));
    expect(names().sort()).toEqual(["added anew", "added new", "deleted anew", "deleted goes"]);
  });
});

describe("warnings about unknown fields", () => {
  const created = async (fields: Record<string, unknown>) => {
    const { api } = await start();
    const body = JSON.stringify({ ...configMap("a"), ...fields });
    const { promise, resolve, reject } = Promise.withResolvers<{ status?: number; warnings: readonly string[] }>();
    const sent = httpsRequest(`${api.access.url}/api/v1/namespaces/default/configmaps?fieldValidation=Warn`, {
      method: "POST",
      ca: api.access.ca,
      headers: { authorization: `Bearer ${api.access.token}`, "content-type": "application/json" },
    }, (response) => {
      response.resume();
      const warnings = response.headersDistinct.warning ?? [];
      resolve({ ...(response.statusCode && { status: response.statusCode }), warnings });
    });
    sent.on("error", reject);
    sent.end(body);
    return await promise;
  };

  test("are headers in UTF-8, whatever the fields are called", async () => {
    const { status, warnings } = await created({ 'größe\n"\x7f': 1 });
    expect(status).toBe(201);
    expect(warnings.map((text) => Buffer.from(text, "latin1").toString("utf8"))).toEqual([
      String.raw`299 - "unknown field \"größe\\n\\\"\u007f\""`,
    ]);
  });

  test("are bounded as kube-apiserver's are", async () => {
    const fields = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`${"x".repeat(400)}${i}`, 1]));
    const { status, warnings } = await created(fields);
    expect(status).toBe(201);
    expect(warnings).toHaveLength(16);
    expect(warnings[0]).toHaveLength(256 + '299 - ""'.length + 1);
  });
});
