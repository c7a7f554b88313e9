// A reader's stream of hops: server-sent events for a page, JSON lines for a program; bounded, and sampled where a page asks for that.
import type { ServerResponse } from "node:http";
import type { HopRecord } from "../hop/hop.ts";
import type { HopRing } from "../hop/ring.ts";

/** What a reader wants. */
export interface HopReader {
  readonly where: (record: HopRecord) => boolean;
  /** The ring's position to begin from: 0 for all that is still there. Default: what comes from now on. */
  readonly since?: number;
  /** Whether the stream goes on with what comes. */
  readonly follows: boolean;
  /** Records a second, at most: beyond it only every n-th message is shown, with all its hops. Default: all. */
  readonly rate?: number;
  readonly format: "events" | "lines";
  /** What each record is shown as: with secrets masked, usually. */
  readonly shown: (record: HopRecord) => HopRecord;
}

/** Milliseconds in which records are gathered into one write. */
const GATHER_MS = 50;
/** Milliseconds between two notes of what was left out. */
const NOTE_MS = 1000;
/** Bytes that may wait for a reader; what comes then is left out, and counted. */
const BUFFERED = 8 * 1024 * 1024;
/** Records of the past that are written before the socket is waited for. */
const AT_ONCE = 200;

/** Writes hops to a response until either end closes it. */
export async function streamHops(response: ServerResponse, ring: HopRing, reader: HopReader): Promise<void> {
  const isEvents = reader.format === "events";
  response.writeHead(200, {
    "content-type": isEvents ? "text/event-stream" : "application/x-ndjson",
    "cache-control": "no-store",
  });
  // A reader must know that it follows, also while there is nothing to be told.
  response.flushHeaders();
  const textOf = (record: HopRecord) => {
    const json = JSON.stringify(reader.shown(record));
    return isEvents ? `data: ${json}\n\n` : `${json}\n`;
  };
  const sampler = new Sampler(reader.rate ?? Infinity);
  let gathered = "";
  let skipped = 0;
  const flush = () => {
    if (gathered === "") return;
    response.write(gathered);
    gathered = "";
  };
  const take = (record: HopRecord) => {
    if (!reader.where(record) || !sampler.takes(record)) return;
    if (response.writableLength + gathered.length > BUFFERED) skipped++;
    else gathered += textOf(record);
  };
  // What comes while the past is being written stays in the ring, and is written after it.
  let written = 0;
  for (const record of ring.since(reader.since ?? ring.position)) {
    if (response.destroyed) return;
    if (reader.where(record)) gathered += textOf(record);
    if (++written % AT_ONCE !== 0) continue;
    flush();
    if (response.writableNeedDrain) await drained(response);
  }
  flush();
  if (!reader.follows) return void response.end();
  if (response.destroyed) return;
  // A page shows by this that it is connected.
  if (isEvents) response.write(": connected\n\n");
  const stop = ring.listen(take);
  const gather = setInterval(flush, GATHER_MS);
  const note = setInterval(() => {
    const oneOf = sampler.turn();
    if (!isEvents) return;
    response.write(
      `event: state\ndata: ${JSON.stringify({ oneOf, seen: sampler.seen, skipped, lost: ring.lost })}\n\n`,
    );
  }, NOTE_MS);
  await new Promise<void>((resolve) => response.once("close", resolve));
  stop();
  clearInterval(gather);
  clearInterval(note);
}

/** Passes whole messages, one of so many that no more than about `rate` records a second pass. */
class Sampler {
  readonly #rate: number;
  #count = 0;
  #oneOf = 1;
  /** Records in the last second. */
  seen = 0;

  constructor(rate: number) {
    this.#rate = rate;
  }

  takes(record: HopRecord): boolean {
    this.#count++;
    // Within a second the share can only become smaller.
    if (this.#count > this.#rate * this.#oneOf) this.#oneOf *= 2;
    return this.#oneOf === 1 || hash(record.parent || record.id || record.resource) % this.#oneOf === 0;
  }

  /** A second is over. Returns the share that was shown: one message of so many. */
  turn(): number {
    const shown = this.#oneOf;
    this.seen = this.#count;
    this.#oneOf = Math.max(1, 2 ** Math.ceil(Math.log2(this.#count / this.#rate)));
    this.#count = 0;
    return shown;
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("drain", resolve);
    response.once("close", resolve);
  });
}
