// Two sockets and what passes between them: copied byte for byte, decoded beside it, and held as whole messages only while a fault acts.
import type { Duplex } from "node:stream";
import type { HopRecord } from "../base/hop/hop.ts";
import type { Alteration, LaneEnds, Link, LinkLane } from "../base/link/link.ts";
import type { Random } from "../base/random/random.ts";
import { limits } from "../protocol/limits.ts";
import { FrameError, FrameReader, type Piece } from "./frames.ts";

type Way = "up" | "down";

/** Told what passes. */
export interface RelayWatch {
  /** The head of the edge's request, before anything of it has gone on. Returns the edge's link; undefined ends the connection. */
  request(head: string): Link | undefined;
  /** A message. `isDropped` where a fault swallowed it. */
  message(way: Way, payload: Buffer, isDropped: boolean): void;
  /** A fault did something to a message that goes on. */
  altered(way: Way, payload: Buffer, how: Alteration): void;
  /** A message as a filter of faults sees it; undefined for what is none. */
  describe(way: Way, payload: Buffer): HopRecord | undefined;
  /** The stream can't be followed any more: it goes on being copied. */
  unreadable(way: Way, reason: string): void;
  /** Both sockets have ended. */
  ended(reason: string): void;
}

/** A message as it stood on the wire, and what it says. */
interface Unit {
  readonly bytes: Buffer;
  readonly payload: Buffer | undefined;
  readonly length: number;
  /** Where the text of its last frame that has any stands. */
  readonly text: Span;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

const NO_TEXT: Span = { from: 0, to: 0 };

/** Why a side isn't read: as long as there is one reason, it stays so. */
type PauseReason = "the head" | "the link" | "the receiver";

/** Bytes that may wait for one side before the other is not read: a slow side slows its peer. */
const BUFFERED = 1024 * 1024;
/** Milliseconds in which the last bytes must have been taken by the side that is still there. */
const END_MS = 10_000;
const HEAD_END = Buffer.from("\r\n\r\n");

/** Relays between an edge and its cloud until either ends. The returned function ends it at once, whatever waits. */
export function relay(edge: Duplex, cloud: Duplex, watch: RelayWatch): (reason: string) => void {
  let forget = () => {};
  let isOver = false;
  let late: NodeJS.Timeout | undefined;
  const end = (reason: string) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(late);
    forget();
    edge.destroy();
    cloud.destroy();
    watch.ended(reason);
  };
  const up = new Direction("up", edge, cloud, watch, end);
  const down = new Direction("down", cloud, edge, watch, end);
  const heads = { up: new HeadReader(), down: new HeadReader() };
  edge.on("data", (chunk: Buffer) => {
    const found = heads.up.read(chunk);
    if (found === undefined) return;
    const { bytes, head, rest } = found;
    if (head !== undefined) {
      const link = watch.request(head);
      if (link?.isBlackHole === true) {
        // Nobody answers it; it may come again when the link is healed.
        up.pause("the head");
        return void link.whenUp().then(() => end("a fault has cut the link"));
      }
      if (link === undefined || !link.isUp) return end("a fault has cut the link");
      const forgetCut = link.connected({ close: () => end("a fault has cut the link") });
      const lanes = link.lanes<Unit>({ up: up.ends(), down: down.ends() });
      forget = () => {
        forgetCut();
        lanes.end();
      };
      up.through(link, lanes.up);
      down.through(link, lanes.down);
      // What comes after it is understood when the cloud has agreed to it.
      if (/^upgrade:\s*websocket/im.test(head)) up.pause("the head");
      else heads.down.isOver = true;
    }
    up.copy(bytes);
    up.frames(rest);
  });
  cloud.on("data", (chunk: Buffer) => {
    const found = heads.down.read(chunk);
    if (found === undefined) return;
    const { bytes, head, rest } = found;
    if (head !== undefined) {
      up.isFrames = down.isFrames = /^HTTP\/1\.1 101 /.test(head);
      up.resume("the head");
    }
    down.copy(bytes);
    down.frames(rest);
  });
  for (const [from, to, way, who] of [[edge, cloud, up, "the edge"], [cloud, edge, down, "the cloudcore"]] as const) {
    let isBroken = false;
    from.on("end", () => way.whenDelivered(() => to.end()));
    from.on("error", (error: Error) => {
      isBroken = true;
      end(`${who}'s connection broke: ${error.message}`);
    });
    // What it has sent before it closed still arrives, as late as the link has it.
    from.on("close", () => {
      if (isBroken) return;
      const over = () => end(`${who} closed the connection`);
      way.whenDelivered(() => {
        // A side that reads nothing any more must not keep it.
        if (!isOver) late ??= setTimeout(over, END_MS);
        to.end(over);
      });
    });
  }
  return end;
}

/** Copies between two sockets and looks at nothing. What one has sent before it closed still goes to the other. */
export function copyBothWays(edge: Duplex, cloud: Duplex): void {
  let late: NodeJS.Timeout | undefined;
  const end = () => {
    clearTimeout(late);
    edge.destroy();
    cloud.destroy();
  };
  for (const [from, to] of [[edge, cloud], [cloud, edge]] as const) {
    from.pipe(to);
    from.on("error", end);
    from.on("close", () => {
      if (to.closed) return clearTimeout(late);
      late ??= setTimeout(end, END_MS);
      to.end();
    });
  }
}

/** One direction. */
class Direction {
  readonly #way: Way;
  readonly #from: Duplex;
  readonly #to: Duplex;
  readonly #watch: RelayWatch;
  readonly #end: (reason: string) => void;
  readonly #reader = new FrameReader(limits.message);
  #lane: LinkLane<Unit> | undefined;
  /** Pieces of the unit that is held; undefined where the present one is copied. */
  #held: Buffer[] | undefined;
  /** Bytes of frames that came, and up to which they have been copied. */
  #came = 0;
  #copied = 0;
  #link: Link | undefined;
  /** Where the last text of the held unit stands in it. */
  #text: Span = NO_TEXT;
  #heldBytes = 0;
  readonly #pauses = new Set<PauseReason>();
  /** What is to be done when nothing waits any more. */
  #afterwards: (() => void)[] = [];
  isFrames = false;

  constructor(way: Way, from: Duplex, to: Duplex, watch: RelayWatch, end: (reason: string) => void) {
    this.#way = way;
    this.#from = from;
    this.#to = to;
    this.#watch = watch;
    this.#end = end;
  }

  /** Messages go over this link from now on. */
  through(link: Link, lane: LinkLane<Unit>): void {
    this.#link = link;
    this.#lane = lane;
  }

  /** Its sender is not read until every reason to pause is gone. */
  pause(reason: PauseReason): void {
    this.#pauses.add(reason);
    this.#from.pause();
  }

  resume(reason: PauseReason): void {
    if (this.#pauses.delete(reason) && this.#pauses.size === 0) this.#from.resume();
  }

  /** Does it when all that has come is delivered: at once where nothing waits. */
  whenDelivered(run: () => void): void {
    this.#afterwards.push(run);
    this.#looked();
  }

  #looked(): void {
    if (this.#afterwards.length === 0 || this.#lane?.isEmpty() === false) return;
    if (this.#link?.isBlackHole === true) return void this.#link.whenUp().then(() => this.#looked());
    const afterwards = this.#afterwards;
    this.#afterwards = [];
    for (const run of afterwards) run();
  }

  /** Where the link's messages go. */
  ends(): LaneEnds<Unit> {
    const watch = this.#watch;
    return {
      deliver: ({ bytes, payload }) => {
        this.copy(bytes);
        if (payload !== undefined) watch.message(this.#way, payload, false);
        this.#looked();
      },
      deliverPart: ({ bytes, payload }, from, to) => {
        this.copy(bytes.subarray(from, to));
        if (to < bytes.length) return;
        if (payload !== undefined) watch.message(this.#way, payload, false);
        this.#looked();
      },
      overflow: () => this.#end("too many messages wait for a fault on the link"),
      swallowed: ({ payload }) => payload !== undefined && watch.message(this.#way, payload, true),
      hold: (isHeld) => {
        if (isHeld) this.pause("the link");
        else this.resume("the link");
      },
      describe: ({ payload }) => payload === undefined ? undefined : watch.describe(this.#way, payload),
      corrupt: corrupted,
      altered: ({ payload }, way, how) => payload !== undefined && watch.altered(way, payload, how),
    };
  }

  /** Passes bytes on. */
  copy(bytes: Buffer): void {
    if (bytes.length === 0 || this.#to.destroyed) return;
    this.#to.write(bytes);
    if (this.#to.writableLength <= BUFFERED || this.#pauses.has("the receiver")) return;
    this.pause("the receiver");
    this.#to.once("drain", () => this.resume("the receiver"));
  }

  /** Bytes after the head. */
  frames(chunk: Buffer): void {
    if (!this.isFrames) return this.copy(chunk);
    if (chunk.length === 0) return;
    // Part of a frame's head may not have been copied yet, from when a fault acted.
    const isClean = this.#isClean && this.#held === undefined && this.#copied === this.#came;
    this.#came += chunk.length;
    if (isClean) {
      this.copy(chunk);
      this.#copied = this.#came;
    }
    try {
      for (const piece of this.#reader.read(chunk)) this.#take(piece);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.isFrames = false;
      for (const bytes of this.#held ?? []) this.copy(bytes);
      this.copy(error.rest.subarray(Math.max(0, error.rest.length - (this.#came - this.#copied))));
      this.#watch.unreadable(this.#way, error.message);
    }
  }

  /** Nothing acts on this direction, and nothing waits from when something did. */
  get #isClean(): boolean {
    return this.#link?.isClean(this.#way) !== false && (this.#lane?.isEmpty() ?? true);
  }

  #take({ at, bytes, isEnd, isStart, isText, payload }: Piece): void {
    // Of a unit whose first byte has gone on already, the rest goes on, too.
    if (isStart && at >= this.#copied && !this.#isClean) {
      this.#held = [];
      this.#heldBytes = 0;
      this.#text = NO_TEXT;
    }
    if (this.#held === undefined) {
      const left = at + bytes.length - Math.max(at, this.#copied);
      if (left > 0) {
        this.copy(bytes.subarray(bytes.length - left));
        this.#copied = at + bytes.length;
      }
      if (payload !== undefined) this.#watch.message(this.#way, payload, false);
      return;
    }
    this.#held.push(bytes);
    const began = this.#heldBytes;
    this.#heldBytes += bytes.length;
    // Pieces of one frame make one span, however they came.
    if (isText) this.#text = { from: this.#text.to === began ? this.#text.from : began, to: this.#heldBytes };
    this.#copied = at + bytes.length;
    if (!isEnd) return;
    const whole = Buffer.concat(this.#held);
    this.#held = undefined;
    this.#lane?.push({ bytes: whole, payload, length: whole.length, text: this.#text });
  }
}

/** The unit with one byte of its text changed: the heads of frames stay, so that its length does. */
function corrupted(unit: Unit, random: Random): Unit {
  const { payload, text: { from, to } } = unit;
  if (payload === undefined || from === to) return unit;
  const bytes = Buffer.from(unit.bytes);
  const at = random.integer(from, to - 1);
  bytes[at] = (bytes[at] as number) ^ random.integer(1, 127);
  return { ...unit, bytes };
}

/** Takes the head of an HTTP message off the beginning of a stream. */
class HeadReader {
  #bytes: Buffer = Buffer.alloc(0);
  /** The head is through: everything comes as rest. */
  isOver = false;

  /** `bytes` are to be copied as they are; undefined while the head is not whole. One that is too long is no head. */
  read(chunk: Buffer): { readonly bytes: Buffer; readonly head?: string; readonly rest: Buffer } | undefined {
    const none = Buffer.alloc(0);
    if (this.isOver) {
      const bytes = this.#bytes;
      this.#bytes = none;
      return { bytes, rest: chunk };
    }
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const at = this.#bytes.indexOf(HEAD_END);
    if (at === -1 && this.#bytes.length < limits.headers) return undefined;
    this.isOver = true;
    const all = this.#bytes;
    this.#bytes = none;
    if (at === -1) return { bytes: all, head: "", rest: none };
    const length = at + HEAD_END.length;
    return { bytes: all.subarray(0, length), head: all.toString("latin1", 0, at), rest: all.subarray(length) };
  }
}
