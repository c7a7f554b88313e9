// One connected node: its socket, its lane, its keepalive. Session and socket end together, always.
import type { Tap } from "../../../base/hop/hop.ts";
import { type HopFacts, type HopName, hopOf } from "../../../protocol/message/hops.ts";
import { type Logger, reasonOf } from "../../../base/log/logger.ts";
import type { Clock, Timer } from "../../../base/time/clock.ts";
import type { MessageSocket } from "../../../base/transport/message-socket.ts";
import { isNewerVersion, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import { limits } from "../../../protocol/limits.ts";
import { encodeWith } from "../../../protocol/message/codec.ts";
import type { Message } from "../../../protocol/message/message.ts";
import { groups, operations, resourceTypes } from "../../../protocol/message/names.ts";
import { parseWirePath } from "../../../protocol/resource/path.ts";
import type { CloudCoreConfig } from "../../config/config.ts";
import { durationsOf } from "./durations.ts";
import { encodedContent, encodeV11 } from "./encoded.ts";
import { PacedQueue } from "./paced-queue.ts";
import { Resends } from "./resends.ts";
import { isDeletion, Lane, type LaneItem, mayComeBack } from "./lane.ts";
import { type Recorded, recordedOf, type SyncRecords } from "../records/sync-records.ts";

/** Injected dependencies. */
export interface SessionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly records: SyncRecords;
  readonly config: CloudCoreConfig;
  readonly tap: Tap | undefined;
  /** A node of KubeEdge v1.1: it gets every message once, and its acknowledgements are ignored. */
  readonly isV11: boolean;
  /** Called when the lane has room again after it was full: the node lacks what was dropped, and needs a resync. */
  readonly onResyncNeeded: (session: NodeSession) => void;
  /** Called once, when the session has ended. */
  readonly ended: (session: NodeSession, reason: string) => void;
}

/**
 * Sends of a round, which takes 35 s: after one, what waits has its turn. KubeEdge gives up after five sends, 25 s; ours come
 * ever later.
 */
const SENDS_PER_ROUND = 3;

/** Why a message for a node was not sent. */
export type DropReason =
  | "not connected"
  | "no uid"
  | "no version"
  | "stale"
  | "coalesced"
  | "lane full"
  | "never acknowledged";

/** A message in a lane, as people see it. Ages are milliseconds. */
export interface LaneState {
  readonly id: string;
  /** Written and not acknowledged; otherwise it waits. */
  readonly isInFlight: boolean;
  /** Whether its sync record exists: it is not written before. */
  readonly isRecorded: boolean;
  readonly attempts: number;
  /** Since it came. */
  readonly age: number;
  /** Since it was written first, in the present round of attempts; 0 before. */
  readonly writtenFor: number;
  readonly version: string;
  readonly operation: string;
}

/** Totals of all sessions, for the metrics. Bytes are of the messages' JSON. */
export class DeliveryTotals {
  sent = 0;
  acked = 0;
  resent = 0;
  bytesDown = 0;
  bytesUp = 0;
  /** Messages not sent, by reason. */
  readonly drops = new Map<DropReason, number>();
  /** Messages of edges that were not carried out, by reason. */
  readonly refusals = new Map<string, number>();
  /** Seconds from a message's entering its lane to its first write, and to its acknowledgement. */
  readonly waits = durationsOf("skep_hub_wait_seconds");
  readonly acks = durationsOf("skep_hub_ack_seconds");

  drop(reason: DropReason): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }

  refuse(reason: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  get dropped(): number {
    return this.drops.values().reduce((sum, n) => sum + n, 0);
  }
}

export class NodeSession {
  readonly node: string;
  readonly #socket: MessageSocket;
  readonly #deps: SessionDeps;
  readonly #lane: Lane;
  /** For a node of v1.1, in the lane's place. */
  readonly #paced: PacedQueue | undefined;
  readonly #totals: DeliveryTotals;
  readonly #retries = new Map<string, Timer>();
  readonly #resends: Resends;
  /**
   * Uid and version of what was last sent under a path. Edges delete by name (but for pods): the deletion of a former object
   * that is sent after the present one would delete the present one.
   */
  readonly #sentAs = new Map<string, { readonly uid: string; readonly version: string }>();
  #keepalive: Timer;
  #needsResync = false;
  #isRead = true;
  #ended = false;

  constructor(node: string, socket: MessageSocket, deps: SessionDeps, totals: DeliveryTotals) {
    this.node = node;
    this.#socket = socket;
    this.#deps = deps;
    this.#totals = totals;
    this.#lane = new Lane({
      window: deps.config.ackWindow,
      windowBytes: limits.laneWindowBytes,
      messages: limits.laneMessages,
      bytes: limits.laneBytes,
    });
    this.#resends = new Resends(deps.config.ackRetry);
    this.#paced = deps.isV11 ? this.#pacedQueue() : undefined;
    this.#keepalive = this.#armKeepalive();
    socket.onClose((reason) => this.end(reason));
  }

  /** Whether its node runs KubeEdge v1.1. */
  get isV11(): boolean {
    return this.#deps.isV11;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Messages waiting, unacknowledged, and the age of the oldest of these: the lane's gauges. */
  gauges() {
    return {
      waiting: this.#lane.waiting + (this.#paced?.size ?? 0),
      inFlight: this.#lane.inFlight,
      oldest: Math.round(this.#lane.oldest(this.#deps.clock.monotonic())),
    };
  }

  /** What of an object is in the lane; undefined for nothing. */
  laneStateOf(uid: string): LaneState | undefined {
    const item = this.#lane.waitingOf(uid) ?? this.#lane.inFlightOf(uid);
    if (item === undefined) return undefined;
    const { attempts, recorded, sentAt, since } = item;
    const isInFlight = this.#lane.isInFlight(item.message.header.msg_id);
    const version = item.message.header.resourceversion ?? "";
    const { operation = "" } = item.message.route;
    const now = this.#deps.clock.monotonic();
    return {
      id: item.message.header.msg_id,
      isInFlight,
      isRecorded: recorded,
      attempts,
      age: Math.round(now - since),
      writtenFor: sentAt === 0 ? 0 : Math.round(now - sentAt),
      version,
      operation,
    };
  }

  /** Whether messages were dropped because the lane was full, and the resync that makes up for it has not come yet. */
  get needsResync(): boolean {
    return this.#needsResync;
  }

  /** The edge is alive. Nothing else counts (KubeEdge: other traffic does not feed the timer). */
  keepalive(): void {
    this.#keepalive.cancel();
    if (!this.#ended && this.#isRead) this.#keepalive = this.#armKeepalive();
  }

  /** Its socket is not read for now, and so no keepalive can come: none is waited for until it is read again. */
  notRead(): void {
    this.#isRead = false;
    this.#keepalive.cancel();
  }

  readAgain(): void {
    this.#isRead = true;
    this.keepalive();
  }

  /** A message of the edge was read that is no keepalive. */
  received(): void {
    this.#resends.received();
  }

  /** Sends a message that needs no acknowledgement: at once, whatever waits. */
  sendUnacknowledged(message: Message): void {
    if (this.#ended) return;
    // A node of v1.1 may be sent much; answers to its requests go first, as it waits for them.
    if (this.#paced !== undefined && message.route.operation !== operations.response) {
      if (!this.#paced.offer(message)) {
        this.#drop(message, "lane full", "too much waits for this edge; it will be resynced when there is room");
      }
    } else this.#sendOnce(message);
  }

  #sendOnce(message: Message): void {
    this.#write(message, { attempt: 1 });
    this.#lane.wroteUnanswered();
    this.#totals.sent++;
  }

  /**
   * Puts a message into the lane. It is dropped, with the reason in the hop record, where it carries no version, where the
   * node has acknowledged that version already, or where the lane is full: then the node is resynced once half of
   * the lane is free.
   */
  sendAcknowledged(message: Message, object: KubeObject): void {
    if (this.#ended) return;
    if (this.#deps.isV11) return this.sendUnacknowledged(message);
    const recorded = recordedOf(object);
    const version = message.header.resourceversion ?? "";
    if (recorded === undefined) return this.#drop(message, "no uid", "it has no uid to be recorded by");
    const isDelete = isDeletion({ message });
    const isAnswer = message.route.operation === operations.response;
    if (version === "" && !isDelete) return this.#drop(message, "no version", "it has no version");
    const path = message.route.resource ?? "";
    if (isDelete && this.#isOfFormer(path, recorded, version)) {
      // SyncController removes its record once there is one for the other object.
      return this.#drop(message, "stale", "another object has its name now, and the node has been sent that");
    }
    // A device that leaves and comes back meets its own deletion in the lane: its record is about to go.
    const acknowledged = this.#lane.hasDeletionOf(recorded.uid)
      ? undefined
      : this.#deps.records.acknowledged(this.node, recorded);
    if (!isDelete && !isAnswer && acknowledged !== undefined && !isNewerVersion(version, acknowledged)) {
      return this.#drop(message, "stale", `edge ${this.node} acknowledged version ${acknowledged} already`);
    }
    const item: LaneItem = {
      message,
      object,
      uid: recorded.uid,
      since: this.#deps.clock.monotonic(),
      bytes: encodedContent(message.content).length,
      // A deletion needs no record: an object without one counts as absent. But an object that may come back must not look as if it
      // were still there, should we end before its record does.
      recorded: isDelete
        ? !mayComeBack({ message }) || this.#deps.records.acknowledged(this.node, recorded) === undefined
        : acknowledged !== undefined || message.route.group !== groups.resource,
      sentAt: 0,
      attempts: 0,
    };
    const { offer, replaced } = this.#lane.offer(item);
    if (replaced !== undefined) {
      this.#cancelRetry(replaced.message.header.msg_id);
      this.#drop(replaced.message, "coalesced", `replaced by version ${version} before it was sent`);
    }
    if (offer === "stale") return this.#drop(message, "stale", "this or a newer version is under way");
    if (offer === "full") {
      this.#needsResync = true;
      return this.#drop(
        message,
        "lane full",
        "the lane of this edge is full; it will be resynced when half of it is free",
      );
    }
    if (isDelete) this.#sentAs.delete(path);
    else this.#sentAs.set(path, { uid: recorded.uid, version });
    this.#tapAt("hub.enqueue", message);
    if (item.recorded) this.#pump();
    else void this.#record(item);
  }

  /** Takes an acknowledgement. Unknown ids are ignored, as duplicates and late ones are. */
  acknowledge(answer: Message): void {
    const item = this.#lane.acknowledge(answer.header.parent_msg_id ?? "");
    if (item === undefined) return;
    const { message, object } = item;
    this.#cancelRetry(message.header.msg_id);
    this.#resends.acknowledged(item.written);
    this.#totals.acked++;
    const now = this.#deps.clock.monotonic();
    this.#totals.acks.observe((now - item.since) / 1000);
    this.#tapAt("hub.ack", message, { ack: Math.round(now - item.sentAt), attempt: item.attempts });
    if (message.route.group === groups.resource) {
      const recorded = recordedOf(object);
      if (isDeletion(item)) {
        if (recorded !== undefined) this.#forget(recorded, message);
      } else if (!this.#lane.hasDeletionOf(item.uid)) void this.#recordVersion(object, message);
    }
    this.#pump();
    this.#catchUp();
  }

  /** Whether nothing waits and everything has been acknowledged. */
  get isDrained(): boolean {
    return this.#ended || this.#lane.waiting + this.#lane.inFlight + (this.#paced?.size ?? 0) === 0;
  }

  /** Ends session and socket; later calls do nothing. With `isFarewell` the close frame gives the edge the reason. */
  end(reason: string, isFarewell = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#keepalive.cancel();
    this.#paced?.stop();
    for (const timer of this.#retries.values()) timer.cancel();
    this.#retries.clear();
    this.#socket.close(isFarewell ? reason : undefined);
    this.#deps.ended(this, reason);
  }

  #pacedQueue(): PacedQueue {
    return new PacedQueue({
      clock: this.#deps.clock,
      buffered: () => this.#socket.buffered,
      write: (message) => this.#sendOnce(message),
      hasRoom: () => this.#deps.onResyncNeeded(this),
      limits: { messages: limits.pacedMessages, buffered: limits.pacedBuffered },
    });
  }

  #cancelRetry(id: string): void {
    this.#retries.get(id)?.cancel();
    this.#retries.delete(id);
  }

  /** Makes the record of a message that waits for it; a failure is retried here, since without a record nothing else would retry it. */
  async #record(item: LaneItem): Promise<void> {
    const { clock, config, logger, records } = this.#deps;
    try {
      if (isDeletion(item)) await records.reset(this.node, item.object);
      else await records.ensure(this.node, item.object);
    } catch (error) {
      if (this.#ended || !this.#lane.isWaiting(item)) return;
      const { resource } = item.message.route;
      logger.warn("a sync record could not be made; trying again", {
        node: this.node,
        resource,
        error: reasonOf(error),
      });
      const id = item.message.header.msg_id;
      const again = () => {
        this.#retries.delete(id);
        void this.#record(item);
      };
      this.#retries.set(id, clock.after(config.ackRetry, again));
      return;
    }
    item.recorded = true;
    this.#pump();
  }

  /** Whether the name of the deleted object belongs to another object by now. */
  #isOfFormer(path: string, { uid }: Recorded, version: string): boolean {
    const present = this.#sentAs.get(path);
    if (present === undefined || present.uid === uid || version === "") return false;
    return isNewerVersion(present.version, version) && parseWirePath(path)?.type !== resourceTypes.pod;
  }

  async #recordVersion(object: KubeObject, message: Message): Promise<void> {
    const isWritten = await this.#deps.records.acknowledge(this.node, object, message.header.resourceversion ?? "");
    if (isWritten) this.#tapAt("hub.record", message);
  }

  /** The node has deleted the object, and its record is removed; an object recreated meanwhile needs a new record. */
  #forget(recorded: Recorded, message: Message): void {
    void this.#deps.records.remove(this.node, recorded).then((isGone) => isGone && this.#tapAt("hub.record", message));
    const next = this.#lane.waitingOf(recorded.uid);
    if (next === undefined || isDeletion(next)) return;
    next.recorded = false;
    void this.#record(next);
  }

  #catchUp(): void {
    if (!this.#needsResync || this.#ended) return;
    if (this.#lane.waiting > limits.laneMessages / 2 || this.#lane.bytes > limits.laneBytes / 2) return;
    this.#needsResync = false;
    this.#deps.onResyncNeeded(this);
  }

  #pump(): void {
    if (this.#ended) return;
    for (const item of this.#lane.take(this.#deps.clock.monotonic())) {
      this.#send(item);
      if (this.#ended) return;
    }
  }

  #send(item: LaneItem): void {
    const { message } = item;
    item.attempts++;
    this.#totals[item.attempts === 1 ? "sent" : "resent"]++;
    if (item.attempts === 1) this.#totals.waits.observe((item.sentAt - item.since) / 1000);
    item.written = this.#resends.wrote(item.written);
    const wait = item.attempts === 1 ? Math.round(item.sentAt - item.since) : 0;
    this.#write(message, { attempt: item.attempts, wait });
    this.#armRetry(item, this.#resends.waitAfter(item.attempts));
  }

  #armRetry(item: LaneItem, after: number): void {
    const id = item.message.header.msg_id;
    this.#retries.set(
      id,
      this.#deps.clock.after(after, () => {
        this.#retries.delete(id);
        if (!this.#ended && this.#lane.isInFlight(id)) this.#sendAgain(item);
      }),
    );
  }

  #sendAgain(item: LaneItem): void {
    // Our socket buffer isn't empty, so the message may not have left yet: a second copy would only load a slow link. The buffer
    // may also hold another resend, so the wait is short: after a whole interval the same two timers would meet again.
    const { ackRetry } = this.#deps.config;
    if (this.#socket.buffered > 0) return this.#armRetry(item, ackRetry / 10);
    if (item.written !== undefined && this.#resends.isPutOff(item.written)) return this.#armRetry(item, ackRetry);
    const outcome = item.attempts % SENDS_PER_ROUND === 0
      ? this.#lane.giveUp(item.message.header.msg_id)
      : "stays" as const;
    if (outcome === "stays") return this.#send(item);
    const why = outcome === "superseded" ? "a newer version waits" : "who asked has given up";
    if (outcome !== "set back") this.#drop(item.message, "never acknowledged", `never acknowledged, and ${why}`);
    this.#pump();
    this.#catchUp();
  }

  #write(message: Message, at: HopFacts): void {
    const { isV11 } = this.#deps;
    const text = isV11 ? encodeV11(message) : encodeWith(message, encodedContent(message.content));
    this.#socket.send(text);
    this.#totals.bytesDown += text.length;
    this.#tapAt("hub.write", message, { size: text.length, outcome: "sent", text, ...at });
    if (this.#socket.buffered > limits.laneBytes) this.end("it reads too slowly: its socket's buffer is full");
  }

  #drop(message: Message, reason: DropReason, why: string): void {
    this.#totals.drop(reason);
    this.#tapAt("hub.drop", message, { outcome: why });
  }

  #tapAt(hop: HopName, message: Message, at: HopFacts = {}): void {
    const { clock, tap } = this.#deps;
    tap?.on?.(hopOf(message, { time: clock.now(), hop, direction: "down", node: this.node, ...at }));
  }

  #armKeepalive(): Timer {
    const { clock, config } = this.#deps;
    return clock.after(config.keepaliveInterval, () => this.end(`no keepalive for ${config.keepaliveInterval} ms`));
  }
}
