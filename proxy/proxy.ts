// Stands between edges and a cloudcore: hub and enrolment, TLS on both sides, what passes between them seen, and faults on the way.
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import type { HopRecord, Tap } from "../base/hop/hop.ts";
import { type Alteration, Link, type LinkQuality, type Way } from "../base/link/link.ts";
import { type Logger, reasonOf } from "../base/log/logger.ts";
import type { Random } from "../base/random/random.ts";
import type { Clock } from "../base/time/clock.ts";
import { boundHandshakes, type HandshakeLimits } from "../base/transport/handshakes.ts";
import { closeServer, listen, type ListenOptions } from "../base/transport/listen.ts";
import { limits } from "../protocol/limits.ts";
import { decodeMessage } from "../protocol/message/codec.ts";
import { type HopName, hopOf } from "../protocol/message/hops.ts";
import type { Subject } from "../protocol/pki/ca.ts";
import { copyBothWays, relay } from "./relay.ts";
import type { ProxyTrust } from "./trust.ts";

/** Injected dependencies. */
export interface ProxyDeps {
  readonly hub: ListenOptions;
  readonly enrolment: ListenOptions;
  /** The cloudcore. */
  readonly to: { readonly host: string; readonly hubPort: number; readonly enrolPort: number };
  readonly trust: ProxyTrust;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tap: Tap;
  /** What every link is like from the beginning. Default: as good as it is. */
  readonly quality?: LinkQuality;
  /** Connections to each port that have not asked for anything yet. Default: as at the hub's own. */
  readonly handshakes?: HandshakeLimits;
}

/** An edge as the proxy has seen it. */
export interface ProxiedEdge {
  readonly node: string;
  readonly link: Link;
  readonly isConnected: boolean;
  /** Why it is not; empty where it is. */
  readonly problem: string;
  readonly connections: number;
  readonly up: number;
  readonly down: number;
}

interface Entry {
  readonly node: string;
  readonly link: Link;
  open: number;
  problem: string;
  connections: number;
  up: number;
  down: number;
}

/** Edges that are remembered; the ones that left first are forgotten. */
const REMEMBERED = 20_000;
/** Milliseconds for a TLS handshake with the cloudcore. */
const HANDSHAKE_MS = 10_000;
const none = { header: { msg_id: "" }, route: {} };

export class Proxy {
  readonly #deps: ProxyDeps;
  readonly #edges = new Map<string, Entry>();
  readonly #servers: Server[] = [];
  /** What ends each that is open. */
  readonly #relays = new Set<(reason: string) => void>();
  #ports = { hub: 0, enrolment: 0 };

  private constructor(deps: ProxyDeps) {
    this.#deps = deps;
  }

  /** Listens. Rejects with ListenError. */
  static async start(deps: ProxyDeps): Promise<Proxy> {
    const proxy = new Proxy(deps);
    try {
      const hub = await proxy.#serve(deps.hub, true, (...of) => void proxy.#connectHub(...of));
      const enrolment = await proxy.#serve(deps.enrolment, false, (...of) => proxy.#acceptEnrolment(...of));
      proxy.#ports = { hub, enrolment };
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    return proxy;
  }

  /** Where it listens. */
  get ports(): { readonly hub: number; readonly enrolment: number } {
    return this.#ports;
  }

  edges(): ProxiedEdge[] {
    return [...this.#edges.values()].map((entry) => this.#shown(entry));
  }

  edge(node: string): ProxiedEdge | undefined {
    const entry = this.#edges.get(node);
    return entry && this.#shown(entry);
  }

  async stop(): Promise<void> {
    for (const end of this.#relays) end("the proxy is stopping");
    await Promise.all(this.#servers.splice(0).map(closeServer));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** `requested`: the connection has asked for something. */
  async #serve(
    where: ListenOptions,
    needsCertificate: boolean,
    accept: (socket: TLSSocket, requested: () => void) => void,
  ): Promise<number> {
    const { handshakes = { pending: limits.handshakes, timeout: limits.handshakeTimeout }, trust } = this.#deps;
    const { ca, server: { cert, key } } = trust;
    const server = createServer({
      ca,
      cert,
      key,
      requestCert: true,
      // At enrolment an edge has none yet.
      rejectUnauthorized: needsCertificate,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: HANDSHAKE_MS,
    });
    const bound = boundHandshakes(server, handshakes);
    server.on("secureConnection", (socket) => accept(socket, () => bound.requested(socket)));
    server.on(
      "tlsClientError",
      (error) => this.#deps.logger.debug("a TLS handshake failed", { error: reasonOf(error) }),
    );
    const port = await listen(server, where);
    this.#servers.push(server);
    return port;
  }

  async #connectHub(edge: TLSSocket, requested: () => void): Promise<void> {
    edge.on("error", () => {});
    edge.pause();
    const subject = subjectIn(edge);
    let entry: Entry | undefined;
    let cloud: TLSSocket;
    try {
      cloud = await this.#dial(this.#deps.to.hubPort, subject);
    } catch (error) {
      const reason = `the cloudcore can't be reached: ${reasonOf(error)}`;
      this.#deps.logger.warn("an edge could not be connected", { edge: subject.commonName, reason });
      this.#tapConnection("proxy.disconnect", nodeNameOf(subject), reason);
      return void edge.destroy();
    }
    // It may have gone meanwhile; what it asked for would stay open.
    if (edge.destroyed) return void cloud.destroy();
    const end = relay(edge, cloud, {
      request: (head) => {
        requested();
        entry = this.#entryOf(headerIn(head, "node_id") ?? nodeNameOf(subject));
        entry.open++;
        entry.connections++;
        this.#tapConnection("proxy.connect", entry.node, "");
        return entry.link;
      },
      message: (way, payload, isDropped) => entry && this.#message(entry, way, payload, isDropped),
      altered: (way, payload, how) => entry && this.#altered(entry, way, payload, how),
      describe: (way, payload) => entry && this.#described(entry, way, payload),
      unreadable: (way, reason) =>
        this.#deps.logger.warn("what passes can't be read; it is passed on", { edge: entry?.node, way, reason }),
      ended: (reason) => {
        this.#relays.delete(end);
        if (entry === undefined) return;
        entry.open--;
        entry.problem = reason;
        this.#tapConnection("proxy.disconnect", entry.node, reason);
      },
    });
    this.#relays.add(end);
    edge.resume();
  }

  /** Anybody may connect here: one that says nothing costs the cloudcore no connection. */
  #acceptEnrolment(edge: TLSSocket, requested: () => void): void {
    edge.on("error", () => {});
    edge.once("readable", () => {
      // The end of one that has said nothing.
      if (edge.readableLength === 0) return void edge.destroy();
      requested();
      edge.setTimeout(limits.handshakeTimeout, () => edge.destroy());
      void this.#connectEnrolment(edge);
    });
  }

  /** Tokens and certificates pass here: copied, and looked at by nobody. */
  async #connectEnrolment(edge: TLSSocket): Promise<void> {
    try {
      // An edge whose certificate is to be renewed shows it; the cloudcore must see one of the same name.
      const cloud = await this.#dial(this.#deps.to.enrolPort, edge.authorized ? subjectIn(edge) : undefined);
      if (edge.destroyed) return void cloud.destroy();
      copyBothWays(edge, cloud);
    } catch (error) {
      this.#deps.logger.warn("an edge could not be connected for enrolment", { reason: reasonOf(error) });
      edge.destroy();
    }
  }

  async #dial(port: number, subject: Subject | undefined): Promise<TLSSocket> {
    const { to: { host }, trust } = this.#deps;
    const pair = subject === undefined ? {} : await trust.clientOf(subject);
    return await new Promise((resolve, reject) => {
      const socket = connect({ host, port, ca: trust.ca, ...pair, ALPNProtocols: ["http/1.1"] }, () => {
        clearTimeout(late);
        socket.off("error", reject);
        resolve(socket);
      });
      const late = setTimeout(
        () => socket.destroy(new Error(`no TLS handshake within ${HANDSHAKE_MS} ms`)),
        HANDSHAKE_MS,
      );
      socket.once("error", (error) => {
        clearTimeout(late);
        reject(error);
      });
    });
  }

  #entryOf(node: string): Entry {
    const known = this.#edges.get(node);
    if (known !== undefined) return known;
    const { clock, quality, random } = this.#deps;
    const link = new Link(clock, random.stream(`proxy/${node}`), quality ?? {});
    const entry = { node, link, open: 0, problem: "", connections: 0, up: 0, down: 0 };
    this.#edges.set(node, entry);
    if (this.#edges.size > REMEMBERED) {
      for (const [name, { open }] of this.#edges) {
        if (open > 0) continue;
        this.#edges.delete(name);
        break;
      }
    }
    return entry;
  }

  #message(entry: Entry, way: "up" | "down", payload: Buffer, isDropped: boolean): void {
    if (!isDropped) entry[way]++;
    const { clock, tap } = this.#deps;
    if (tap.on === undefined) return;
    const text = payload.toString("utf8");
    const outcome = isDropped ? `a fault on the link: ${entry.link.faults.join(", ")}` : "";
    const hop: HopName = isDropped ? "proxy.drop" : `proxy.${way}`;
    const at = { time: clock.now(), hop, direction: way, node: entry.node, size: text.length } as const;
    try {
      tap.on(hopOf(decodeMessage(text), { ...at, text, outcome }));
    } catch (error) {
      tap.on(hopOf(none, { ...at, outcome: `this is no message: ${reasonOf(error)}` }));
    }
  }

  #altered(entry: Entry, way: Way, payload: Buffer, how: Alteration): void {
    const { clock, tap } = this.#deps;
    const { node } = entry;
    const text = payload.toString("utf8");
    const at = { time: clock.now(), hop: "proxy.alter", direction: way, node, size: text.length, text } as const;
    // What has been corrupted may be no message any more.
    tap.on?.({
      ...this.#described(entry, way, payload) ?? hopOf(none, at),
      ...at,
      outcome: `${how} by a fault on the link`,
    });
  }

  /** A message as a filter of faults sees it; undefined for what is none. */
  #described({ node }: Entry, way: Way, payload: Buffer): HopRecord | undefined {
    const text = payload.toString("utf8");
    const at = { time: this.#deps.clock.now(), direction: way, node, size: text.length, text } as const;
    try {
      return hopOf(decodeMessage(text), { ...at, hop: `proxy.${way}` });
    } catch {
      return undefined;
    }
  }

  #tapConnection(hop: "proxy.connect" | "proxy.disconnect", node: string, outcome: string): void {
    const { clock, tap } = this.#deps;
    tap.on?.(hopOf(none, { time: clock.now(), hop, direction: "up", node, outcome }));
  }

  #shown({ connections, down, link, node, open, problem, up }: Entry): ProxiedEdge {
    return { node, link, isConnected: open > 0, problem: open > 0 ? "" : problem, connections, up, down };
  }
}

function subjectIn(socket: TLSSocket): Subject {
  const { CN, O } = socket.getPeerCertificate()?.subject ?? {};
  const [commonName, organization] = [CN, O].map((field) => [field].flat()[0]) as [string, string];
  return { commonName, organization };
}

function nodeNameOf({ commonName }: Subject): string {
  return commonName?.split(":").at(-1) ?? "";
}

function headerIn(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "im").exec(head)?.[1];
}
