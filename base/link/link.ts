// Simulates a bad network link between one edge and its cloud, per direction: slow, narrow, cut, half-open, or one that does things to messages.
import type { HopRecord } from "../hop/hop.ts";
import type { Random } from "../random/random.ts";
import type { Clock } from "../time/clock.ts";
import type { MessageSocket } from "../transport/message-socket.ts";
import {
  type Cut,
  type Direction,
  type LinkQuality,
  type MessageFault,
  messageFaultWords,
  qualityWords,
  type Way,
} from "./faults.ts";
import { type Alteration, Lane, type LaneEnds, type LinkLane } from "./lane.ts";

export type { Cut, Direction, LinkQuality, MessageFault, Way } from "./faults.ts";
export type { Alteration, LaneEnds, LinkLane } from "./lane.ts";

/** What a cut ends: `reset` where it can be told from any other end. */
export interface LinkedConnection {
  close(reason?: string): void;
  reset?(): void;
}

/** Told what faults do to the messages of a socket. All are optional. */
export interface LinkWatch {
  readonly swallowed?: (text: string, way: Way) => void;
  readonly altered?: (text: string, way: Way, how: Alteration) => void;
  /** The message as a filter sees it; undefined for what is none. */
  readonly describe?: (text: string, way: Way) => HopRecord | undefined;
}

/** The mapping of one connection in a NAT on its way. */
interface Mapping {
  /** Unix milliseconds of the last message. */
  last: number;
  isForgotten: boolean;
}

/**
 * The link of one edge. It works on whole messages at the edge's socket:
 * a *cut* ends the TCP connection and refuses new ones until it is healed;
 * a *half-open* link stays connected and drops what is sent in that direction.
 */
export class Link {
  readonly #clock: Clock;
  readonly #random: Random;
  #quality: { up: LinkQuality; down: LinkQuality };
  #cut: Cut | undefined;
  #swallow = { up: false, down: false };
  #faults: { up: MessageFault[]; down: MessageFault[] } = { up: [], down: [] };
  #natTimeout: number | undefined;
  /** Since when connections are forgotten. */
  #natSince = 0;
  readonly #connections = new Set<LinkedConnection>();
  readonly #lanes = new Set<LinkLane<never>>();
  #healed = Promise.withResolvers<void>();

  constructor(clock: Clock, random: Random, quality: LinkQuality = {}) {
    this.#clock = clock;
    this.#random = random;
    this.#quality = { up: quality, down: quality };
  }

  /** False while the link is cut: a dial must fail. */
  get isUp(): boolean {
    return this.#cut === undefined;
  }

  /** Whether a dial gets no answer at all, instead of a refusal. */
  get isBlackHole(): boolean {
    return this.#cut === "blackHole";
  }

  /** What is wrong with it, in words; empty where nothing is. */
  get faults(): string[] {
    const cut = this.#cut === undefined ? [] : [this.#cut === "blackHole" ? "a black hole" : "cut"];
    const nat = this.#natTimeout === undefined ? [] : [`connections forgotten after ${this.#natTimeout} ms idle`];
    const ways = waysOf("both").flatMap((way) => [
      ...(this.#swallow[way] ? [`half-open ${way}`] : []),
      ...this.#faults[way].flatMap((fault) => messageFaultWords(fault, way)),
      ...qualityWords(this.#quality[way], way),
    ]);
    return [...cut, ...nat, ...ways];
  }

  setQuality(direction: Direction, quality: LinkQuality): void {
    for (const way of waysOf(direction)) this.#quality[way] = quality;
    this.#wake();
  }

  /** Cuts the present connection, and lets no other come to be until `heal`. Default: TCP's end, without a close frame. */
  cut(how: Cut = "both"): void {
    this.#cut = how;
    if (how === "blackHole") return;
    for (const connection of [...this.#connections]) {
      if (how === "clean") connection.close("the link was cut");
      else if (how === "reset" && connection.reset !== undefined) connection.reset();
      else connection.close();
    }
  }

  /** Drops all further messages in that direction; neither end notices. */
  halfOpen(direction: Direction): void {
    for (const way of waysOf(direction)) this.#swallow[way] = true;
  }

  /** Drops, duplicates, reorders or corrupts messages of that direction from now on, in addition to what others do. */
  disturb(direction: Direction, fault: MessageFault): void {
    for (const way of waysOf(direction)) this.#faults[way] = [...this.#faults[way], fault];
  }

  /** A connection on which nothing has passed for so many milliseconds vanishes: both ends keep it, nothing comes through. */
  forgetIdle(ms: number): void {
    this.#natTimeout = ms;
    this.#natSince = this.#clock.now();
  }

  /** Restores the link. Messages that a half-open connection has dropped stay lost. Its quality stays as it is. */
  heal(): void {
    this.#cut = undefined;
    this.#swallow = { up: false, down: false };
    this.#faults = { up: [], down: [] };
    this.#natTimeout = undefined;
    this.#healed.resolve();
    this.#healed = Promise.withResolvers();
    this.#wake();
  }

  /** Settles with the next `heal`. */
  healed(): Promise<void> {
    return this.#healed.promise;
  }

  /** The socket as seen through this link. The edge sends `up` through it and receives `down`. */
  wrap(socket: MessageSocket, { altered, describe, swallowed }: LinkWatch = {}): MessageSocket {
    const forget = this.connected(socket);
    const mapping = this.#mapping();
    let isPausedHere = false;
    let isPausedByUser = false;
    const shared = {
      overflow: () => socket.close(),
      swallowed: swallowed ?? (() => {}),
      corrupt: corruptText,
      ...(altered === undefined ? {} : { altered }),
      ...(describe === undefined ? {} : { describe }),
    };
    const up = this.#lane<string>("up", {
      ...shared,
      deliver: (text) => socket.send(text),
      ...(socket.sendPart === undefined
        ? {}
        : { deliverPart: (text: string, from: number, to: number) => socket.sendPart?.(text, from, to) }),
    }, mapping);
    let receive: (text: string) => void = () => {};
    const down = this.#lane<string>("down", {
      ...shared,
      deliver: (text) => receive(text),
      hold(isHeld) {
        isPausedHere = isHeld;
        if (isHeld) socket.pause();
        else if (!isPausedByUser) socket.resume();
      },
    }, mapping);
    let ended: ((reason: string) => void) | undefined;
    let endedWith: string | undefined;
    socket.onClose((reason) => {
      endedWith = reason;
      forget();
      this.#end(up);
      this.#end(down);
      ended?.(reason);
    });
    return {
      send: (text) => up.push(text),
      close: (reason) => socket.close(reason),
      pause() {
        isPausedByUser = true;
        socket.pause();
      },
      resume() {
        isPausedByUser = false;
        if (!isPausedHere) socket.resume();
      },
      get buffered() {
        return socket.buffered + up.size();
      },
      get isOpen() {
        return socket.isOpen;
      },
      onMessage: (listener) => {
        receive = listener;
        socket.onMessage((text) => down.push(text));
      },
      onClose: (listener) => {
        ended = listener;
        if (endedWith !== undefined) listener(endedWith);
      },
    };
  }

  /** Registers a connection that a cut ends; returns a function that forgets it. */
  connected(connection: LinkedConnection): () => void {
    this.#connections.add(connection);
    return () => this.#connections.delete(connection);
  }

  /** Whether messages in that direction go on at once and untouched. */
  isClean(way: Way): boolean {
    const { bandwidth, jitter = 0, latency = 0, slowReader, slowWriter } = this.#quality[way];
    return !this.#swallow[way] && this.#faults[way].length === 0 && latency === 0 && jitter === 0 &&
      bandwidth === undefined && slowReader === undefined && slowWriter === undefined &&
      this.#natTimeout === undefined && !this.isBlackHole;
  }

  /** Both directions of a connection. `end` when the connection has ended. */
  lanes<T extends { readonly length: number }>(
    ends: Readonly<Record<Way, LaneEnds<T>>>,
  ): Readonly<Record<Way, LinkLane<T>>> & { readonly end: () => void } {
    const mapping = this.#mapping();
    const up = this.#lane("up", ends.up, mapping);
    const down = this.#lane("down", ends.down, mapping);
    return {
      up,
      down,
      end: () => {
        this.#end(up);
        this.#end(down);
      },
    };
  }

  #lane<T extends { readonly length: number }>(way: Way, ends: LaneEnds<T>, mapping: Mapping): LinkLane<T> {
    const lane = new Lane<T>({
      way,
      ends,
      look: () => ({
        quality: this.#quality[way],
        isSwallowed: this.#swallow[way] || mapping.isForgotten,
        isStuck: this.isBlackHole,
        faults: this.#faults[way],
      }),
      passing: () => this.#pass(mapping),
      clock: this.#clock,
      random: this.#random,
    });
    this.#lanes.add(lane as LinkLane<never>);
    return lane;
  }

  #mapping(): Mapping {
    return { last: this.#clock.now(), isForgotten: false };
  }

  /** A message is about to pass. */
  #pass(mapping: Mapping): void {
    const now = this.#clock.now();
    if (this.#natTimeout !== undefined && now - Math.max(mapping.last, this.#natSince) > this.#natTimeout) {
      mapping.isForgotten = true;
    }
    mapping.last = now;
  }

  #end(lane: LinkLane<never>): void {
    lane.stop();
    this.#lanes.delete(lane);
  }

  #wake(): void {
    for (const lane of this.#lanes) lane.wake();
  }
}

function waysOf(direction: Direction): Way[] {
  return direction === "both" ? ["up", "down"] : [direction];
}

/** A text with one character changed into another of one byte. */
function corruptText(text: string, random: Random): string {
  if (text === "") return text;
  const at = random.integer(0, text.length - 1);
  return `${text.slice(0, at)}${String.fromCharCode(random.integer(0x21, 0x7e))}${text.slice(at + 1)}`;
}
