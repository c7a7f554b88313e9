// Follows the frames of one direction of a WebSocket connection in a stream of bytes, without changing any: where messages begin and end, and what they say.

/** A piece of the stream, at its place from the stream's beginning. Pieces of one unit come in order; the last one has `isEnd`. */
export interface Piece {
  readonly at: number;
  readonly bytes: Buffer;
  /** The first piece of a unit: of a message with all its fragments and the control frames between them, or of one control frame. */
  readonly isStart: boolean;
  readonly isEnd: boolean;
  /** Bytes of a message's payload, masked or not; false for heads and what control frames carry. */
  readonly isText: boolean;
  /** With the end of a text or binary message: its payload; undefined where it was too long to keep, or compressed. */
  readonly payload?: Buffer;
}

/** A stream that is not RFC 6455: it can still be copied, but not understood. `rest` is what no piece has. */
export class FrameError extends Error {
  readonly rest: Buffer;
  constructor(message: string, rest: Buffer) {
    super(message);
    this.rest = rest;
  }
}

/** Bytes of a frame's head at most (RFC 6455, 5.2). */
const HEAD = 14;

interface Frame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly isCompressed: boolean;
  readonly mask: Buffer | undefined;
  left: number;
  /** Bytes of the payload so far: the mask goes on from there. */
  seen: number;
}

/** `limit` is the most bytes of a payload that are kept. */
export class FrameReader {
  readonly #limit: number;
  #head = Buffer.alloc(0);
  #frame: Frame | undefined;
  /** A message is under way: its fragments belong together. */
  #isInMessage = false;
  #isStart = true;
  #payload: Buffer[] = [];
  #size = 0;
  #isReadable = true;
  #at = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The pieces of the next bytes; a frame's head that is not whole yet comes with the bytes that make it so. Throws FrameError. */
  *read(chunk: Buffer): Generator<Piece> {
    let bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    this.#head = Buffer.alloc(0);
    while (bytes.length > 0) {
      if (this.#frame === undefined) {
        const length = headLength(bytes);
        if (length === undefined || bytes.length < length) {
          this.#head = Buffer.from(bytes);
          break;
        }
        const frame = this.#begin(bytes.subarray(0, length), bytes);
        const piece = this.#piece(bytes.subarray(0, length), frame.left === 0 && this.#endsUnit(frame), false);
        bytes = bytes.subarray(length);
        if (frame.left === 0) this.#endFrame(frame);
        yield piece;
        continue;
      }
      const frame = this.#frame;
      const part = bytes.subarray(0, frame.left);
      this.#keep(frame, part);
      frame.left -= part.length;
      frame.seen += part.length;
      const piece = this.#piece(part, frame.left === 0 && this.#endsUnit(frame), frame.opcode < 8);
      bytes = bytes.subarray(part.length);
      if (frame.left === 0) this.#endFrame(frame);
      yield piece;
    }
  }

  #begin(head: Buffer, rest: Buffer): Frame {
    const [first = 0, second = 0] = head;
    const opcode = first & 0x0f;
    const isControl = opcode >= 8;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const length = lengthBytes === 0
      ? short
      : lengthBytes === 2
      ? head.readUInt16BE(2)
      : Number(head.readBigUInt64BE(2));
    if (length > Number.MAX_SAFE_INTEGER) throw new FrameError("a frame is longer than any can be", rest);
    const isFinal = (first & 0x80) !== 0;
    if (isControl && (!isFinal || length > 125)) {
      throw new FrameError("a control frame is fragmented or too long", rest);
    }
    if (!isControl && (opcode === 0) !== this.#isInMessage) {
      throw new FrameError("a fragment stands where none may", rest);
    }
    if (isControl && opcode > 10 || !isControl && opcode > 2) {
      throw new FrameError(`there is no opcode ${opcode}`, rest);
    }
    const mask = (second & 0x80) === 0 ? undefined : Buffer.from(head.subarray(2 + lengthBytes));
    if (!isControl) this.#isInMessage = true;
    const isCompressed = (first & 0x70) !== 0;
    if (isCompressed) this.#isReadable = false;
    return this.#frame = { isFinal, opcode, isCompressed, mask, left: length, seen: 0 };
  }

  #keep({ mask, opcode, seen }: Frame, part: Buffer): void {
    if (opcode >= 8 || !this.#isReadable) return;
    this.#size += part.length;
    if (this.#size > this.#limit) {
      this.#isReadable = false;
      this.#payload = [];
      return;
    }
    const copy = Buffer.from(part);
    if (mask !== undefined) {
      for (let i = 0; i < copy.length; i++) copy[i] = (copy[i] as number) ^ (mask[(seen + i) & 3] as number);
    }
    this.#payload.push(copy);
  }

  /** A control frame between fragments belongs to their message. */
  #endsUnit({ isFinal, opcode }: Frame): boolean {
    return opcode >= 8 ? !this.#isInMessage : isFinal;
  }

  #piece(bytes: Buffer, isEnd: boolean, isText: boolean): Piece {
    const isStart = this.#isStart;
    this.#isStart = isEnd;
    const isMessage = isEnd && this.#isInMessage;
    const payload = isMessage && this.#isReadable ? Buffer.concat(this.#payload) : undefined;
    const at = this.#at;
    this.#at += bytes.length;
    return { at, bytes, isStart, isEnd, isText, ...(payload === undefined ? {} : { payload }) };
  }

  #endFrame({ isFinal, opcode }: Frame): void {
    this.#frame = undefined;
    if (opcode >= 8 || !isFinal) return;
    this.#isInMessage = false;
    this.#payload = [];
    this.#size = 0;
    this.#isReadable = true;
  }
}

/** Bytes of the head that begins here; undefined while too few are there to tell. */
function headLength(bytes: Buffer): number | undefined {
  if (bytes.length < 2) return undefined;
  const second = bytes[1] as number;
  const short = second & 0x7f;
  const length = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4);
  return length > HEAD ? HEAD : length;
}
