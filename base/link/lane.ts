// One direction of a connection over a link: what is pushed is delivered as the link is at that moment.
import type { HopRecord } from "../hop/hop.ts";
import type { Random } from "../random/random.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { delayOf, type LinkQuality, type MessageFault, type Way } from "./faults.ts";

/** What a fault did to a message that goes on. */
export type Alteration = "duplicated" | "reordered" | "corrupted";

/** Where messages of one direction go. */
export interface LaneEnds<T> {
  readonly deliver: (message: T) => void;
  /** Called when too many wait. */
  readonly overflow: () => void;
  readonly swallowed: (message: T, way: Way) => void;
  /** Delivers bytes or characters `from` to `to` of a message. Without it messages are never cut into pieces. */
  readonly deliverPart?: (message: T, from: number, to: number) => void;
  /** Told to stop reading from the sender, and to go on. */
  readonly hold?: (isHeld: boolean) => void;
  /** The message as a filter sees it; undefined for what is none. Without it filters take no message. */
  readonly describe?: (message: T, way: Way) => HopRecord | undefined;
  /** The message with one byte changed. Without it nothing is corrupted. */
  readonly corrupt?: (message: T, random: Random) => T;
  readonly altered?: (message: T, way: Way, how: Alteration) => void;
}

/** The link as one direction of it sees it now. */
export interface LaneState {
  readonly quality: LinkQuality;
  /** Everything vanishes. */
  readonly isSwallowed: boolean;
  /** Nothing passes until it is healed. */
  readonly isStuck: boolean;
  readonly faults: readonly MessageFault[];
}

/** One direction of a connection over the link. */
export interface LinkLane<T> {
  push(message: T): void;
  /** Bytes that wait. */
  size(): number;
  isEmpty(): boolean;
  /** The link has changed. */
  wake(): void;
  stop(): void;
}

/** Messages that may wait in one direction of a bad link; beyond it the link breaks, as a real one's buffers do. */
const MAX_WAITING = 10_000;
/** Bytes that wait for a narrow link before the sender is not read any more: a socket's two buffers. */
const BUFFER = 1024 * 1024;
/** Milliseconds after which a message goes on although none came that could overtake it. */
const REORDER_MS = 1000;
/** Milliseconds between two pieces of a slow writer. */
const PIECE_MS = 50;

interface Waiting<T> {
  readonly message: T;
  /** Monotonic milliseconds at which the line has carried it, and at which it arrives. */
  carried: number;
  due: number;
  /** How much of it has been delivered. */
  from: number;
}

interface LaneDeps<T> {
  readonly way: Way;
  readonly ends: LaneEnds<T>;
  /** The link now. */
  readonly look: () => LaneState;
  /** Called for each message before anything is done with it. */
  readonly passing: () => void;
  readonly clock: Clock;
  readonly random: Random;
}

export class Lane<T extends { readonly length: number }> implements LinkLane<T> {
  readonly #way: Way;
  readonly #ends: LaneEnds<T>;
  readonly #look: () => LaneState;
  readonly #passing: () => void;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waiting: Waiting<T>[] = [];
  /** One that the next message overtakes. */
  #late: T | undefined;
  #lateTimer: Timer | undefined;
  #timer: Timer | undefined;
  #bytes = 0;
  #lastDue = 0;
  /** When the link has carried all that was pushed so far. */
  #lineFree = 0;
  #isHeld = false;
  /** The connection has ended: nothing of it arrives any more. */
  #isOver = false;
  /** Bytes a second with which it was counted when what waits is due. */
  #rate = Infinity;

  constructor({ clock, ends, look, passing, random, way }: LaneDeps<T>) {
    this.#way = way;
    this.#ends = ends;
    this.#look = look;
    this.#passing = passing;
    this.#clock = clock;
    this.#random = random;
  }

  size(): number {
    return this.#bytes;
  }

  isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#late === undefined;
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#lateTimer?.cancel();
    this.#timer = this.#lateTimer = this.#late = undefined;
    this.#waiting.length = 0;
    this.#bytes = 0;
  }

  wake(): void {
    const { faults, quality } = this.#look();
    if (this.#late !== undefined && faults.length === 0) this.#release();
    const rate = rateOf(quality);
    // What waited for a narrower line need not wait that long any more.
    if (rate > this.#rate) {
      const now = this.#clock.monotonic();
      let free = now;
      this.#lastDue = now;
      for (const each of this.#waiting) {
        if (each.carried > now) {
          free = Math.min(each.carried, free + (each.message.length - each.from) / rate * 1000);
          // Its latency stays.
          each.due = Math.max(this.#lastDue, each.due - (each.carried - free));
          each.carried = free;
        }
        this.#lastDue = each.due;
      }
      this.#lineFree = Math.min(this.#lineFree, free);
      this.#rate = rate;
    }
    this.#pump();
  }

  push(message: T): void {
    if (this.#isOver) return;
    this.#passing();
    const { faults, isSwallowed } = this.#look();
    if (isSwallowed) return this.#ends.swallowed(message, this.#way);
    let whole = message;
    let copies = 1;
    for (const fault of faults) {
      if (!this.#isMeant(fault, message)) continue;
      if (this.#hits(fault.drop)) return this.#ends.swallowed(message, this.#way);
      if (this.#ends.corrupt !== undefined && this.#hits(fault.corrupt)) {
        whole = this.#ends.corrupt(whole, this.#random);
        this.#ends.altered?.(whole, this.#way, "corrupted");
      }
      if (this.#hits(fault.duplicate)) {
        copies++;
        this.#ends.altered?.(message, this.#way, "duplicated");
      }
      if (this.#late === undefined && this.#hits(fault.reorder)) {
        this.#late = whole;
        this.#lateTimer = this.#clock.after(REORDER_MS, () => this.#release());
        this.#ends.altered?.(message, this.#way, "reordered");
        return;
      }
    }
    for (let i = 0; i < copies; i++) this.#queue(whole);
    this.#release();
  }

  #isMeant({ matches }: MessageFault, message: T): boolean {
    if (matches === undefined) return true;
    const record = this.#ends.describe?.(message, this.#way);
    return record !== undefined && matches(record);
  }

  #hits(share: number | undefined): boolean {
    return share !== undefined && share > 0 && this.#random.next() < share;
  }

  #release(): void {
    const late = this.#late;
    this.#late = undefined;
    this.#lateTimer?.cancel();
    if (late !== undefined) this.#queue(late);
  }

  #queue(message: T): void {
    const { isStuck, quality } = this.#look();
    const now = this.#clock.monotonic();
    const rate = rateOf(quality);
    if (this.#waiting.length >= MAX_WAITING) return this.#ends.overflow();
    this.#rate = Math.min(this.#rate, rate);
    if (rate !== Infinity) this.#lineFree = Math.max(now, this.#lineFree) + message.length / rate * 1000;
    const carried = rate === Infinity ? now : this.#lineFree;
    const arrives = carried + delayOf(quality, this.#random);
    const due = this.#lastDue = Math.max(this.#lastDue, arrives);
    if (due <= now && this.#waiting.length === 0 && !isStuck) return this.#ends.deliver(message);
    this.#waiting.push({ message, carried, due, from: 0 });
    this.#bytes += message.length;
    this.#pump();
  }

  /** Delivers what is due, sets the timer for what is not, and holds the sender up where too much waits. */
  #pump(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { isStuck, quality: { slowReader, slowWriter } } = this.#look();
    const now = this.#clock.monotonic();
    while (!isStuck) {
      const first = this.#waiting[0];
      if (first === undefined || first.due > now) break;
      this.#waiting.shift();
      this.#bytes -= first.message.length;
      if (first.from === 0) this.#ends.deliver(first.message);
      else this.#ends.deliverPart?.(first.message, first.from, first.message.length);
    }
    const next = this.#waiting[0];
    const buffer = slowReader === undefined ? BUFFER : 0;
    this.#hold(this.#bytes > buffer);
    if (next === undefined || isStuck) return;
    const isInPieces = slowWriter !== undefined && this.#ends.deliverPart !== undefined;
    const wait = next.due - now;
    this.#timer = this.#clock.after(isInPieces ? Math.min(PIECE_MS, wait) : wait, () => {
      this.#timer = undefined;
      if (isInPieces && !this.#look().isStuck) this.#piece(next, slowWriter);
      this.#pump();
    });
  }

  /** As much of a message as a slow writer has written by now. */
  #piece(next: Waiting<T>, rate: number): void {
    const { length } = next.message;
    const left = Math.ceil((next.due - this.#clock.monotonic()) / 1000 * rate);
    const to = Math.min(length - 1, length - left);
    if (to <= next.from) return;
    this.#ends.deliverPart?.(next.message, next.from, to);
    next.from = to;
  }

  #hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#ends.hold?.(isHeld);
  }
}

/** Bytes a second; Infinity where nothing narrows it. */
function rateOf({ bandwidth = Infinity, slowReader = Infinity, slowWriter = Infinity }: LinkQuality): number {
  return Math.min(bandwidth, slowReader, slowWriter);
}
