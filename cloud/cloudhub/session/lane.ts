// The lane of one node: what waits for it, what it has not acknowledged, and in which order the rest may go.
import { isNewerVersion, type KubeObject } from "../../../protocol/apis/kube-object.ts";
import type { Message } from "../../../protocol/message/message.ts";
import { operations, resourceTypes } from "../../../protocol/message/names.ts";
import { parseWirePath } from "../../../protocol/resource/path.ts";
import type { Written } from "./resends.ts";

/** A message in the lane. `message.route.resource` is the wire path. */
export interface LaneItem {
  readonly message: Message;
  /** The object inside, for messages that must be acknowledged. */
  readonly object: KubeObject;
  readonly uid: string;
  /** Monotonic milliseconds of arrival. */
  readonly since: number;
  /** JSON characters of the content: what the lane holds in memory. */
  readonly bytes: number;
  /** False until its sync record exists; it can't be sent before. */
  recorded: boolean;
  /** Monotonic milliseconds of the first write in the present round of attempts, 0 before. */
  sentAt: number;
  /** Writes so far. */
  attempts: number;
  /** Set by the session at each write; see Resends. */
  written?: Written;
}

/** The result of `offer`. */
export type Offer = "queued" | "replaced" | "stale" | "full";

/** What happens to a message that stays unacknowledged, round after round. */
export type GivenUp = "superseded" | "unanswered" | "set back" | "stays";

/** Bounds of a lane and its window. `windowBytes` bounds what is in flight; one message always may be. */
export interface LaneLimits {
  readonly window: number;
  readonly windowBytes: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Pure bookkeeping; writing, timers and records are the session's. */
export class Lane {
  readonly #limits: LaneLimits;
  #waiting: LaneItem[] = [];
  readonly #inFlight = new Map<string, LaneItem>();
  /** Messages without acknowledgement written since the last one came: they wait in the same inbox at the edge. */
  #unanswered = 0;
  #bytes = 0;
  #inFlightBytes = 0;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The age in milliseconds of the oldest unacknowledged message, 0 where there is none. */
  oldest(now: number): number {
    let oldest = now;
    for (const item of this.#inFlight.values()) oldest = Math.min(oldest, item.sentAt);
    return now - oldest;
  }

  /**
   * Queues a message. A newer version replaces a waiting one of the same object; a deletion replaces
   * any waiting message of its object and is final, except for the kinds that move between nodes; answers to requests are
   * never replaced.
   */
  offer(item: LaneItem): { readonly offer: Offer; readonly replaced?: LaneItem } {
    const isDelete = isDeletion(item);
    if (!isAnswer(item)) {
      for (const [at, other] of this.#waiting.entries()) {
        if (other.uid !== item.uid || isAnswer(other)) continue;
        const comesBack = isDeletion(other) && !isDelete && mayComeBack(item);
        if (isDeletion(other) && !comesBack) return { offer: "stale" };
        if (!isDelete && !comesBack && !isNewer(item, other)) return { offer: "stale" };
        // It keeps its predecessor's place and its `recorded` flag.
        item.recorded ||= other.recorded && !isDeletion(other);
        this.#waiting[at] = item;
        this.#bytes += item.bytes - other.bytes;
        return { offer: "replaced", replaced: other };
      }
      for (const other of this.#inFlight.values()) {
        if (other.uid !== item.uid || isAnswer(other)) continue;
        if (isDeletion(other) ? isDelete || !mayComeBack(item) : !isDelete && !isNewer(item, other)) {
          return { offer: "stale" };
        }
      }
    }
    if (this.#waiting.length >= this.#limits.messages || this.#bytes + item.bytes > this.#limits.bytes) {
      // One object larger than the whole bound must still be deliverable.
      if (this.#waiting.length > 0) return { offer: "full" };
    }
    this.#waiting.push(item);
    this.#bytes += item.bytes;
    return { offer: "queued" };
  }

  /**
   * The messages that may go now, in order; they count as in flight from here on. Messages of one resource path never
   * overtake each other, and a device waits for its model.
   */
  *take(now: number): Generator<LaneItem> {
    const busy = new Set<string>();
    for (const item of this.#inFlight.values()) busy.add(item.message.route.resource ?? "");
    const kept: LaneItem[] = [];
    try {
      for (let at = 0; at < this.#waiting.length; at++) {
        const item = this.#waiting[at] as LaneItem;
        const path = item.message.route.resource ?? "";
        const full = this.#inFlight.size > 0 &&
          (this.#inFlight.size + this.#unanswered >= this.#limits.window ||
            this.#inFlightBytes + item.bytes > this.#limits.windowBytes);
        if (full) {
          kept.push(...this.#waiting.slice(at));
          return;
        }
        if (!item.recorded || busy.has(path) || waitsForModel(item, path, busy)) {
          busy.add(path);
          kept.push(item);
          continue;
        }
        busy.add(path);
        this.#bytes -= item.bytes;
        this.#inFlightBytes += item.bytes;
        item.sentAt = now;
        this.#inFlight.set(item.message.header.msg_id, item);
        yield item;
      }
    } finally {
      this.#waiting = kept;
    }
  }

  /** A message that needs no acknowledgement has been written. */
  wroteUnanswered(): void {
    this.#unanswered++;
  }

  /** Takes the acknowledged message out; undefined where the id is not waited for. */
  acknowledge(id: string): LaneItem | undefined {
    const item = this.#land(id);
    // The edge reads in order: it has read what was written before this one.
    if (item !== undefined) this.#unanswered = 0;
    return item;
  }

  /**
   * Ends a round of unacknowledged sends. A newer version that waits takes over; an answer is dropped, since who asked
   * is long past; anything else goes behind what waits, so that it can't hold up a narrow window. With nothing waiting it
   * stays, and is resent without limit, as with KubeEdge.
   */
  giveUp(id: string): GivenUp {
    const item = this.#inFlight.get(id);
    if (item === undefined) return "stays";
    if (isAnswer(item)) {
      this.#land(id);
      return "unanswered";
    }
    const isSuperseded = !isDeletion(item) && this.#waiting.some((other) => other.uid === item.uid && !isAnswer(other));
    if (isSuperseded) {
      this.#land(id);
      return "superseded";
    }
    if (this.#waiting.length === 0) return "stays";
    this.#land(id);
    const path = item.message.route.resource;
    const next = this.#waiting.findIndex((other) => other.message.route.resource === path);
    this.#waiting.splice(next === -1 ? this.#waiting.length : next, 0, item);
    this.#bytes += item.bytes;
    return "set back";
  }

  /** Whether a deletion of the object waits or is under way: then its record is no longer valid. */
  hasDeletionOf(uid: string): boolean {
    const isIt = (item: LaneItem) => item.uid === uid && isDeletion(item);
    return this.#waiting.some(isIt) || this.#inFlight.values().some(isIt);
  }

  /** What waits of an object, answers aside. */
  waitingOf(uid: string): LaneItem | undefined {
    return this.#waiting.find((item) => item.uid === uid && !isAnswer(item));
  }

  /** What is in flight of an object, answers aside. */
  inFlightOf(uid: string): LaneItem | undefined {
    return this.#inFlight.values().find((item) => item.uid === uid && !isAnswer(item));
  }

  isWaiting(item: LaneItem): boolean {
    return this.#waiting.includes(item);
  }

  #land(id: string): LaneItem | undefined {
    const item = this.#inFlight.get(id);
    if (item === undefined) return undefined;
    this.#inFlight.delete(id);
    this.#inFlightBytes -= item.bytes;
    return item;
  }

  isInFlight(id: string): boolean {
    return this.#inFlight.has(id);
  }
}

function versionOf(item: LaneItem): string {
  return item.message.header.resourceversion ?? "";
}

function isNewer(item: LaneItem, other: LaneItem): boolean {
  return isNewerVersion(versionOf(item), versionOf(other));
}

/** Devices and their models leave a node and come back as the same object; for all else a deletion is the end. */
export function mayComeBack(item: Pick<LaneItem, "message">): boolean {
  const type = parseWirePath(item.message.route.resource ?? "")?.type;
  return type === resourceTypes.device || type === resourceTypes.devicemodel;
}

/** The message takes the object away from the edge. An object that is only *being* deleted is an update like others. */
export function isDeletion(item: Pick<LaneItem, "message">): boolean {
  return item.message.route.operation === operations.delete;
}

/** The message answers a request of the edge. */
function isAnswer(item: Pick<LaneItem, "message">): boolean {
  return item.message.route.operation === operations.response;
}

function waitsForModel(item: LaneItem, path: string, busy: ReadonlySet<string>): boolean {
  const parsed = parseWirePath(path);
  if (parsed?.type !== resourceTypes.device || isDeletion(item)) return false;
  const spec = item.object.spec as { readonly deviceModelRef?: { readonly name?: string } } | undefined;
  const model = spec?.deviceModelRef?.name ?? "";
  return model !== "" && busy.has(`${parsed.namespace}/${resourceTypes.devicemodel}/${model}`);
}
