// Recordings: JSON lines, a header and one hop a line, gzipped where the name ends in .gz.
import { createReadStream, createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type { Readable, Writable } from "node:stream";
import { SkepError } from "../../base/error/skep-error.ts";
import type { HopRecord } from "../../base/hop/hop.ts";
import { reasonOf } from "../../base/log/logger.ts";
import { version } from "../../base/version.ts";
import { limits } from "../../protocol/limits.ts";
import { CapturedReader, isCapturedLine } from "./captured.ts";

/** A file that is no recording, or can't be read or written. */
export class RecordingError extends SkepError {
  readonly code = "SKEP_RECORDING";
}

/** The first line. */
export interface RecordingHeader {
  readonly skep: "recording";
  /** Of the format. */
  readonly version: 1;
  /** The skep that made it. */
  readonly by: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Whether secrets and tokens are masked. */
  readonly isMasked: boolean;
  /** What it was made of: a command, a scenario. */
  readonly of: string;
}

/** A recording in memory. */
export interface Recording {
  readonly header: RecordingHeader;
  readonly hops: readonly HopRecord[];
}

const empty: HopRecord = {
  time: 0,
  hop: "",
  direction: "down",
  node: "",
  id: "",
  parent: "",
  operation: "",
  resource: "",
  source: "",
  group: "",
  version: "",
  size: 0,
  wait: 0,
  ack: 0,
  attempt: 0,
  outcome: "",
  text: "",
};

/** A hop as a line, without what is absent. */
export function hopLine(record: HopRecord): string {
  const facts = Object.entries(record).filter(([, value]) => value !== "" && value !== 0);
  return `${JSON.stringify(Object.fromEntries(facts))}\n`;
}

/** The header of a new recording, as a line. */
export function headerLine(of: string, isMasked: boolean, startedAt: number): string {
  const header: RecordingHeader = { skep: "recording", version: 1, by: `skep ${version}`, startedAt, isMasked, of };
  return `${JSON.stringify(header)}\n`;
}

/** Writes a recording as it grows. */
export class RecordingWriter {
  readonly #out: Writable;
  readonly #done: Promise<void>;
  #count = 0;

  /** `of` says what is recorded. Errors come with `close`. */
  constructor(file: string, of: string, isMasked: boolean) {
    const disk = createWriteStream(file, { mode: 0o600 });
    const gzip = file.endsWith(".gz") ? createGzip() : undefined;
    gzip?.pipe(disk);
    this.#out = gzip ?? disk;
    this.#done = finished(disk);
    this.#done.catch(() => {});
    this.#out.write(headerLine(of, isMasked, Date.now()));
  }

  get count(): number {
    return this.#count;
  }

  write(record: HopRecord): void {
    this.#count++;
    this.#out.write(hopLine(record));
  }

  /** Settles when all is on disk. Rejects with RecordingError. */
  async close(): Promise<void> {
    this.#out.end();
    await this.#done.catch((error) => {
      throw new RecordingError(`the recording can't be written: ${reasonOf(error)}`);
    });
  }
}

/** How much of a recording is read. */
export type RecordingLimits = Record<"recordingHops" | "recordingLine", number>;

/**
 * Reads a recording, or a capture of traffic between the real programs as this repository's tests have them. Rejects with
 * RecordingError, which names the line.
 */
export async function readRecording(file: string, most: RecordingLimits = limits): Promise<Recording> {
  const hops: HopRecord[] = [];
  let header: RecordingHeader | undefined;
  let captured: CapturedReader | undefined;
  let number = 0;
  try {
    for await (const line of linesOf(file, most.recordingLine)) {
      number++;
      if (line === "") continue;
      const value = JSON.parse(line) as unknown;
      if (number === 1) {
        if (isCapturedLine(value)) captured = new CapturedReader();
        else header = headerIn(value);
      }
      if (captured !== undefined) hops.push(...captured.take(value));
      else if (number > 1) hops.push(hopIn(value));
      if (hops.length > most.recordingHops) throw new Error(`it has more than ${most.recordingHops} hops`);
    }
  } catch (error) {
    const where = number === 0 ? "" : `, line ${number}`;
    throw new RecordingError(`${file}${where}: ${reasonOf(error)}`, { cause: error });
  }
  if (captured !== undefined) {
    header = {
      skep: "recording",
      version: 1,
      by: "a capture",
      startedAt: hops[0]?.time ?? 0,
      isMasked: true,
      of: file,
    };
  }
  if (header === undefined) throw new RecordingError(`${file}: it is empty`);
  return { header, hops };
}

function headerIn(value: unknown): RecordingHeader {
  const header = value as Partial<RecordingHeader> | null;
  if (typeof header !== "object" || header === null || header.skep !== "recording") {
    throw new Error('it is no recording: the first line must be {"skep":"recording", …}');
  }
  if (header.version !== 1) {
    throw new Error(`its format is version ${String(header.version)}; this skep reads version 1`);
  }
  return header as RecordingHeader;
}

/** A hop of a line. Fields that are absent, or of a later version, do no harm; wrong types do. */
function hopIn(value: unknown): HopRecord {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("a hop must be an object");
  const record: Record<string, unknown> = { ...empty };
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(empty, name)) continue;
    if (typeof given !== typeof record[name]) throw new Error(`${name} must be a ${typeof record[name]}`);
    record[name] = given;
  }
  if (record.direction !== "down" && record.direction !== "up") throw new Error("direction must be down or up");
  return record as unknown as HopRecord;
}

async function* linesOf(file: string, longest: number): AsyncGenerator<string> {
  const disk = createReadStream(file);
  const stream: Readable = file.endsWith(".gz") ? disk.pipe(createGunzip()) : disk;
  if (stream !== disk) disk.once("error", (error) => stream.destroy(error));
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream as AsyncIterable<string>) {
    // What a long line has had already is not looked through again.
    const [first = "", ...lines] = chunk.split("\n");
    rest += first;
    if (rest.length > longest) throw new Error(`a line has more than ${longest} characters`);
    if (lines.length === 0) continue;
    yield rest;
    rest = lines.pop() as string;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
