// EdgeHub: the edge's connection. It dials, keeps alive, reconnects, and hands messages to whom they concern.
import { SkepError } from "../../base/error/skep-error.ts";
import { createSecureContext, type SecureContext } from "node:tls";
import { Backoff, type BackoffOptions } from "../../base/backoff/backoff.ts";
import { hopOf } from "../../protocol/message/hops.ts";
import type { Tap } from "../../base/hop/hop.ts";
import type { Link } from "../../base/link/link.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import type { Random } from "../../base/random/random.ts";
import { type Clock, every, sleep, type Timer } from "../../base/time/clock.ts";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import { DialError, dialWebSocket } from "../../base/transport/websocket-client.ts";
import { TokenError } from "../../protocol/pki/token.ts";
import { limits } from "../../protocol/limits.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { validityOf } from "../../protocol/pki/ca.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { defaultProjectId, edgeModules, groups, operations } from "../../protocol/message/names.ts";
import type { EdgeTimings } from "../timings/timings.ts";
import { MessageLimit } from "./message-limit.ts";
import { type EdgeCredentials, enrol, EnrolmentError, fetchCa, renew } from "./enrolment.ts";

/** Where the cloud is and how to get in: with a token, or with a certificate at hand. */
export interface HubAddress {
  readonly host: string;
  readonly websocketPort: number;
  readonly httpsPort: number;
  /** Where QUIC is served (UDP). */
  readonly quicPort?: number;
  readonly token?: string;
  readonly credentials?: EdgeCredentials;
  /** Makes a node's certificate, where we hold the CA ourselves. */
  readonly issue?: (node: string) => EdgeCredentials;
  /** The CA, where the caller has fetched and verified it already. PEM. */
  readonly ca?: string;
}

/** How an edge reaches the hub. QUIC needs Node on Linux x64. */
export type Transport = "websocket" | "quic";

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

/** Looks, five milliseconds apart, at whether the farewell has left. */
const FAREWELL_LOOKS = 20;
/** Tries of one round of dialling. */
const DIAL_ATTEMPTS = 5;

/** There is no connection that would take it, or it broke before the answer came. */
export class DisconnectedError extends SkepError {
  readonly code = "SKEP_DISCONNECTED";
}

/** The cloud has not answered in the time that an edge waits for it. */
export class UnansweredError extends SkepError {
  readonly code = "SKEP_UNANSWERED";
}

interface Waiting {
  resolve(answer: Message): void;
  reject(error: Error): void;
}

export class EdgeHub {
  readonly #deps: EdgeHubDeps;
  #stop = new AbortController();
  readonly #waiting = new Map<string, Waiting>();
  #credentials: EdgeCredentials | undefined;
  #secureContext: SecureContext | undefined;
  #socket: MessageSocket | undefined;
  #keepalive: Timer | undefined;
  #running: Promise<void> | undefined;
  #connections = 0;
  #problem: string | undefined;
  #refusal: string | undefined;
  #wake: (() => void) | undefined;
  #certificates = 0;
  #rounds = 0;
  #up = 0;
  #down = 0;
  #rotation: Timer | undefined;
  readonly #renewals: Backoff;
  readonly #pauses: Backoff;
  readonly #limit: MessageLimit;
  readonly #firstRound = Promise.withResolvers<void>();

  constructor(deps: EdgeHubDeps) {
    this.#deps = deps;
    this.#credentials = deps.address.credentials;
    const { messageRefill, reconnectWait, renewRetry, renewRetryCap } = deps.timings;
    const steady = { initial: reconnectWait, factor: 1, cap: reconnectWait, jitter: 0 };
    this.#pauses = new Backoff(deps.reconnect ?? steady, deps.random.stream("pauses"));
    this.#limit = new MessageLimit({ ...deps, refill: messageRefill, write: (message) => this.#write(message) });
    this.#renewals = new Backoff({ initial: renewRetry, factor: 2, cap: renewRetryCap, jitter: 0.1 }, deps.random);
  }

  get isConnected(): boolean {
    return this.#socket?.isOpen === true;
  }

  /** Settles when the first try to connect has come to something, or to nothing. */
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
    return this.#certificates;
  }

  /** Why there is no connection, where there is none. */
  get problem(): string | undefined {
    return this.isConnected ? undefined : this.#problem;
  }

  /** Why the cloud does not want this edge, where trying again can't help: its certificate or its name is wrong. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** What the edge connects with, once it has enrolled. */
  get credentials(): EdgeCredentials | undefined {
    return this.#credentials;
  }

  /** Connects, and again after a `stop`. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#stop = new AbortController();
    this.#running = this.#run();
  }

  /** Closes without a farewell, as a node that loses its power. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#firstRound.resolve();
    this.#rotation?.cancel();
    this.#wake?.();
    this.#socket?.close();
    await this.#running;
    this.#rotation?.cancel();
    this.#rotation = undefined;
    this.#running = undefined;
  }

  /** The empty messages that edgecore's modules leave behind when it is terminated: one for each that reads the bus. */
  async farewell(): Promise<void> {
    if (!this.isConnected) return;
    this.#limit.flush();
    for (let i = 0; i < 2; i++) this.#write({ header: { msg_id: "", timestamp: 0 }, route: {}, content: null });
    // They must have left before the connection is gone, if it carries anything at all.
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

  /** It need not go any more, where the message limit still holds it back. */
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
    tap?.(hopOf(message, { time: clock.now(), hop: "edge.write", direction: "up", node, size: text.length }));
  }

  /** Sends a request and waits for its answer. Rejects with DisconnectedError, or after the timings' `answer` with UnansweredError. */
  request(message: Message): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const id = message.header.msg_id;
    if (!this.send(message)) {
      const why = this.isConnected ? "too many messages wait for the edge's message limit" : "not connected";
      return Promise.reject(new DisconnectedError(why));
    }
    const { timings, clock } = this.#deps;
    const timer = clock.after(timings.answer, () => {
      this.#waiting.delete(id);
      // Still waiting for its turn, its answer would have no receiver.
      this.#limit.forget(message);
      reject(
        new UnansweredError(
          `no answer to ${message.route.operation} ${message.route.resource} within ${timings.answer} ms`,
        ),
      );
    });
    this.#waiting.set(id, {
      resolve: (answer) => {
        timer.cancel();
        resolve(answer);
      },
      reject: (error) => {
        timer.cancel();
        reject(error);
      },
    });
    return promise;
  }

  async #run(): Promise<void> {
    const { logger } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const socket = await this.#dialRound();
      if (socket !== undefined) {
        this.#pauses.reset();
        const reason = await this.#serve(socket);
        this.#problem = reason;
        logger.debug("the connection is lost", { reason });
      }
      if (this.#stop.signal.aborted) break;
      await this.#pause(this.#pauses.next());
    }
  }

  /** Up to five tries. Undefined where none led to a connection. */
  async #dialRound(): Promise<MessageSocket | undefined> {
    const { link, logger, timings } = this.#deps;
    this.#rounds++;
    for (let attempt = 1; attempt <= DIAL_ATTEMPTS && !this.#stop.signal.aborted; attempt++) {
      try {
        if (!link.isUp) throw new DialError("the link is cut");
        await this.#ensureCredentials();
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

  async #ensureCredentials(): Promise<void> {
    if (this.#credentials !== undefined) return;
    const { address, node, timings } = this.#deps;
    if (address.issue !== undefined) return this.#take(address.issue(node));
    if (address.token === undefined) {
      throw new EnrolmentError("there is neither a certificate nor a token to enrol with", false);
    }
    const options = {
      server: `https://${address.host}:${address.httpsPort}`,
      token: address.token,
      timeout: Math.max(timings.answer / 2, 5000),
      signal: this.#stop.signal,
    };
    const ca = address.ca ?? await fetchCa(options);
    this.#take(await enrol(node, ca, options));
  }

  #take(credentials: EdgeCredentials): void {
    this.#credentials = credentials;
    this.#secureContext = undefined;
    this.#certificates++;
  }

  /**
   * Plans the certificate's renewal: when 70 to 90 % of its life are over. Once there is a new one the hub connects anew,
   * after its usual pause, as edgecore does.
   */
  #planRotation(): void {
    const { clock, random } = this.#deps;
    if (this.#credentials === undefined || this.#rotation !== undefined) return;
    const { from, to } = validityOf(this.#credentials.cert);
    const due = from + (to - from) * (0.7 + 0.2 * random.next());
    this.#rotation = clock.after(Math.max(0, due - clock.now()), () => void this.#rotate());
  }

  async #rotate(): Promise<void> {
    const { address, clock, link, logger, node } = this.#deps;
    const signal = this.#stop.signal;
    const options = { server: `https://${address.host}:${address.httpsPort}`, timeout: 30_000, signal };
    try {
      if (!link.isUp) throw new DialError("the link is cut");
      this.#take(await renew(node, this.#credentials as EdgeCredentials, options));
      logger.debug("the certificate was renewed");
      this.#rotation = undefined;
      this.#renewals.reset();
      this.#socket?.close();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn("the certificate could not be renewed; trying again", { error: reasonOf(error) });
      this.#rotation = clock.after(this.#renewals.next(), () => void this.#rotate());
    }
  }

  async #dial(): Promise<MessageSocket> {
    const { address, clock, node, transport } = this.#deps;
    const { ca, cert, key } = this.#credentials as EdgeCredentials;
    if (transport === "quic") {
      if (address.quicPort === undefined) {
        throw new DialError("the cloud serves no QUIC, or its port is not configured");
      }
      const { dialHubByQuic } = await import("./quic.ts");
      const where = { host: address.host, port: address.quicPort, signal: this.#stop.signal };
      return await dialHubByQuic(where, { ca, cert, key }, node, clock.now());
    }
    this.#secureContext ??= createSecureContext({ ca, cert, key });
    return await dialWebSocket({
      url: `wss://${address.host}:${address.websocketPort}/${defaultProjectId}/${node}/events`,
      secureContext: this.#secureContext,
      headers: { node_id: node, project_id: defaultProjectId, ConnectionUse: "msg" },
      handshakeTimeout: 30_000,
      maxMessage: limits.message,
      signal: this.#stop.signal,
    });
  }

  /** Lives with one connection; resolves with why it ended. */
  async #serve(raw: MessageSocket): Promise<string> {
    const { clock, connected, disconnected, link, timings } = this.#deps;
    const socket = link.wrap(raw);
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#socket = socket;
    this.#connections++;
    this.#problem = this.#refusal = undefined;
    socket.onClose(resolve);
    socket.onMessage((text) => this.#receive(text));
    if (!link.isUp || this.#stop.signal.aborted) socket.close();
    this.#sendKeepalive();
    this.#keepalive = every(clock, timings.heartbeat, () => this.#sendKeepalive());
    this.#planRotation();
    connected();
    this.#firstRound.resolve();
    const reason = await promise;
    this.#keepalive.cancel();
    this.#limit.drop();
    this.#socket = undefined;
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new DisconnectedError(`the connection broke: ${reason}`));
    }
    this.#waiting.clear();
    disconnected();
    return reason;
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
    tap?.(hopOf(message, { time: clock.now(), hop: "edge.read", direction: "down", node, size: text.length }));
    const { group } = message.route;
    const parent = message.header.parent_msg_id;
    if (parent !== undefined) {
      const waiting = this.#waiting.get(parent);
      this.#waiting.delete(parent);
      waiting?.resolve(message);
      // An answer of another group is handled by its module, too.
      if (group === groups.resource || group === "func") return;
    }
    try {
      receive(message);
    } catch (error) {
      // Whatever is wrong with it, the edge goes on.
      const { operation, resource } = message.route;
      logger.error("a message of the cloud could not be dealt with", { operation, resource, error: reasonOf(error) });
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

/** A hub that says no by HTTP (but not that it is full), or that this end or that one's certificate is not to be trusted. */
function isRefusal(error: unknown): boolean {
  if (error instanceof EnrolmentError) return !error.isTransient;
  if (!(error instanceof DialError)) return false;
  if (error.status !== undefined) return error.status === 400 || error.status === 403;
  return /certificate|alert|unable to verify|unknown.?ca/i.test(error.message);
}
