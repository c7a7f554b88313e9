// The embedded API per second of its processor time, against a bare `node:https` server that echoes JSON, in the same run; what a
// pod costs where there are few and where there are many; and its memory. `npm run bench`; `--count N` and `--nodes N` (the larger
// number) make it shorter or longer.
import type { ClientRequest } from "node:http";
import https from "node:https";
import { parseArgs } from "node:util";
import { mapAtOnce } from "./certificates.ts";
import { Peer } from "./peers.ts";

const { values } = parseArgs({
  options: { count: { type: "string", default: "2000" }, nodes: { type: "string", default: "10000" } },
});
const COUNT = Number(values.count);
const NODES = Number(values.nodes);
const LISTED = Math.min(5000, COUNT * 2);
const AT_ONCE = 16;

const WATCHERS = 1000;
const CHANGES = 20;

interface Access {
  readonly ca: string;
  readonly url: string;
  readonly token?: string;
}

type Call = (method: string, path: string, body?: unknown, type?: string) => Promise<string>;

function client({ ca, token, url }: Access): Call {
  const agent = new https.Agent({ keepAlive: true, maxSockets: AT_ONCE, ca });
  return (method, path, body, type = "application/json") =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(text === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) }),
      };
      const request = https.request(url + path, { method, agent, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => {
          const answer = Buffer.concat(parts).toString();
          if ((response.statusCode ?? 500) < 300) resolve(answer);
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${answer.slice(0, 300)}`));
        });
      });
      request.on("error", reject);
      request.end(text);
    });
}

/** Runs it for each number; tells calls per second of the peer's processor. */
async function perSecond(peer: Peer, count: number, run: (i: number) => Promise<unknown>): Promise<number> {
  const before = await peer.call("cpu");
  await mapAtOnce(Array.from({ length: count }, (_, i) => i), run, AT_ONCE);
  return count / (await peer.call("cpu") - before);
}

const path = "/api/v1/namespaces/default/configmaps";
const data = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`key-${i}`, "x".repeat(100)]));
const object = (name: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, labels: { app: "bench" } },
  data,
});
const pod = (name: string, more = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app: "bench" } },
  spec: {
    containers: [{
      name: "c",
      image: "i",
      env: Array.from({ length: 10 }, (_, i) => ({ name: `NAME_${i}`, value: "value" })),
    }],
    ...more,
  },
});

{
  using apiProcess = new Peer();
  using echoProcess = new Peer();
  const call = client(await apiProcess.call("api"));
  const bare = client(await echoProcess.call("echo"));
  const body = object("echo");
  const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
  const compare = async (
    what: string,
    aim: number,
    run: (i: number) => Promise<unknown>,
    plain: (i: number) => Promise<unknown>,
  ) => {
    await mapAtOnce(Array.from({ length: Math.min(200, COUNT) }, (_, i) => i), plain, AT_ONCE);
    const ours = await perSecond(apiProcess, COUNT, run);
    const theirs = await perSecond(echoProcess, COUNT, plain);
    console.log(
      `${what}: ${ours.toFixed(0)} a second of the API's processor, bare echo ${theirs.toFixed(0)}, ratio ${
        (ours / theirs).toFixed(2)
      } (aim ${aim})`,
    );
  };
  const echo = () => bare("POST", "/", body);
  // What runs the first time is compiled; that is not what is measured.
  await mapAtOnce(
    Array.from({ length: Math.min(200, COUNT) }, (_, i) => i),
    (i) => call("POST", path, object(`warm-${i}`)),
    AT_ONCE,
  );
  await compare("create", 0.5, (i) => call("POST", path, object(`c-${i}`)), echo);
  const size = sizeOf(JSON.parse(await call("GET", `${path}/c-0`)));
  await compare("get", 0.5, (i) => call("GET", `${path}/c-${i}`), () => bare("GET", `/${size}`));
  const change = (i: number) => ({ metadata: { labels: { i: `${i}` } }, data: { "key-0": `y${i}` } });
  await compare(
    "merge patch",
    0.5,
    (i) => call("PATCH", `${path}/c-${i}`, change(i), "application/merge-patch+json"),
    echo,
  );
  await compare(
    "strategic merge patch",
    0.2,
    (i) => call("PATCH", `${path}/c-${i}`, change(i + 1), "application/strategic-merge-patch+json"),
    echo,
  );
  await compare(
    "server-side apply",
    0.2,
    (i) =>
      call("PATCH", `${path}/s-${i % 100}?fieldManager=bench&force=true`, {
        ...object(`s-${i % 100}`),
        data: { ...data, "key-0": `z${i}` },
      }, "application/apply-patch+yaml"),
    echo,
  );
  const pods = "/api/v1/namespaces/default/pods";
  await mapAtOnce(
    Array.from({ length: LISTED }, (_, i) => i),
    (i) => call("POST", pods, pod(`p-${i}`, { nodeName: "none" })),
    AT_ONCE,
  );
  const status = (i: number) => ({
    status: { phase: "Running", podIP: `10.0.${i >> 8}.${i & 255}`, startTime: "2026-01-01T00:00:00Z" },
  });
  await compare(
    "status patch",
    0.5,
    (i) => call("PATCH", `${pods}/p-${i % LISTED}/status`, status(i), "application/merge-patch+json"),
    echo,
  );
  const list = Buffer.byteLength(await call("GET", pods));
  await bare("GET", `/${list}`);
  const ours = 1 / await perSecond(apiProcess, 10, () => call("GET", pods));
  const theirs = 1 / await perSecond(echoProcess, 10, () => bare("GET", `/${list}`));
  console.log(
    `a list of ${LISTED} pods, ${(list / 2 ** 20).toFixed(1)} MiB: ${
      (ours * 1000).toFixed(1)
    } ms of processor, writing as much text ${(theirs * 1000).toFixed(1)} ms, ratio ${
      (ours / theirs).toFixed(2)
    } (aim 2 at most)`,
  );
}

/** Milliseconds of the peer's processor for a change that so many watchers see, each on a connection of its own. */
async function watched(peer: Peer, { ca, token, url }: Access, path: string, change: (i: number) => Promise<unknown>) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: Infinity, ca });
  let bytes = 0;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const watchers = await mapAtOnce(
    Array.from({ length: WATCHERS }, (_, i) => i),
    () =>
      new Promise<ClientRequest>((resolve, reject) => {
        const request = https.get(url + path, { agent, headers }, (response) => {
          response.on("data", (part: Uint8Array) => bytes += part.length);
          response.on("error", () => {});
          resolve(request);
        });
        request.on("error", reject);
      }),
    AT_ONCE,
  );
  const settled = async (count: number, from: number) => {
    let before = -1;
    await until(async () => {
      const isStill = bytes === before && bytes > from + count * WATCHERS * 1000;
      before = bytes;
      return await Promise.resolve(isStill);
    });
  };
  await change(-1);
  await settled(1, 0);
  const [from, start] = [await peer.call("cpu"), bytes];
  for (let i = 0; i < CHANGES; i++) await change(i);
  await settled(CHANGES, start);
  const perChange = (await peer.call("cpu") - from) * 1000 / CHANGES;
  for (const watcher of watchers) watcher.destroy();
  return perChange;
}

{
  using apiProcess = new Peer();
  using echoProcess = new Peer();
  const [api, echo] = [await apiProcess.call("api"), await echoProcess.call("echo")];
  const [call, bare] = [client(api), client(echo)];
  await call("POST", path, object("seen"));
  const change = (i: number) =>
    call("PATCH", `${path}/seen`, { data: { "key-0": `z${i}` } }, "application/merge-patch+json");
  const ours = await watched(apiProcess, api, `${path}?watch=true`, change);
  const text = JSON.parse(await call("GET", `${path}/seen`)) as unknown;
  const theirs = await watched(echoProcess, echo, "/watch", () => bare("PUT", "/", text));
  console.log(
    `a change that ${WATCHERS} watchers see: ${
      ours.toFixed(1)
    } ms of processor, bare server that writes the same to each ${theirs.toFixed(1)} ms, quotient ${
      (ours / theirs).toFixed(2)
    } (aim 1.3 at most)`,
  );
}

const ready = {
  conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "2026-01-01T00:00:00Z" }],
  allocatable: { cpu: "8", memory: "16Gi", pods: "110" },
};

/** Milliseconds of the API's processor for a pod of so many on as many nodes, from its creation until all are bound. */
async function podsOn(count: number, more: number): Promise<{ readonly perPod: number; readonly rss: number }> {
  using apiProcess = new Peer();
  const call = client(await apiProcess.call("api"));
  const all = Array.from({ length: count }, (_, i) => i);
  await mapAtOnce(all, (i) => call("POST", "/api/v1/nodes", { metadata: { name: `n-${i}` }, status: ready }), AT_ONCE);
  await until(async () => !(await call("GET", "/api/v1/nodes")).includes("node.kubernetes.io/not-ready"));
  const before = await apiProcess.call("cpu");
  await mapAtOnce(all, (i) => call("POST", "/api/v1/namespaces/default/pods", pod(`p-${i}`)), AT_ONCE);
  await until(async () =>
    (JSON.parse(await call("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3D&limit=1")) as { items: unknown[] }).items
      .length === 0
  );
  const perPod = (await apiProcess.call("cpu") - before) * 1000 / count;
  await mapAtOnce(
    Array.from({ length: more }, (_, i) => i),
    (i) => call("POST", "/api/v1/namespaces/default/pods", pod(`more-${i}`, { nodeName: `n-${i % count}` })),
    AT_ONCE,
  );
  return { perPod, rss: (await apiProcess.call("usage")).rss };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 100));
}

const few = await podsOn(Math.ceil(NODES / 10), 0);
const many = await podsOn(NODES, NODES * 2);
console.log(
  `a pod that is created and bound: ${few.perPod.toFixed(2)} ms of processor among ${Math.ceil(NODES / 10)}, ${
    many.perPod.toFixed(2)
  } ms among ${NODES}, quotient ${(many.perPod / few.perPod).toFixed(2)} (aim 1.3 at most)`,
);
console.log(
  `memory with ${NODES} nodes and ${NODES * 3} pods: ${
    (many.rss / 2 ** 20).toFixed(0)
  } MB (aim 600 at most for 10000 and 30000)`,
);
