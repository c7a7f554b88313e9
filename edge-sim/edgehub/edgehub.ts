// EdgeHub: the edge's connection. It dials, sends keepalives, reconnects, and dispatches messages to the edge's modules.
import { Backoff, type BackoffOptions } from "../../base/backoff/backoff.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import type { HopRecord, Tap } from "../../base/hop/hop.ts";
import type { Link } from "../../base/link/link.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, sleep, type Timer } from "../../base/time/clock.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { DialError, dialWebSocket } from "../../base/transport/websocket-client.ts";
import { TokenError } from "../../protocol/pki/token.ts";
import { limits } from "../../protocol/limits.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { defaultProjectId, edgeModules, groups, operations } from "../../protocol/message/names.ts";
import { type EdgeTimings, spread } from "../timings/timings.ts";
import { EdgeCertificate } from "./edge-certificate.ts";
import type { HubAddress, Transport } from "./hub-address.ts";
import { DisconnectedError, PendingRequests } from "./pending-requests.ts";
import { MessageLimit } from "./message-limit.ts";
import { type EdgeCredentials, EnrolmentError } from "./enrolment.ts";

/** Injected dependencies. */
export interface EdgeHubDeps {
  readonly node: string;
  readonly address: HubAddress;
  readonly transport: Transport;
  readonly timings: EdgeTimings;
  /** The pauses between rounds of dialling. Default: always the timings' `reconnectWait`, as edgecore. */
  readonly reconnect: BackoffOptions | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly link: Link;
  readonly random: Random;
  readonly tap: Tap | undefined;
  /** A message of the cloud that is no answer to a request. */
  readonly receive: (message: Message) => void;
  readonly connected: () => void;
  readonly disconnected: () => void;
}

/** How often it checks, five milliseconds apart, whether the last message was written. */
const FAREWELL_LOOKS = 20;
/** How long a dial waits for an answer: edgecore's 30 s are two of its heartbeats, and are divided with them. */
const HANDSHAKE_HEARTBEATS = 2;
/** What a hop is about that is no message. */
const nothing = { header: { msg_id: "" }, route: {} };
/** Tries of one round of dialling. */
const DIAL_ATTEMPTS = 5;

export class EdgeHub {
  readonly #deps: EdgeHubDeps;
  #stop = new AbortController();
  #socket: MessageSocket | undefined;
  #keepalive: Timer | undefined;
  #running: Promise<void> | undefined;
  #connections = 0;
  #problem: string | undefined;
  #refusal: string | undefined;
  #wake: (() => void) | undefined;
  #rounds = 0;
  #up = 0;
  #down = 0;
  readonly #pauses: Backoff;
  readonly #limit: MessageLimit;
  readonly #certificate: EdgeCertificate;
  readonly #requests: PendingRequests;
  readonly #firstRound = Promise.withResolvers<void>();

  constructor(deps: EdgeHubDeps) {
    this.#deps = deps;
    const { answer, messageRefill, reconnectWait } = deps.timings;
    const steady = { initial: reconnectWait, factor: 1, cap: reconnectWait, jitter: 0 };
    this.#pauses = new Backoff(deps.reconnect ?? steady, deps.random.stream("pauses"));
    this.#limit = new MessageLimit({ ...deps, refill: messageRefill, write: (message) => this.#write(message) });
    // The hub reconnects after its usual pause, as edgecore does.
    this.#certificate = new EdgeCertificate({ ...deps, onRenewed: () => this.#socket?.close() });
    this.#requests = new PendingRequests(deps.clock, answer);
  }

  get isConnected(): boolean {
    return this.#socket?.isOpen === true;
  }

  /** Settles when the first attempt to connect has succeeded or failed. */
  get firstRound(): Promise<void> {
    return this.#firstRound.promise;
  }

  /** How often a connection has been made. */
  get connections(): number {
    return this.#connections;
  }

  /** How often it has begun to dial: a round has up to five tries. */
  get rounds(): number {
    return this.#rounds;
  }

  /** Messages that wait for the message limit. */
  get held(): number {
    return this.#limit.held;
  }

  /** Messages written to the cloud, and read from it. */
  get traffic(): { readonly up: number; readonly down: number } {
    return { up: this.#up, down: this.#down };
  }

  /** How many certificates it has had. */
  get certificates(): number {
    return this.#certificate.count;
  }

  /** Why there is no connection, where there is none. */
  get problem(): string | undefined {
    return this.isConnected ? undefined : this.#problem;
  }

  /** Why the cloud refuses this edge for good: its certificate or its name is wrong. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** What the edge connects with, once it has enrolled. */
  get credentials(): EdgeCredentials | undefined {
    return this.#certificate.credentials;
  }

  /** Connects, and again after a `stop`. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#stop = new AbortController();
    this.#running = this.#run();
  }

  /** Closes without a last message, as a node that loses its power. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#firstRound.resolve();
    this.#certificate.cancelRotation();
    this.#wake?.();
    this.#socket?.close();
    await this.#running;
    this.#certificate.cancelRotation();
    this.#running = undefined;
  }

  /** The empty messages that edgecore's modules leave behind when it is terminated: one for each that reads the bus. */
  async farewell(): Promise<void> {
    if (!this.isConnected) return;
    this.#limit.flush();
    for (let i = 0; i < 2; i++) this.#write({ header: { msg_id: "", timestamp: 0 }, route: {}, content: null });
    // They must be written before the connection closes, if it carries anything at all.
    for (let i = 0; i < FAREWELL_LOOKS && (this.#socket?.buffered ?? 0) > 0; i++) await sleep(this.#deps.clock, 5);
  }

  /** Dials at once instead of waiting out the pause. */
  hurry(): void {
    this.#wake?.();
  }

  /**
   * Sends a message, or holds it back until the message limit permits it; acknowledgements, answers and keepalives go at once.
   * What is still held back of `replaced` is not sent any more; the message takes the latest of their places, or with
   * `takesPlace` false the last of all. False where there is no connection, or too much is held back.
   */
  send(message: Message, replaced: readonly Message[] = [], takesPlace = true): boolean {
    return this.isConnected && this.#limit.send(message, replaced, takesPlace);
  }

  /** Drops the message if the message limit still holds it back. */
  forget(message: Message): void {
    this.#limit.forget(message);
  }

  /** Whether the message limit holds a message back. */
  holds(message: Message): boolean {
    return this.#limit.holds(message);
  }

  #write(message: Message): void {
    const { clock, node, tap } = this.#deps;
    const text = encodeMessage(message);
    this.#socket?.send(text);
    this.#up++;
    tap?.on?.(hopOf(message, { time: clock.now(), hop: "edge.write", direction: "up", node, size: text.length, text }));
  }

  /** Sends a request and waits for its answer. Rejects with DisconnectedError, or after the timings' `answer` with UnansweredError. */
  request(message: Message): Promise<Message> {
    if (!this.send(message)) {
      const why = this.isConnected ? "too many messages wait for the edge's message limit" : "not connected";
      return Promise.reject(new DisconnectedError(why));
    }
    // Still waiting for its turn, its answer would have no receiver.
    return this.#requests.add(message, () => this.#limit.forget(message));
  }

  async #run(): Promise<void> {
    const { logger } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const socket = await this.#dialRound();
      if (socket !== undefined) {
        this.#pauses.reset();
        const reason = await this.#serve(socket);
        this.#problem = reason;
        this.#tapConnection("edge.disconnect", reason);
        logger.debug("the connection is lost", { reason });
      } else if (!this.#stop.signal.aborted) this.#tapConnection("edge.disconnect", this.#problem ?? "");
      if (this.#stop.signal.aborted) break;
      await this.#pause(this.#pauses.next());
    }
  }

  /** Up to five tries. Undefined where none led to a connection. */
  async #dialRound(): Promise<MessageSocket | undefined> {
    const { logger, timings } = this.#deps;
    this.#rounds++;
    for (let attempt = 1; attempt <= DIAL_ATTEMPTS && !this.#stop.signal.aborted; attempt++) {
      try {
        await this.#reached();
        await this.#certificate.ensure(this.#stop.signal);
        return await this.#dial();
      } catch (error) {
        this.#problem = reasonOf(error);
        this.#refusal = isRefusal(error) ? this.#problem : undefined;
        this.#firstRound.resolve();
        logger.debug("could not connect", { attempt, reason: this.#problem });
        const isFinal = error instanceof EnrolmentError && !error.isTransient;
        if (isFinal || error instanceof TokenError) return undefined;
        if (attempt < DIAL_ATTEMPTS) await this.#pause(timings.dialRetry);
      }
    }
    return undefined;
  }

  /** Rejects where the link lets no connection come to be: at once, or when a dial without any answer is given up. */
  async #reached(): Promise<void> {
    const { clock, link, timings } = this.#deps;
    if (link.isUp) return;
    if (!link.isBlackHole) throw new DialError("the link is cut");
    const healed = new AbortController();
    void link.whenUp().then(() => healed.abort());
    const signal = AbortSignal.any([this.#stop.signal, healed.signal]);
    const isLate = await sleep(clock, HANDSHAKE_HEARTBEATS * timings.heartbeat, signal).then(() => true, () => false);
    if (isLate) throw new DialError("the link is a black hole: a dial has no answer");
  }

  async #dial(): Promise<MessageSocket> {
    const { address, clock, node, transport } = this.#deps;
    if (transport === "quic") {
      const { ca, cert, key } = this.#certificate.credentials as EdgeCredentials;
      if (address.quicPort === undefined) {
        throw new DialError("the cloud serves no QUIC, or its port is not configured");
      }
      const { dialHubByQuic } = await import("./quic.ts");
      const where = { host: address.host, port: address.quicPort, signal: this.#stop.signal };
      return await dialHubByQuic(where, { ca, cert, key }, node, clock.now());
    }
    return await dialWebSocket({
      url: `wss://${address.host}:${address.websocketPort}/${defaultProjectId}/${node}/events`,
      secureContext: this.#certificate.secureContext,
      headers: { node_id: node, project_id: defaultProjectId, ConnectionUse: "msg" },
      handshakeTimeout: 30_000,
      maxMessage: limits.message,
      maxFragments: limits.fragments,
      maxRefusal: limits.refusalBody,
      signal: this.#stop.signal,
      ...(address.sourceAddress === undefined ? {} : { localAddress: address.sourceAddress }),
    });
  }

  /** Lives with one connection; resolves with why it ended. */
  async #serve(raw: MessageSocket): Promise<string> {
    const { clock, connected, disconnected, link, timings } = this.#deps;
    const socket = link.wrap(raw, {
      swallowed: (text, way) => this.#faulty("link.drop", text, way),
      altered: (text, way, how) => this.#faulty("link.alter", text, way, how),
      describe: (text, way) => this.#described(text, way),
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#socket = socket;
    this.#connections++;
    this.#problem = this.#refusal = undefined;
    socket.onClose(resolve);
    socket.onMessage((text) => this.#receive(text));
    if (!link.isUp || this.#stop.signal.aborted) socket.close();
    this.#sendKeepalive();
    this.#keepalive = every(clock, spread(timings.heartbeat, timings, this.#deps.random), () => this.#sendKeepalive());
    this.#certificate.planRotation(this.#stop.signal);
    this.#tapConnection("edge.connect", "");
    connected();
    this.#firstRound.resolve();
    const reason = await promise;
    this.#keepalive.cancel();
    this.#limit.drop();
    this.#socket = undefined;
    this.#requests.failAll(reason);
    disconnected();
    return reason;
  }

  #tapConnection(hop: "edge.connect" | "edge.disconnect", outcome: string): void {
    const { clock, node, tap } = this.#deps;
    tap?.on?.(hopOf(nothing, { time: clock.now(), hop, direction: "up", node, outcome }));
  }

  /** A fault on the link has done something to a message. */
  #faulty(hop: "link.drop" | "link.alter", text: string, direction: "up" | "down", how?: string): void {
    const { link, tap } = this.#deps;
    if (tap?.on === undefined) return;
    const outcome = how === undefined
      ? `a fault on the link: ${link.faults.join(", ")}`
      : `${how} by a fault on the link`;
    const { clock, node } = this.#deps;
    const at = { time: clock.now(), hop, direction, node, text, outcome } as const;
    // What has been corrupted may be no message any more.
    tap.on({ ...this.#described(text, direction) ?? hopOf(nothing, at), ...at });
  }

  /** A message as a filter of faults sees it; undefined for what is none. */
  #described(text: string, direction: "up" | "down"): HopRecord | undefined {
    const { clock, node } = this.#deps;
    const hop = direction === "up" ? "edge.write" : "edge.read";
    try {
      return hopOf(decodeMessage(text), { time: clock.now(), hop, direction, node, size: text.length, text });
    } catch {
      return undefined;
    }
  }

  #receive(text: string): void {
    const { clock, logger, node, receive, tap } = this.#deps;
    let message: Message;
    try {
      message = decodeMessage(text);
    } catch (error) {
      logger.warn("the cloud sent what is no message", { error: reasonOf(error) });
      return;
    }
    this.#down++;
    tap?.on?.(
      hopOf(message, { time: clock.now(), hop: "edge.read", direction: "down", node, size: text.length, text }),
    );
    const { group } = message.route;
    const parent = message.header.parent_msg_id;
    if (parent !== undefined) {
      this.#requests.answer(message);
      // An answer of another group is handled by its module, too.
      if (group === groups.resource || group === "func") return;
    }
    try {
      receive(message);
    } catch (error) {
      // Whatever is wrong with it, the edge goes on.
      const { operation, resource } = message.route;
      logger.error("a message of the cloud could not be processed", { operation, resource, error: reasonOf(error) });
    }
  }

  #sendKeepalive(): void {
    this.send(newMessage(this.#deps.clock.now(), {
      source: edgeModules.hub,
      group: groups.resource,
      operation: operations.keepalive,
      resource: "node",
      content: "ping",
    }));
  }

  /** Waits, until stopped or hurried. */
  async #pause(ms: number): Promise<void> {
    const abort = new AbortController();
    this.#wake = () => abort.abort();
    if (this.#stop.signal.aborted) return;
    await sleep(this.#deps.clock, ms, abort.signal).catch(() => {});
    this.#wake = undefined;
  }
}

/** A hub that refuses by HTTP (except for being full), or a certificate of either end that isn't trusted. */
function isRefusal(error: unknown): boolean {
  if (error instanceof EnrolmentError) return !error.isTransient;
  if (!(error instanceof DialError)) return false;
  if (error.status !== undefined) return error.status === 400 || error.status === 403;
  return /certificate|alert|unable to verify|unknown.?ca/i.test(error.message);
}
