// Beehive: messages between the modules of one cloudcore, with the semantics of KubeEdge's channel context.
import { SkepError } from "../../base/error/skep-error.ts";
import type { Clock } from "../../base/time/clock.ts";
import { type Logger, reasonOf } from "../../base/log/logger.ts";
import { BoundedQueue, QueueClosedError } from "../../base/queue/bounded-queue.ts";
import { limits } from "../../protocol/limits.ts";
import type { Tap } from "../../base/hop/hop.ts";
import { namesOf } from "../../protocol/message/hops.ts";
import type { Message } from "../../protocol/message/message.ts";
import { modules } from "../../protocol/message/names.ts";
import { nodeOf } from "../../protocol/resource/path.ts";
import { hopToHub } from "./hops.ts";

/**
 * What modules send each other. A message to the hub may carry `receivers`, names of nodes; then its resource is the wire
 * path and the object inside is shared by all of them.
 */
export interface BusMessage extends Message {
  readonly receivers?: readonly string[];
  /** The receiver calls it once when it has processed the message, so that the sender can limit what is in progress. */
  readonly settled?: () => void;
}

/** A call that could not be carried out; the texts are KubeEdge's. */
export class BusError extends SkepError {
  readonly code = "SKEP_BUS";
}

/** Default timeout of a synchronous call, milliseconds (KubeEdge: 30 s). */
export const DEFAULT_SYNC_TIMEOUT_MS = 30_000;

interface Slot {
  /** Takes an answer; false when the asker is no longer waiting. */
  take(answer: Message): boolean;
}

/** The bus. Nothing is dropped on it: a full channel makes `send` wait. */
export class Bus {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #capacity: number;
  readonly #tap: Tap | undefined;
  readonly #channels = new Map<string, BoundedQueue<BusMessage>>();
  readonly #groups = new Map<string, Set<string>>();
  readonly #known = new Set<string>();
  readonly #slots = new Map<string, Slot>();

  constructor(clock: Clock, logger: Logger, capacity: number = limits.moduleChannel, tap?: Tap) {
    this.#tap = tap;
    this.#clock = clock;
    this.#logger = logger;
    this.#capacity = capacity;
  }

  /** Gives a module its channel and puts it into its group. */
  addModule(name: string, group: string = name): void {
    this.#known.add(name);
    this.#channels.set(name, new BoundedQueue(`beehive/${name}`, this.#capacity));
    const members = this.#groups.get(group) ?? new Set();
    members.add(name);
    this.#groups.set(group, members);
  }

  /** Messages waiting for a module: a gauge. */
  depth(name: string): number {
    return this.#channels.get(name)?.size ?? 0;
  }

  /** Settles when the message is in the channel. A message to a module that isn't registered is dropped without an error. */
  async send(module: string, message: BusMessage): Promise<void> {
    const channel = this.#channels.get(module);
    // No module will process it: its sender must not wait for that.
    if (channel === undefined) return message.settled?.();
    if (module === modules.cloudhub) this.#tapSend(message);
    try {
      await channel.send(message);
    } catch (error) {
      if (!(error instanceof QueueClosedError)) throw error;
      message.settled?.();
      this.#logger.warn("a message for a module that is being stopped was dropped", {
        module,
        id: message.header.msg_id,
      });
    }
  }

  /** The next message for a module. Rejects with BusError for an unknown module, also when it is cleaned up meanwhile. */
  async receive(module: string): Promise<BusMessage> {
    const channel = this.#channel(module);
    try {
      return await channel.receive();
    } catch (error) {
      if (error instanceof QueueClosedError) throw new BusError(`bad request module name(${module})`);
      throw error;
    }
  }

  /**
   * Sends and waits for the answer that names this message as its parent. The deadline covers both the wait for room and
   * the wait for the answer. Rejects with BusError.
   */
  async sendSync(module: string, message: BusMessage, timeout = DEFAULT_SYNC_TIMEOUT_MS): Promise<Message> {
    const channel = this.#channel(module);
    const id = message.header.msg_id;
    const deadline = timeout > 0 ? timeout : DEFAULT_SYNC_TIMEOUT_MS;
    const abort = new AbortController();
    let sent = false;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    promise.catch(() => {});
    // The waiter is registered before the message is sent, so that a fast answer finds it.
    this.#slots.set(id, {
      take: (answer) => {
        resolve(answer);
        return true;
      },
    });
    const timer = this.#clock.after(deadline, () => {
      const error = new BusError(`timeout to ${sent ? "get response for" : "send"} message ${id}`);
      reject(error);
      abort.abort(error);
    });
    try {
      await channel.send({ ...message, header: { ...message.header, sync: true } }, abort.signal);
      sent = true;
      return await promise;
    } catch (error) {
      throw error instanceof QueueClosedError ? new BusError(`bad request module name(${module})`) : error;
    } finally {
      timer.cancel();
      this.#slots.delete(id);
    }
  }

  /** Hands an answer to the call that waits for it; without one it is dropped. */
  sendResp(answer: Message): void {
    const parent = answer.header.parent_msg_id ?? "";
    if (this.#slots.get(parent)?.take(answer)) return;
    this.#logger.warn("an answer that no call waits for was dropped", { parent, id: answer.header.msg_id });
  }

  /** Sends to every module of a group; settles when all have it. Unlike Go's, two calls in sequence keep their order. */
  async sendToGroup(group: string, message: BusMessage): Promise<void> {
    const members = this.#groups.get(group);
    if (members === undefined || members.size === 0) {
      this.#logger.debug("a message for a group without modules was dropped", { group, id: message.header.msg_id });
      return message.settled?.();
    }
    await Promise.all([...members].map((member) => this.send(member, message)));
  }

  /** Sends to every module of a group and waits until each has answered; the answers themselves are not kept. */
  async sendToGroupSync(group: string, message: BusMessage, timeout = DEFAULT_SYNC_TIMEOUT_MS): Promise<void> {
    const members = [...this.#groups.get(group) ?? []];
    const id = message.header.msg_id;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    let missing = members.length;
    if (missing === 0) return;
    this.#slots.set(id, {
      take: () => {
        if (--missing === 0) resolve();
        return missing >= 0;
      },
    });
    const abort = new AbortController();
    const timer = this.#clock.after(timeout > 0 ? timeout : DEFAULT_SYNC_TIMEOUT_MS, () => {
      const error = new BusError(`timeout to send message, several ${missing} timeout when send`);
      reject(error);
      abort.abort(error);
    });
    const copy = { ...message, header: { ...message.header, sync: true } };
    try {
      await Promise.all(members.map((member) => this.#channel(member).send(copy, abort.signal)));
      await promise;
    } catch (error) {
      throw error instanceof QueueClosedError ? new BusError(reasonOf(error)) : error;
    } finally {
      timer.cancel();
      this.#slots.delete(id);
    }
  }

  /** Removes a module's channel; calls that wait on it are rejected. */
  cleanup(module: string): void {
    this.#channels.get(module)?.close();
    this.#channels.delete(module);
    for (const members of this.#groups.values()) members.delete(module);
  }

  /** What controllers send to edges goes through here, all of it. */
  #tapSend(message: BusMessage): void {
    const on = this.#tap?.on;
    if (on === undefined) return;
    const { receivers, route: { resource = "" } } = message;
    const outcome = `to ${namesOf(receivers ?? [nodeOf(resource)])}`;
    on(hopToHub(message, "controller.send", this.#clock.now(), outcome));
  }

  #channel(module: string): BoundedQueue<BusMessage> {
    const channel = this.#channels.get(module);
    if (channel !== undefined) return channel;
    throw new BusError(
      this.#known.has(module) ? `bad request module name(${module})` : `message context ${module} doesn't exist`,
    );
  }
}
