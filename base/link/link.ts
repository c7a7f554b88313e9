// Simulates a bad network link: latency, jitter, cuts and half-open connections between one edge and its cloud, per direction.
import type { Random } from "../random/random.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { MessageSocket } from "../transport/message-socket.ts";

/** `up` is edge to cloud, `down` cloud to edge. */
export type Direction = "up" | "down" | "both";

/** Milliseconds added to each message; `jitter` spreads it by ± that much. Messages never overtake one another. */
export interface LinkQuality {
  readonly latency?: number;
  readonly jitter?: number;
}

/** Where messages of one direction go. */
export interface LaneEnds<T> {
  readonly deliver: (message: T) => void;
  /** Called when too many wait. */
  readonly overflow: () => void;
  readonly swallowed: (message: T, way: "up" | "down") => void;
}

/** One direction of a connection over the link. */
export interface LinkLane<T> {
  push(message: T): void;
  /** Bytes that wait. */
  size(): number;
  isEmpty(): boolean;
  stop(): void;
}

/** Messages that may wait in one direction of a slow link; beyond it the link breaks, as a real one's buffers do. */
const MAX_DELAYED = 10_000;

/**
 * The link of one edge. It works on whole messages at the edge's socket:
 * a *cut* ends the TCP connection without a close frame and refuses new ones until it is healed;
 * a *half-open* link stays connected and drops what is sent in that direction.
 */
export class Link {
  readonly #clock: Clock;
  readonly #random: Random;
  #quality: { up: LinkQuality; down: LinkQuality };
  #cut = false;
  #swallow = { up: false, down: false };
  #dropped = { up: 0, down: 0 };
  readonly #sockets = new Set<{ close(): void }>();

  constructor(clock: Clock, random: Random, quality: LinkQuality = {}) {
    this.#clock = clock;
    this.#random = random;
    this.#quality = { up: quality, down: quality };
  }

  /** False while the link is cut: a dial must fail. */
  get isUp(): boolean {
    return !this.#cut;
  }

  /** What is wrong with it, in words; empty where nothing is. */
  get faults(): string[] {
    const found = this.#cut ? ["cut"] : [];
    for (const way of waysOf("both")) {
      const { jitter = 0, latency = 0 } = this.#quality[way];
      if (this.#swallow[way]) found.push(`half-open ${way}`);
      if (this.#dropped[way] > 0) found.push(`${Math.round(this.#dropped[way] * 100)} % dropped ${way}`);
      if (latency + jitter > 0) found.push(`${latency} ms ${way}${jitter > 0 ? ` ± ${jitter} ms` : ""}`);
    }
    return found;
  }

  setQuality(direction: Direction, quality: LinkQuality): void {
    for (const way of waysOf(direction)) this.#quality[way] = quality;
  }

  /** Ends the present connection and refuses others until `heal`. */
  cut(): void {
    this.#cut = true;
    for (const socket of [...this.#sockets]) socket.close();
  }

  /** Drops all further messages in that direction; neither end notices. */
  halfOpen(direction: Direction): void {
    for (const way of waysOf(direction)) this.#swallow[way] = true;
  }

  /** Drops this share of the messages in that direction from now on, at random: 1 is all of them. */
  drop(direction: Direction, share: number): void {
    for (const way of waysOf(direction)) this.#dropped[way] = share;
  }

  /** Restores the link. Messages that a half-open connection has dropped stay lost. */
  heal(): void {
    this.#cut = false;
    this.#swallow = { up: false, down: false };
    this.#dropped = { up: 0, down: 0 };
  }

  /** The socket as seen through this link. The edge sends `up` through it and receives `down`; `swallowed` is told what is dropped. */
  wrap(socket: MessageSocket, swallowed: (text: string, way: "up" | "down") => void = () => {}): MessageSocket {
    this.#sockets.add(socket);
    const overflow = () => socket.close();
    const up = this.lane<string>("up", { deliver: (text) => socket.send(text), overflow, swallowed });
    let receive: (text: string) => void = () => {};
    const down = this.lane<string>("down", { deliver: (text) => receive(text), overflow, swallowed });
    let ended: ((reason: string) => void) | undefined;
    let endedWith: string | undefined;
    socket.onClose((reason) => {
      endedWith = reason;
      this.#sockets.delete(socket);
      up.stop();
      down.stop();
      ended?.(reason);
    });
    return {
      send: (text) => up.push(text),
      close: () => socket.close(),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
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
  connected(connection: { close(): void }): () => void {
    this.#sockets.add(connection);
    return () => this.#sockets.delete(connection);
  }

  /** Whether messages in that direction go on at once and untouched. */
  isClean(way: "up" | "down"): boolean {
    const { jitter = 0, latency = 0 } = this.#quality[way];
    return !this.#swallow[way] && this.#dropped[way] === 0 && latency === 0 && jitter === 0;
  }

  /** One direction of a connection: what is pushed is delivered, delayed or swallowed as the link is at that moment, in order. */
  lane<T extends { readonly length: number }>(
    way: "up" | "down",
    { deliver, overflow, swallowed }: LaneEnds<T>,
  ): LinkLane<T> {
    const waiting = new Set<Timer>();
    let lastDue = 0;
    let bytes = 0;
    return {
      size: () => bytes,
      isEmpty: () => waiting.size === 0,
      stop: () => {
        for (const timer of waiting) timer.cancel();
        waiting.clear();
      },
      push: (text: T) => {
        if (this.#swallow[way] || this.#dropped[way] > 0 && this.#random.next() < this.#dropped[way]) {
          return swallowed(text, way);
        }
        const { latency = 0, jitter = 0 } = this.#quality[way];
        const now = this.#clock.now();
        if (latency === 0 && jitter === 0 && waiting.size === 0) return deliver(text);
        if (waiting.size >= MAX_DELAYED) return overflow();
        const due = Math.max(lastDue, now + Math.max(0, latency + jitter * (2 * this.#random.next() - 1)));
        lastDue = due;
        bytes += text.length;
        const timer = this.#clock.after(due - now, () => {
          waiting.delete(timer);
          bytes -= text.length;
          deliver(text);
        });
        waiting.add(timer);
      },
    };
  }
}

function waysOf(direction: Direction): ("up" | "down")[] {
  return direction === "both" ? ["up", "down"] : [direction];
}
