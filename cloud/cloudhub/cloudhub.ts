// CloudHub: the module that edges connect to. It enrols them, keeps their sessions, and moves messages both ways.
import type { Monitored } from "../monitor/monitor.ts";
import type { Tap } from "../../base/hop/hop.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { type Clock, every, type Timer } from "../../base/time/clock.ts";
import { settledWithin } from "../../base/time/settled-within.ts";
import type { ListenOptions } from "../../base/transport/listen.ts";
import type { Refusal } from "../../base/transport/websocket-server.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import { modules } from "../../protocol/message/names.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import { neverAcknowledged } from "../../protocol/apis/reliablesyncs.ts";
import { type Message, withResource } from "../../protocol/message/message.ts";
import { nodeOf, trimNode } from "../../protocol/resource/path.ts";
import type { Bus, BusMessage } from "../beehive/bus.ts";
import { hopToHub } from "../beehive/hops.ts";
import type { Module } from "../beehive/modules.ts";
import type { CloudCoreConfig } from "../config/config.ts";
import type { Caches } from "../kube/caches.ts";
import type { Eras } from "../nodes/eras.ts";
import { resources } from "../kube/resource.ts";
import type { StartRetries } from "../kube/start-retries.ts";
import type { SyncIndex } from "../nodes/sync-index.ts";
import { NodeAuthoriser } from "./authoriser/authoriser.ts";
import { type HubCertificates, prepareCertificates, refreshToken } from "./certificates.ts";
import { dispatchDownstream } from "./dispatcher/downstream.ts";
import { connectionMessage } from "./dispatcher/upstream.ts";
import { monitoredHub, scenarioMetrics } from "./hub-metrics.ts";
import { readMessages } from "./intake.ts";
import { serveEnrolment } from "./servers/https.ts";
import { type EdgeServer, serveEdges } from "./servers/websocket.ts";
import { serveCsi } from "./servers/uds.ts";
import { Departures } from "./session/departures.ts";
import { DeliveryTotals, NodeSession } from "./session/session.ts";
import { Sessions } from "./session/sessions.ts";
import { resetRecords } from "./records/resync.ts";
import { recordedOf, SyncRecords } from "./records/sync-records.ts";
import { VolumeError, VolumeRequests } from "./volumes.ts";

/** Injected dependencies. */
export interface CloudHubDeps {
  readonly bus: Bus;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: CloudCoreConfig;
  readonly servers: HubServers;
  readonly starting: StartRetries;
  readonly eras: Eras;
  readonly index: SyncIndex;
  readonly tap: Tap | undefined;
}

/** Where the hub listens; an absent server is switched off. */
export interface HubServers {
  readonly websocket?: ListenOptions;
  readonly https: ListenOptions;
  readonly quic?: ListenOptions & { readonly maxIncomingStreams: number };
  /** Path of the CSI driver's socket. */
  readonly unixsocket?: string;
}

/** Stopping waits for outstanding acknowledgements: this fraction of the resend interval (2 s by default). */
const DRAIN_RETRIES = 0.4;
const DRAIN_LOOK_MS = 20;
/** Further milliseconds to write acknowledged versions to sync records. */
const RECORDS_MS = 1000;

export class CloudHub implements Module {
  readonly name = modules.cloudhub;
  readonly sessions = new Sessions();
  readonly totals = new DeliveryTotals();
  /** Why nodes are not connected. */
  readonly departures: Departures;
  readonly #deps: CloudHubDeps;
  readonly #records: SyncRecords;
  readonly #authoriser: NodeAuthoriser | undefined;
  readonly #volumes: VolumeRequests;
  readonly #resynced = new WeakSet<NodeSession>();
  #isStopping = false;
  #certificates: HubCertificates | undefined;
  #token = "";
  #certificatesTook = 0;
  #ports = { websocket: 0, quic: 0, https: 0 };
  #stops: (() => Promise<void>)[] = [];
  #edges: EdgeServer | undefined;
  readonly #overQuic = new WeakSet<NodeSession>();
  #refresh: Timer | undefined;

  constructor(deps: CloudHubDeps) {
    this.#deps = deps;
    this.departures = new Departures(deps.clock);
    this.#records = new SyncRecords(deps);
    this.#authoriser = deps.config.authorization === "off" ? undefined : new NodeAuthoriser(deps.caches);
    this.#volumes = new VolumeRequests(deps.clock);
  }

  /** Ports that are open, 0 for a server that is switched off. */
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
    const { caches, clock, config, logger, servers, starting } = this.#deps;
    await starting.run("records of what edges acknowledged", () => this.#records.recover());
    const began = performance.now();
    const certificates = await starting.run(
      "certificates",
      () => prepareCertificates(caches.client, { ...config, now: clock.now() }),
    );
    this.#certificatesTook = performance.now() - began;
    this.#certificates = certificates;
    this.#token = certificates.token;
    const { authority, server } = certificates;
    const enrolment = await serveEnrolment({
      listen: servers.https,
      authority,
      server,
      certLifetime: config.edgeCertLifetime,
      identity: config.identity,
      now: () => clock.now(),
      logger,
      nodeExists: async (name) => await caches.client.find({ resource: resources.nodes, name }) !== undefined,
    });
    this.#stops.push(enrolment.stop);
    const admission = {
      authority,
      server,
      identity: config.identity,
      legacyCa: certificates.legacyCa,
      isV11: (node: string) => this.#deps.eras.isV11(node),
      refuse: (node: string) => this.#refusal(node),
      refused: (node: string, reason: string) => this.#refusedConnection(node, reason),
      accept: (node: string, socket: MessageSocket) => void this.#connect(node, socket),
    };
    this.#ports = { websocket: 0, quic: 0, https: enrolment.port };
    if (servers.websocket !== undefined) {
      const edges = await serveEdges({ ...admission, listen: servers.websocket });
      this.#stops.push(edges.stop);
      this.#edges = edges;
      this.#ports = { ...this.#ports, websocket: edges.port };
    }
    if (servers.quic !== undefined) {
      // Loaded where it is wanted: most hubs have no use for it.
      const { serveQuicEdges } = await import("./servers/quic.ts");
      const { maxIncomingStreams, ...where } = servers.quic;
      const edges = await serveQuicEdges({
        ...admission,
        accept: (node, socket) => void this.#overQuic.add(this.#connect(node, socket)),
        listen: where,
        maxIncomingStreams,
        now: () => clock.now(),
      });
      this.#stops.push(edges.stop);
      this.#ports = { ...this.#ports, quic: edges.port };
    }
    if (servers.unixsocket !== undefined) {
      const csi = await serveCsi({
        path: servers.unixsocket,
        now: () => clock.now(),
        forward: (message) => this.#askEdge(message),
      });
      this.#stops.push(csi.stop);
    }
    // A node whose label changes its era is disconnected; the next connection uses the other era's messages.
    caches.of(resources.nodes).subscribe(({ object, type }) => {
      const session = this.sessions.of(object.metadata.name);
      if (session === undefined || type === "deleted" || this.#deps.eras.isV11Node(object) === session.isV11) return;
      session.end("its Node was relabelled to another era");
    });
    this.#refresh = every(clock, config.tokenLifetime / 2, () => void this.#refreshToken());
  }

  /** A message from a module of the cloud, for one node or for several. */
  receive(message: BusMessage): void {
    const { clock, tap } = this.#deps;
    tap?.on?.(hopToHub(message, "hub.receive", clock.now()));
    dispatchDownstream({ ...this.#deps, sessions: this.sessions, totals: this.totals }, message);
  }

  /** What the monitor shows of the hub. */
  get monitored(): Monitored {
    const notReady = () => {
      if (this.#isStopping) return "it is stopping";
      return this.#ports.https === 0 ? "it has not started yet" : undefined;
    };
    return monitoredHub({ bus: this.#deps.bus, sessions: this.sessions, totals: this.totals, notReady });
  }

  /** The version of an object that a node has acknowledged: empty where none, undefined where there is no record. */
  acknowledged(node: string, object: KubeObject): string | undefined {
    const recorded = recordedOf(object);
    const version = recorded === undefined ? undefined : this.#records.acknowledged(node, recorded);
    return version === neverAcknowledged ? "" : version;
  }

  /** Counters and gauges, by their names in scenarios. */
  metrics(): Record<string, number> {
    const { sessions, totals } = this;
    const overWebSocket = [...sessions.all()].filter((session) => !this.#overQuic.has(session)).length;
    const stray = Math.max(0, (this.#edges?.open ?? 0) - overWebSocket);
    return scenarioMetrics({ bus: this.#deps.bus, sessions, totals, stray });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#refresh?.cancel();
    await this.#drain();
    for (const session of [...this.sessions.all()]) session.end("cloudcore is stopping", true);
    await Promise.all(this.#stops.splice(0).map((stop) => stop()));
  }

  /** Waits for outstanding acknowledgements and their records; what stays unacknowledged is sent by the next cloudcore. */
  async #drain(): Promise<void> {
    const until = performance.now() + this.#deps.config.ackRetry * DRAIN_RETRIES;
    const isDrained = () => [...this.sessions.all()].every((session) => session.isDrained);
    while (!isDrained() && performance.now() < until) await pause(DRAIN_LOOK_MS);
    await settledWithin(this.#records.settled(), RECORDS_MS);
    this.#records.stop();
  }

  #refusal(node: string): Refusal | undefined {
    const { nodeLimit } = this.#deps.config;
    if (this.#isStopping) return { status: 503, reason: "cloudcore is stopping" };
    // A node that reconnects replaces its own session, also at the limit.
    if (this.sessions.size < nodeLimit || this.sessions.of(node) !== undefined) return undefined;
    return { status: 503, reason: `the limit of ${nodeLimit} connected nodes is reached` };
  }

  /** Forwards what the CSI driver asks; resolves with the edge's answer, rejects with VolumeError. */
  async #askEdge(message: Message): Promise<Message> {
    const resource = message.route.resource ?? "";
    const node = nodeOf(resource);
    const session = this.sessions.of(node);
    if (session === undefined) throw new VolumeError(`node ${node} is not connected`);
    const answer = this.#volumes.answerTo(message.header.msg_id, node);
    session.sendUnacknowledged(withResource(message, trimNode(resource)));
    return await answer;
  }

  #connect(node: string, socket: MessageSocket): NodeSession {
    const { bus, clock, config, logger, tap } = this.#deps;
    const records = this.#records;
    let isAdded = false;
    const ended = (session: NodeSession, reason: string) => {
      if (!isAdded) return this.#refusedConnection(node, reason);
      logger.debug("an edge has disconnected", { node, reason });
      this.#tapConnection("hub.disconnect", node, reason);
      if (!this.sessions.remove(session)) return;
      this.departures.note(node, "disconnected", reason);
      this.#volumes.disconnected(node);
      this.#announce(node, "disconnected");
    };
    const onResyncNeeded = () => this.#announce(node, "connected");
    const isV11 = this.#deps.eras.isV11(node);
    const session = new NodeSession(
      node,
      socket,
      { clock, logger, records, config, tap, isV11, onResyncNeeded, ended },
      this.totals,
    );
    // Its connection may have ended before anybody listened.
    if (session.hasEnded) return session;
    isAdded = true;
    this.sessions.add(session);
    logger.debug("an edge has connected", { node });
    this.#tapConnection("hub.connect", node);
    this.#announce(node, "connected");
    const upstream = {
      bus,
      logger,
      now: () => clock.now(),
      kubeCa: () => kubeCaOf(this.#deps.caches),
      answerVolume: (answer: Message) => this.#volumes.take(node, answer),
      refusal: this.#authoriser === undefined ? undefined : (m: Message) => this.#refused(node, m),
    };
    const onRegistration = () => this.#resync(session);
    readMessages(session, socket, { upstream, clock, logger, tap, totals: this.totals, onRegistration });
    return session;
  }

  /** An edge whose process has just started may have lost its store: its records are reset and everything is sent again. */
  async #resync(session: NodeSession): Promise<void> {
    const { config, index, logger } = this.#deps;
    const { isV11, node } = session;
    // Once per connection is enough: an edge that registers repeatedly costs nothing.
    if (this.#resynced.has(session) || isV11 || config.strictGo.has("sync-on-connect")) return;
    const count = await resetRecords(node, index, this.#records, () => session.hasEnded);
    if (session.hasEnded) return;
    this.#resynced.add(session);
    if (count === 0) return;
    logger.debug("an edge has restarted and is sent everything", { node, objects: count });
    this.#announce(node, "connected");
  }

  /** Whether a message is refused because its node is not authorised for it. */
  async #refused(node: string, message: Message): Promise<boolean> {
    const { config, logger } = this.#deps;
    let why: string | undefined;
    try {
      why = await this.#authoriser?.refusal(node, message);
    } catch (error) {
      why = `it could not be checked: ${reasonOf(error)}`;
    }
    if (why === undefined) return false;
    const { operation, resource } = message.route;
    const isOn = config.authorization === "on";
    const facts = { node, operation, resource, why, id: message.header.msg_id };
    logger.warn(isOn ? "an edge asked for what it may not" : "an edge asked for what it may not, and is served", facts);
    if (isOn) {
      this.totals.refuse("not allowed");
      const { clock, tap } = this.#deps;
      tap?.on?.(hopOf(message, { time: clock.now(), hop: "hub.drop", direction: "up", node, outcome: why }));
    }
    return isOn;
  }

  #refusedConnection(node: string, reason: string): void {
    this.#deps.logger.debug("an edge's connection was refused", { node, reason });
    this.#tapConnection("hub.refuse", node, reason);
    if (node !== "") this.departures.note(node, "refused", reason);
  }

  #tapConnection(hop: "hub.connect" | "hub.disconnect" | "hub.refuse", node: string, outcome = ""): void {
    const { clock, tap } = this.#deps;
    const none = { header: { msg_id: "" }, route: {} };
    tap?.on?.(hopOf(none, { time: clock.now(), hop, direction: "up", node, outcome }));
  }

  /** Notifies the controllers, which send what the node lacks. */
  #announce(node: string, event: "connected" | "disconnected"): void {
    const { bus, clock } = this.#deps;
    const message = connectionMessage(clock.now(), node, event);
    for (const group of [modules.synccontroller, modules.edgecontroller, modules.devicecontroller]) {
      void bus.sendToGroup(group, message);
    }
  }

  async #refreshToken(): Promise<void> {
    const { caches, clock, config, logger } = this.#deps;
    try {
      this.#token = await refreshToken(caches.client, this.certificates.authority, clock.now() + config.tokenLifetime);
    } catch (error) {
      logger.warn("the bootstrap token could not be renewed; the old one is good until it expires", {
        error: reasonOf(error),
      });
    }
  }
}

/** Stopping waits by the wall clock: a manual clock may stand still meanwhile. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The CA of the cluster as its kubeconfig has it. */
function kubeCaOf(caches: Caches): string {
  const data = caches.client.config.config.getCurrentCluster()?.caData;
  return data === undefined ? "" : Buffer.from(data, "base64").toString("utf8");
}
