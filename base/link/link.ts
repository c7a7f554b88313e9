// Simulates a bad network link between one edge and its cloud, per direction: slow, narrow, cut, half-open, or one that does things to messages.
import type { HopRecord } from "../hop/hop.ts";
import type { Random } from "../random/random.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { MessageSocket } from "../transport/message-socket.ts";
import {
  type Cut,
  type Direction,
  type LinkFault,
  type LinkQuality,
  type MessageFault,
  messageFaultWords,
  qualityWords,
  type Way,
} from "./faults.ts";
import { type Alteration, Lane, type LaneEnds, type LinkLane } from "./lane.ts";

export type { Cut, Direction, LinkFault, LinkQuality, MessageFault, Way } from "./faults.ts";
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
  /** Monotonic milliseconds of the last message. */
  last: number;
  isForgotten: boolean;
}

/** A fault that has been put on a link. */
interface PutFault {
  readonly fault: LinkFault;
  /** False in the good times of one that comes and goes. */
  isActing: boolean;
  /** Monotonic milliseconds since when it acts. */
  since: number;
  toggle?: Timer;
}

/** What all faults together make of one direction. */
interface WayState {
  readonly quality: LinkQuality;
  readonly isSwallowed: boolean;
  readonly messages: readonly MessageFault[];
}

/**
 * The link of one edge. It works on whole messages at the edge's socket:
 * a *cut* ends the TCP connection and refuses new ones until it is healed;
 * a *half-open* link stays connected and drops what is sent in that direction.
 * Faults add up; of two that say the same the later one holds, and each ends by itself.
 */
export class Link {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Its own quality, which no fault's end takes away. */
  readonly #own: { up: LinkQuality; down: LinkQuality };
  #put: PutFault[] = [];
  #ways: Record<Way, WayState>;
  #cut: Cut | undefined;
  /** How long an idle connection is remembered, and since when that is so. */
  #nats: readonly { readonly timeout: number; readonly since: number }[] = [];
  readonly #connections = new Set<LinkedConnection>();
  readonly #lanes = new Set<LinkLane<never>>();
  #up = Promise.withResolvers<void>();

  constructor(clock: Clock, random: Random, quality: LinkQuality = {}) {
    this.#clock = clock;
    this.#random = random;
    this.#own = { up: quality, down: quality };
    this.#ways = { up: this.#wayState("up"), down: this.#wayState("down") };
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
    const shortest = Math.min(...this.#nats.map(({ timeout }) => timeout));
    const nat = shortest === Infinity ? [] : [`connections forgotten after ${shortest} ms idle`];
    const ways = waysOf("both").flatMap((way) => [
      ...(this.#ways[way].isSwallowed ? [`half-open ${way}`] : []),
      ...this.#ways[way].messages.flatMap((fault) => messageFaultWords(fault, way)),
      ...qualityWords(this.#ways[way].quality, way),
    ]);
    return [...cut, ...nat, ...ways];
  }

  /** The quality that the link has where no fault says otherwise. */
  setQuality(direction: Direction, quality: LinkQuality): void {
    for (const way of waysOf(direction)) this.#own[way] = quality;
    this.#changed();
  }

  /**
   * Puts a fault on it; the returned function takes this one away again, once. A cut ends the present connections and lets no other come
   * to be meanwhile. Messages that a half-open connection has dropped stay lost.
   */
  put(fault: LinkFault): () => void {
    const put: PutFault = { fault, isActing: false, since: 0 };
    this.#put.push(put);
    this.#act(put);
    return () => {
      put.toggle?.cancel();
      this.#put = this.#put.filter((each) => each !== put);
      this.#changed();
    };
  }

  /** Takes all faults away. The link's own quality stays as it is. */
  heal(): void {
    for (const { toggle } of this.#put) toggle?.cancel();
    this.#put = [];
    this.#changed();
  }

  /** Settles when the link isn't cut, or is no more. */
  whenUp(): Promise<void> {
    return this.isUp ? Promise.resolve() : this.#up.promise;
  }

  #act(put: PutFault): void {
    const { cut, flap } = put.fault;
    put.isActing = true;
    put.since = this.#clock.monotonic();
    this.#changed();
    if (cut !== undefined) this.#endConnections(cut);
    if (flap === undefined) return;
    put.toggle = this.#clock.after(flap.bad, () => {
      put.isActing = false;
      this.#changed();
      put.toggle = this.#clock.after(flap.good, () => this.#act(put));
    });
  }

  #endConnections(how: Cut): void {
    if (how === "blackHole") return;
    for (const connection of [...this.#connections]) {
      if (how === "clean") connection.close("the link was cut");
      else if (how === "reset" && connection.reset !== undefined) connection.reset();
      else connection.close();
    }
  }

  /** What is wrong now follows from all that has been put. */
  #changed(): void {
    const wasUp = this.isUp;
    const acting = this.#put.filter(({ isActing }) => isActing);
    this.#cut = acting.findLast(({ fault }) => fault.cut !== undefined)?.fault.cut;
    this.#nats = acting.flatMap(({ fault: { natTimeout: timeout }, since }) =>
      timeout === undefined ? [] : [{ timeout, since }]
    );
    const faults = acting.map(({ fault }) => fault);
    this.#ways = { up: this.#wayState("up", faults), down: this.#wayState("down", faults) };
    if (!wasUp && this.isUp) {
      this.#up.resolve();
      this.#up = Promise.withResolvers();
    }
    for (const lane of this.#lanes) lane.wake();
  }

  #wayState(way: Way, faults: readonly LinkFault[] = []): WayState {
    const meant = faults.filter(({ direction = "both" }) => waysOf(direction).includes(way));
    return {
      quality: Object.assign({}, this.#own[way], ...meant.map(({ quality }) => quality)) as LinkQuality,
      isSwallowed: faults.some(({ halfOpen }) => halfOpen !== undefined && waysOf(halfOpen).includes(way)),
      messages: meant.flatMap(({ messages }) => messages ?? []),
    };
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
    const { isSwallowed, messages, quality } = this.#ways[way];
    const { bandwidth, jitter = 0, latency = 0, slowReader, slowWriter } = quality;
    return !isSwallowed && messages.length === 0 && latency === 0 && jitter === 0 &&
      bandwidth === undefined && slowReader === undefined && slowWriter === undefined &&
      this.#nats.length === 0 && !this.isBlackHole;
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
      look: () => {
        const { isSwallowed, messages, quality } = this.#ways[way];
        return {
          quality,
          isSwallowed: isSwallowed || mapping.isForgotten,
          isStuck: this.isBlackHole,
          faults: messages,
        };
      },
      passing: () => this.#pass(mapping),
      clock: this.#clock,
      random: this.#random,
    });
    this.#lanes.add(lane as LinkLane<never>);
    return lane;
  }

  #mapping(): Mapping {
    return { last: this.#clock.monotonic(), isForgotten: false };
  }

  /** A message is about to pass. */
  #pass(mapping: Mapping): void {
    const now = this.#clock.monotonic();
    if (this.#nats.some(({ since, timeout }) => now - Math.max(mapping.last, since) > timeout)) {
      mapping.isForgotten = true;
    }
    mapping.last = now;
  }

  #end(lane: LinkLane<never>): void {
    lane.stop();
    this.#lanes.delete(lane);
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
