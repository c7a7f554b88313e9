// CloudHub: the module that edges connect to. It enrols them, keeps their sessions, and moves messages both ways.
import { hopOf, type Tap } from "../../base/hop/hop.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import type { ListenOptions } from "../../base/transport/listen.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { decodeMessage } from "../../protocol/message/codec.ts";
import { limits } from "../../protocol/limits.ts";
import { modules } from "../../protocol/message/names.ts";
import type { Bus, BusMessage } from "../beehive/bus.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import type { Caches } from "../kube/caches.ts";
import { resources } from "../kube/resource.ts";
import { type HubCertificates, prepareCertificates, refreshToken } from "./certificates.ts";
import { dispatchDownstream } from "./dispatcher/downstream.ts";
import { connectionMessage, dispatchUpstream } from "./dispatcher/upstream.ts";
import { serveEnrolment } from "./servers/https.ts";
import { serveEdges } from "./servers/websocket.ts";
import { type DeliveryTotals, NodeSession } from "./session/session.ts";
import { Sessions } from "./session/sessions.ts";
import { SyncRecords } from "./session/sync-records.ts";

/** What the hub needs from outside. */
export interface CloudHubWorld {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: CloudCoreConfig;
  readonly websocket: ListenOptions;
  readonly https: ListenOptions;
  readonly tap: Tap | undefined;
}

export class CloudHub implements Module {
  readonly name = modules.cloudhub;
  readonly sessions = new Sessions();
  readonly totals: DeliveryTotals = { sent: 0, acked: 0, resent: 0, dropped: 0 };
  readonly #world: CloudHubWorld;
  readonly #records: SyncRecords;
  #certificates: HubCertificates | undefined;
  #token = "";
  #certificatesTook = 0;
  #ports = { websocket: 0, https: 0 };
  #stops: (() => Promise<void>)[] = [];
  #refresh: Timer | undefined;

  constructor(world: CloudHubWorld) {
    this.#world = world;
    this.#records = new SyncRecords(world.caches, world.logger);
  }

  get ports() {
    return this.#ports;
  }

  /** Milliseconds it took to read or make the certificates. */
  get certificatesTook(): number {
    return this.#certificatesTook;
  }

  /** The present bootstrap token. */
  get token(): string {
    return this.#token;
  }

  get certificates(): HubCertificates {
    if (this.#certificates === undefined) throw new Error("the hub has not started");
    return this.#certificates;
  }

  async start(): Promise<void> {
    const { caches, clock, config, logger } = this.#world;
    const began = performance.now();
    const certificates = await prepareCertificates(caches.client, { ...config, now: clock.now() });
    this.#certificatesTook = performance.now() - began;
    this.#certificates = certificates;
    this.#token = certificates.token;
    const { authority, server } = certificates;
    const enrolment = await serveEnrolment({
      listen: this.#world.https,
      authority,
      server,
      certLifetime: config.edgeCertLifetime,
      now: () => clock.now(),
      logger,
      nodeExists: async (name) => await caches.client.find({ resource: resources.nodes, name }) !== undefined,
    });
    this.#stops.push(enrolment.stop);
    const edges = await serveEdges({
      listen: this.#world.websocket,
      authority,
      server,
      identity: config.identity,
      refuse: (node) => {
        // A known node that comes back takes its own place, also at the limit.
        if (this.sessions.size < config.nodeLimit || this.sessions.of(node) !== undefined) return undefined;
        return { status: 503, reason: `the limit of ${config.nodeLimit} connected nodes is reached` };
      },
      accept: (node, socket) => this.#connect(node, socket),
    });
    this.#stops.push(edges.stop);
    this.#ports = { websocket: edges.port, https: enrolment.port };
    this.#refresh = every(clock, config.tokenLifetime / 2, () => void this.#refreshToken());
  }

  /** A message from a module of the cloud, for one node or for several. */
  receive(message: BusMessage): void {
    dispatchDownstream({ ...this.#world, sessions: this.sessions }, message);
  }

  /** Counters and gauges, by their names in the metrics. */
  metrics(): Record<string, number> {
    let waiting = 0;
    let unacknowledged = 0;
    let oldest = 0;
    for (const session of this.sessions.all()) {
      const gauges = session.gauges();
      waiting += gauges.waiting;
      unacknowledged += gauges.inFlight;
      oldest = Math.max(oldest, gauges.oldest);
    }
    const { sent, acked, resent, dropped } = this.totals;
    return {
      connected_nodes: this.sessions.size,
      messages_sent: sent,
      messages_acked: acked,
      messages_resent: resent,
      messages_dropped: dropped,
      lane_waiting: waiting,
      lane_unacknowledged: unacknowledged,
      lane_oldest_unacked_ms: oldest,
      bus_edgecontroller_depth: this.#world.bus.depth(modules.edgecontroller),
      bus_devicecontroller_depth: this.#world.bus.depth(modules.devicecontroller),
      bus_cloudhub_depth: this.#world.bus.depth(modules.cloudhub),
    };
  }

  async stop(): Promise<void> {
    this.#refresh?.cancel();
    for (const session of [...this.sessions.all()]) session.end("cloudcore is stopping");
    await Promise.all(this.#stops.splice(0).map((stop) => stop()));
  }

  #connect(node: string, socket: MessageSocket): void {
    const { bus, clock, config, logger, tap } = this.#world;
    const records = this.#records;
    const ended = (gone: NodeSession, reason: string) => {
      logger.debug("an edge has gone", { node, reason });
      if (this.sessions.remove(gone)) this.#announce(node, "disconnected");
    };
    const behind = () => this.#announce(node, "connected");
    const session = new NodeSession(node, socket, { clock, logger, records, config, tap, behind, ended }, this.totals);
    this.sessions.add(session);
    logger.debug("an edge has connected", { node });
    this.#announce(node, "connected");
    const upstream = { bus, logger, now: () => clock.now(), kubeCa: () => kubeCaOf(this.#world.caches) };

    // One edge's requests are its own affair: when it has enough under way, it is read no further, and no other waits.
    const pending = { messages: 0, bytes: 0 };
    const isTooMuch = () => pending.messages >= limits.upstreamMessages || pending.bytes > limits.upstreamBytes;
    let tail = Promise.resolve();
    socket.onMessage((text) => {
      if (session.hasEnded) return;
      let message: BusMessage;
      try {
        message = decodeMessage(text);
      } catch (error) {
        return session.end(`it sent what is no message: ${reasonOf(error)}`);
      }
      const id = message.header.msg_id;
      tap?.(hopOf(message, { time: clock.now(), hop: "hub.read", direction: "up", node, size: text.length }));
      const { length } = text;
      pending.messages++;
      pending.bytes += length;
      if (isTooMuch()) socket.pause();
      const settled = () => {
        const was = isTooMuch();
        pending.messages--;
        pending.bytes -= length;
        if (was && !isTooMuch()) socket.resume();
      };
      tail = tail.then(() => dispatchUpstream(upstream, session, { ...message, settled })).catch((error) => {
        settled();
        logger.error("an edge's message could not be handed on", { node, id, error: reasonOf(error) });
      });
    });
  }

  /** Tells the controllers; they look at what the node lacks. */
  #announce(node: string, event: "connected" | "disconnected"): void {
    const { bus, clock } = this.#world;
    const message = connectionMessage(clock.now(), node, event);
    for (const group of [modules.synccontroller, modules.edgecontroller, modules.devicecontroller]) {
      void bus.sendToGroup(group, message);
    }
  }

  async #refreshToken(): Promise<void> {
    const { caches, clock, config, logger } = this.#world;
    try {
      this.#token = await refreshToken(caches.client, this.certificates.authority, clock.now() + config.tokenLifetime);
    } catch (error) {
      logger.warn("the bootstrap token could not be renewed; the old one is good until it expires", {
        error: reasonOf(error),
      });
    }
  }
}

/** The CA of the cluster as its kubeconfig has it. */
function kubeCaOf(caches: Caches): string {
  const data = caches.client.config.config.getCurrentCluster()?.caData;
  return data === undefined ? "" : Buffer.from(data, "base64").toString("utf8");
}
