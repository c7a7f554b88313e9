// The other ends of a bench, each in a process of its own: many WebSocket clients, a bare `ws` server, an API, a cloudcore.
import { type ChildProcess, fork } from "node:child_process";
import type { ServerResponse } from "node:http";
import https from "node:https";
import { createSecureContext } from "node:tls";
import { fileURLToPath } from "node:url";
import { WebSocket, WebSocketServer } from "ws";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { TimerWheel } from "../../base/time/timer-wheel.ts";
import { listen } from "../../base/transport/listen.ts";
import { ApiServer, type ApiServerOptions } from "../../cloud/apiserver/apiserver.ts";
import { HopRing } from "../../base/hop/ring.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig } from "../../cloud/config/config.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { Fleet } from "../../edge-sim/fleet/fleet.ts";
import { limits } from "../../protocol/limits.ts";
import { edgecoreTimings } from "../../edge-sim/timings/timings.ts";
import { kubeedgeCrds } from "../../protocol/apis/crds.ts";
import { bulkIssuer } from "../../protocol/pki/bulk.ts";
import {
  createAuthority,
  derOf,
  issueServer,
  type KeyPair,
  loadAuthority,
  pairFromPem,
} from "../../protocol/pki/ca.ts";
import { nodeCommonName, nodeOrganization } from "../../protocol/pki/request.ts";

/** Milliseconds since the epoch, to a fraction: comparable between processes of one machine. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** A certificate and its key, as TLS takes them. */
export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ClientOptions {
  readonly port: number;
  readonly nodes: readonly (Credentials & { readonly name: string })[];
}

/** When the clients had what was waited for: per client, by `now()`. */
export interface Arrivals {
  readonly times: readonly number[];
}

/** What edges send most: renewals of leases, patches of their Nodes, reports of twins. */
export type RequestKind = "lease" | "nodepatch" | "twin";

/** What the processes can be asked. */
export interface Calls {
  /** clients: connect all of them, then send a keepalive every ten seconds. */
  connect(options: ClientOptions): void;
  /** clients: settles when every one but `except` has had a message that contains `text`. */
  arrived(text: string, except: readonly string[]): Arrivals;
  /** clients: what these do from now on. `mute` acknowledges nothing, `deaf` does not even read. */
  behave(names: readonly string[], how: "well" | "mute" | "deaf"): void;
  /** clients: each of them makes so many requests, one after another, each after the answer to the last. */
  exchange(kind: RequestKind, count: number): void;
  /** direct: the same calls of the API as a cloudcore makes for these requests, as many nodes at a time, over bare `node:https`. */
  direct(
    access: Calls["api"] extends () => infer Access ? Access : never,
    kind: RequestKind,
    nodes: readonly string[],
    count: number,
    records: Readonly<Record<string, string>>,
  ): void;
  /** bare: a server that sends texts to all its clients. */
  serve(server: Credentials): { readonly port: number };
  /** bare: sends; `$ID` in the text is a fresh id for each client. Settles when all have been written. */
  broadcast(text: string): void;
  /**
   * echo: a bare `node:https` server that reads JSON and writes it back; a GET of `/N` is answered with N bytes of JSON text,
   * one of `/watch` stays open and gets what is put (PUT), as it came.
   */
  echo(): { readonly url: string; readonly ca: string };
  /** api: an embedded API. */
  api(): { readonly url: string; readonly ca: string; readonly token: string };
  /** core: our cloudcore on that API. */
  core(access: { readonly url: string; readonly ca: string; readonly token: string }): {
    readonly port: number;
    readonly authority: Pick<KeyPair, "certPem" | "keyPem">;
    readonly server: Pick<KeyPair, "certPem" | "keyPem">;
  };
  /** Any: bytes of memory after a collection, and seconds of processor time so far. */
  usage(): { readonly rss: number; readonly cpu: number };
  /** Any: seconds of processor time so far. */
  cpu(): number;
  /** fleet: makes edges of ours, from this one on, with certificates of their own; settles when all are Ready. */
  edges(options: {
    readonly from: number;
    readonly count: number;
    readonly hub: { readonly port: number };
    readonly authority: Pick<KeyPair, "certPem" | "keyPem">;
  }): void;
  /** core: the hub's gauges. */
  gauges(): Readonly<Record<string, number>>;
  /** core: its hops are kept from now on, or no longer; returns how many were so far. */
  tap(isOn: boolean): number;
}

/** A process that answers calls. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #calls = 0;

  constructor() {
    this.#child = fork(fileURLToPath(import.meta.url), [], { execArgv: ["--expose-gc", "--max-old-space-size=4096"] });
    this.#child.on("message", ({ id, value, error }: { id: number; value: never; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    this.#child.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process ended with ${code}`));
    });
  }

  call<Name extends keyof Calls>(name: Name, ...args: Parameters<Calls[Name]>): Promise<ReturnType<Calls[Name]>> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, args });
    });
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

if (process.send !== undefined) answerCalls();

function answerCalls(): void {
  const clients = new Map<string, Client>();
  const sockets = new Set<WebSocket>();
  let core: CloudCore | undefined;
  const hops = new HopRing(limits.servedHopBytes, { isOnDemand: true });
  let untap = () => {};
  const answers: {
    readonly [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>>;
  } = {
    async connect({ port, nodes }) {
      const waiting = [...nodes];
      const joiner = async () => {
        for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
          const client = new Client(node, port);
          clients.set(node.name, client);
          await client.open;
        }
      };
      await Promise.all(Array.from({ length: 8 }, joiner));
    },
    async arrived(text, except) {
      const awaited = [...clients].filter(([name]) => !except.includes(name)).map(([, client]) => client.has(text));
      return { times: await Promise.all(awaited) };
    },
    async exchange(kind, count) {
      await Promise.all([...clients.values()].map(async (client) => {
        for (let i = 0; i < count; i++) await client.request(kind, i);
      }));
    },
    async direct({ ca, token, url }, kind, nodes, count, records) {
      const agent = new https.Agent({ keepAlive: true, maxSockets: 64, ca });
      const call = (method: string, path: string, type: string, body: string): Promise<Stored> =>
        new Promise((resolve, reject) => {
          const headers = {
            authorization: `Bearer ${token}`,
            "content-type": type,
            "content-length": Buffer.byteLength(body),
          };
          const request = https.request(url + path, { method, agent, headers }, (response) => {
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (chunk: string) => text += chunk);
            response.on("end", () => {
              if (response.statusCode === 200) resolve(JSON.parse(text) as Stored);
              else reject(new Error(`${path}: ${response.statusCode} ${text}`));
            });
          });
          request.on("error", reject);
          request.end(body);
        });
      await Promise.all(nodes.map(async (node) => {
        let version = kind === "lease" ? await versionOf(call, node) : "";
        for (let i = 0; i < count; i++) {
          if (kind === "lease") {
            const lease = leaseOf(node, version, i);
            const stored = await call(
              "PUT",
              leasePath(node),
              "application/json",
              JSON.stringify({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", ...lease }),
            );
            version = stored.metadata.resourceVersion;
          } else if (kind === "nodepatch") {
            await call("PATCH", `/api/v1/nodes/${node}/status`, "application/strategic-merge-patch+json", nodePatch(i));
            // Every change of a Node goes to its edge, as with Go, and what that acknowledges is written down.
            const record = `/apis/reliablesyncs.kubeedge.io/v1alpha1/clusterobjectsyncs/${records[node]}/status`;
            const status = { status: { objectResourceVersion: String(i + 1) } };
            await call("PATCH", record, "application/merge-patch+json", JSON.stringify(status));
          } else {
            const twins = [{
              propertyName: "temperature",
              reported: { value: String(i), metadata: { timestamp: String(i), type: "int" } },
            }];
            const path = `/apis/devices.kubeedge.io/v1beta1/namespaces/default/devicestatuses/${node}`;
            await call("PATCH", path, "application/merge-patch+json", JSON.stringify({ status: { twins } }));
          }
        }
      }));
      agent.destroy();
    },
    behave(names, how) {
      for (const name of names) clients.get(name)?.behave(how);
      return Promise.resolve();
    },
    serve({ ca, cert, key }) {
      const server = https.createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true });
      const websockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
      websockets.on("connection", (socket) => {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("message", () => {});
      });
      return new Promise((resolve) =>
        server.listen(0, "127.0.0.1", () => resolve({ port: (server.address() as { port: number }).port }))
      );
    },
    broadcast(text) {
      for (const socket of sockets) socket.send(text.replace("$ID", crypto.randomUUID()));
      return Promise.resolve();
    },
    async echo() {
      const authority = await createAuthority("echo-ca", Date.now());
      const { certPem, keyPem } = await issueServer(authority, { commonName: "echo" }, ["127.0.0.1"], Date.now());
      const texts = new Map<string, string>();
      const watchers = new Set<ServerResponse>();
      const server = https.createServer({ key: keyPem, cert: certPem }, (request, response) => {
        const write = (text: string) => response.writeHead(200, { "content-type": "application/json" }).end(text);
        if (request.method === "GET") {
          const path = request.url ?? "";
          if (path === "/watch") {
            watchers.add(response.writeHead(200));
            response.flushHeaders();
            return;
          }
          if (!texts.has(path)) texts.set(path, JSON.stringify({ text: "x".repeat(Number(path.slice(1)) - 11) }));
          return void write(texts.get(path) as string);
        }
        const parts: Buffer[] = [];
        request.on("data", (part: Buffer) => parts.push(part));
        request.on("end", () => {
          const text = JSON.stringify(JSON.parse(Buffer.concat(parts).toString()));
          if (request.method === "PUT") {
            const bytes = Buffer.from(text);
            for (const watcher of watchers) watcher.write(bytes);
          }
          write(text);
        });
      });
      server.keepAliveTimeout = 60_000;
      const port = await listen(server, { host: "127.0.0.1", port: 0, exact: false });
      return { url: `https://127.0.0.1:${port}`, ca: authority.certPem };
    },
    async api() {
      const options: ApiServerOptions = {
        listen: { host: "127.0.0.1", port: 0, exact: false },
        clock: new TimerWheel(),
        random: new Random(1),
        logger: silentLogger,
        seed: kubeedgeCrds,
      };
      return (await ApiServer.start(options)).access;
    },
    async core(access) {
      core = await CloudCore.start({
        kubeconfig: tokenKubeConfig(access),
        config: { ...defaultConfig, nodeLimit: 100_000 },
        websocket: { host: "127.0.0.1", port: 0, exact: false },
        https: { host: "127.0.0.1", port: 0, exact: false },
        clock: new TimerWheel(),
        random: new Random(1),
        logger: silentLogger,
        tap: hops,
      });
      const { authority, server } = core.hub.certificates;
      const pair = ({ certPem, keyPem }: KeyPair) => ({ certPem, keyPem });
      return { port: core.hub.ports.websocket, authority: pair(authority), server: pair(server) };
    },
    async usage() {
      for (let i = 0; i < 3; i++) {
        (globalThis as { gc?: () => void }).gc?.();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return { rss: process.memoryUsage().rss, cpu: cpuSeconds() };
    },
    async edges({ authority, count, from, hub }) {
      const issue = bulkIssuer(
        await loadAuthority(derOf(authority.certPem), pairFromPem(authority.certPem, authority.keyPem).keyDer),
        Date.now(),
      );
      const clock = new TimerWheel();
      const fleet = new Fleet({
        cohorts: [{ cohort: `fleet-${from}`, count }],
        hub: {
          host: "127.0.0.1",
          websocketPort: hub.port,
          httpsPort: hub.port,
          issue: (node) => {
            const { certPem, keyPem } = issue({ commonName: nodeCommonName(node), organization: nodeOrganization });
            return { ca: authority.certPem, cert: certPem, key: keyPem };
          },
        },
        timings: edgecoreTimings,
        clock,
        random: new Random(1),
        logger: silentLogger,
      });
      await fleet.start();
      while (fleet.totals().ready < count) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    cpu: () => Promise.resolve(cpuSeconds()),
    gauges: () => Promise.resolve(core?.hub.metrics() ?? {}),
    tap(isOn) {
      untap();
      untap = isOn ? hops.listen(() => {}) : () => {};
      return Promise.resolve(hops.position);
    },
  };
  process.on("message", ({ id, name, args }: { id: number; name: keyof Calls; args: never[] }) => {
    const run = answers[name] as (...args: never[]) => Promise<unknown>;
    run(...args).then(
      (value) => process.send?.({ id, value }),
      (error) => process.send?.({ id, error: (error as Error).stack ?? String(error) }),
    );
  });
}

interface Stored {
  readonly metadata: { readonly resourceVersion: string };
}

const leasePath = (node: string) => `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${node}`;

/** The version of a node's lease: an empty merge patch changes nothing. */
async function versionOf(
  call: (method: string, path: string, type: string, body: string) => Promise<Stored>,
  node: string,
): Promise<string> {
  return (await call("PATCH", leasePath(node), "application/merge-patch+json", "{}")).metadata.resourceVersion;
}

function leaseOf(node: string, resourceVersion: string, i: number) {
  const renewTime = new Date(1_700_000_000_000 + i).toISOString().replace("Z", "000Z");
  return {
    metadata: { name: node, namespace: "kube-node-lease", ...(resourceVersion === "" ? {} : { resourceVersion }) },
    spec: { holderIdentity: node, leaseDurationSeconds: 40, renewTime },
  };
}

/** A heartbeat as edgecore writes it. */
function nodePatch(i: number): string {
  const types = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];
  const lastHeartbeatTime = new Date(1_700_000_000_000 + i * 1000).toISOString().replace(".000Z", "Z");
  return JSON.stringify({
    status: {
      "$setElementOrder/conditions": types.map((type) => ({ type })),
      conditions: types.map((type) => ({ type, status: type === "Ready" ? "True" : "False", lastHeartbeatTime })),
    },
  });
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** One bare client: it reads what comes, remembers when, and acknowledges it. */
class Client {
  readonly open: Promise<void>;
  readonly #socket: WebSocket;
  readonly #awaited = new Map<string, (time: number) => void>();
  #acknowledges = true;
  readonly #name: string;
  readonly #answers = new Map<string, (text: string) => void>();
  #leaseVersion = "";

  constructor({ name, ca, cert, key }: ClientOptions["nodes"][number], port: number) {
    this.#name = name;
    this.#socket = new WebSocket(
      `wss://127.0.0.1:${port}/p/${name}/events`,
      {
        secureContext: createSecureContext({ ca, cert, key }),
        perMessageDeflate: false,
        headers: { node_id: name, project_id: "p", ConnectionUse: "msg" },
      } as ConstructorParameters<typeof WebSocket>[2],
    );
    this.open = new Promise((resolve, reject) => {
      this.#socket.once("open", resolve);
      this.#socket.once("error", reject);
    });
    this.#socket.on("message", (data) => this.#take(String(data)));
    const beat = () =>
      this.#socket.send(
        `{"header":{"msg_id":"k","timestamp":1},"route":{"source":"websocket","group":"resource","operation":"keepalive","resource":"node"},"content":"ping"}\n`,
      );
    this.open.then(() => {
      beat();
      setInterval(() => this.#socket.readyState === WebSocket.OPEN && beat(), 10_000).unref();
    }, () => {});
  }

  has(text: string): Promise<number> {
    return new Promise((resolve) => this.#awaited.set(text, resolve));
  }

  /** Sends one request and waits for its answer. */
  async request(kind: RequestKind, i: number): Promise<void> {
    const id = crypto.randomUUID();
    const name = this.#name;
    const [operation, resource, source, content] = ({
      lease: () => {
        const operation = this.#leaseVersion === "" ? "insert" : "update";
        return [operation, `kube-node-lease/lease/${name}`, "edged", leaseOf(name, this.#leaseVersion, i)];
      },
      nodepatch: () => ["patch", `null/nodepatch/${name}`, "edged", nodePatch(i)],
      twin: () => ["update", `device/default/${name}/twin/edge_updated`, "twin", {
        event_id: "",
        timestamp: i,
        twin: { temperature: { actual: { value: String(i), metadata: { timestamp: i } }, metadata: { type: "int" } } },
      }],
    } as const)[kind]();
    const answer = new Promise<string>((resolve) => this.#answers.set(id, resolve));
    const route = { source, group: source === "twin" ? "resource" : "meta", operation, resource };
    this.#socket.send(`${JSON.stringify({ header: { msg_id: id, timestamp: 1 }, route, content })}\n`);
    const text = await answer;
    if (kind === "lease") {
      this.#leaseVersion =
        (JSON.parse(text) as { content: { Object: Stored } }).content.Object.metadata.resourceVersion;
    }
  }

  behave(how: "well" | "mute" | "deaf"): void {
    this.#acknowledges = how === "well";
    if (how === "deaf") this.#socket.pause();
    else this.#socket.resume();
  }

  #take(text: string): void {
    const time = now();
    for (const [awaited, tell] of this.#awaited) {
      if (!text.includes(awaited)) continue;
      this.#awaited.delete(awaited);
      tell(time);
    }
    const parent = /"parent_msg_id":"([^"]+)"/.exec(text)?.[1] ?? "";
    const answered = this.#answers.get(parent);
    this.#answers.delete(parent);
    if (answered !== undefined) return answered(text);
    const id = /"msg_id":"([^"]+)"/.exec(text)?.[1];
    if (!this.#acknowledges || id === undefined) return;
    this.#socket.send(
      `{"header":{"msg_id":"a","parent_msg_id":"${id}","timestamp":1},"route":{"source":"edgecontroller","group":"resource","operation":"response","resource":"r"},"content":"OK"}\n`,
    );
  }
}
