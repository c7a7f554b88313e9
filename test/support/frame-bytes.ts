// Frames of RFC 6455 as bytes, for streams that no library would write.
import { randomBytes } from "node:crypto";

/** A frame. */
export interface FrameParts {
  readonly opcode: number;
  readonly payload: Uint8Array;
  readonly isFinal?: boolean;
  readonly isMasked?: boolean;
  /** RSV1, as of a compressed message. */
  readonly isCompressed?: boolean;
}

export function frameBytes(
  { isCompressed = false, isFinal = true, isMasked = false, opcode, payload }: FrameParts,
): Buffer {
  const length = payload.length;
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + size);
  head[0] = (isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i & 3] as number))]);
}

/** A message in frames of at most `size` bytes, with a ping between them. */
export function messageBytes(payload: Uint8Array, isMasked: boolean, size = 4096): Buffer {
  const frames: Buffer[] = [];
  const count = Math.max(1, Math.ceil(payload.length / size));
  for (let i = 0; i < count; i++) {
    const part = payload.subarray(i * size, (i + 1) * size);
    frames.push(frameBytes({ opcode: i === 0 ? 1 : 0, payload: part, isFinal: i === count - 1, isMasked }));
    if (i === 0 && count > 1) frames.push(frameBytes({ opcode: 9, payload: Buffer.from("ping"), isMasked }));
  }
  return Buffer.concat(frames);
}

/** A frame that has come. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The whole frames in what one side has sent. */
export function framesIn(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 1 < bytes.length;) {
    const [first = 0, second = 0] = bytes.subarray(at, at + 2);
    const short = second & 127;
    const head = at + 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
    const isMasked = second >= 128;
    const start = head + (isMasked ? 4 : 0);
    if (bytes.length < start) break;
    const length = short === 126
      ? bytes.readUInt16BE(at + 2)
      : short === 127
      ? Number(bytes.readBigUInt64BE(at + 2))
      : short;
    if (bytes.length < start + length) break;
    const mask = bytes.subarray(head, start);
    const payload = bytes.subarray(start, start + length);
    frames.push({ opcode: first & 15, payload: Buffer.from(payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))) });
    at = start + length;
  }
  return frames;
}

/** The code of the close frame among the frames of one side; 1005 where it has none, undefined where there is no close frame. */
export function closeCode(bytes: Buffer): number | undefined {
  const close = framesIn(bytes).find(({ opcode }) => opcode === 8);
  if (close === undefined) return undefined;
  return close.payload.length < 2 ? 1005 : close.payload.readUInt16BE(0);
}

/** A frame by its first byte: FIN, reserved bits and opcode. */
export function frameOf(first: number, payload: Uint8Array | string, isMasked: boolean): Buffer {
  const bytes = frameBytes({ opcode: first & 15, payload: Buffer.from(payload), isMasked });
  bytes[0] = first;
  return bytes;
}

/**
 * What ends a connection, sent to a client or to a server, and the close code that it ends with. Numbers are those of Autobahn's cases
 * (https://github.com/crossbario/autobahn-testsuite), whose behaviour this is. `isMasked`: as clients send, which servers never do.
 */
export function badFrames(isMasked: boolean, maxFragments: number): [what: string, bytes: Buffer, code: number][] {
  const frame = (first: number, payload: Uint8Array | string = "") => frameOf(first, payload, isMasked);
  const mask = isMasked ? 0x80 : 0;
  return [
    ...[0x91, 0xa1, 0xb1, 0xc1, 0xd2, 0xe9, 0xf8].map((first, i): [string, Buffer, number] => [
      `a frame with reserved bits (3.${i + 1})`,
      frame(first),
      1002,
    ]),
    ...[3, 4, 5, 6, 7].map((opcode, i): [string, Buffer, number] => [
      `a frame of a reserved opcode (4.1.${i + 1})`,
      frame(0x80 | opcode, i === 0 ? "" : "x"),
      1002,
    ]),
    ...[11, 12, 13, 14, 15].map((opcode, i): [string, Buffer, number] => [
      `a frame of a reserved control opcode (4.2.${i + 1})`,
      frame(0x80 | opcode, i === 0 ? "" : "x"),
      1002,
    ]),
    ["a ping of 126 bytes (2.5)", frame(0x89, Buffer.alloc(126)), 1002],
    ["a ping in fragments (5.1)", frame(0x09, "x"), 1002],
    ["a pong in fragments (5.2)", frame(0x0a, "x"), 1002],
    ["a frame that goes on with nothing (5.9)", frame(0x80, "x"), 1002],
    ["a frame that goes on with nothing, and is not the last (5.12)", frame(0x00, "x"), 1002],
    ["a message that begins within another (5.18)", Buffer.concat([frame(0x01, "a"), frame(0x81, "b")]), 1002],
    ["a frame that is masked where it must not be, or the other way round", frameOf(0x81, "x", !isMasked), 1002],
    ["a close of one byte (7.3.2)", frame(0x88, "x"), 1002],
    ["a close of 126 bytes (7.3.6)", frame(0x88, Buffer.concat([codeBytes(1000), Buffer.alloc(124, "*")])), 1002],
    ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].map((code, i): [string, Buffer, number] => [
      `a close with the code ${code} (7.9.${i + 1})`,
      frame(0x88, codeBytes(code)),
      1002,
    ]),
    [
      "a frame that announces more than a message may have",
      Buffer.concat([
        Buffer.from([0x81, mask | 127]),
        Buffer.from([0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]),
        Buffer.alloc(4),
      ]),
      1009,
    ],
    [
      "a flood of tiny fragments",
      Buffer.concat([frame(0x01, "["), ...Array.from({ length: maxFragments + 1 }, () => frame(0x00, " "))]),
      1008,
    ],
  ];
}

function codeBytes(code: number): Buffer {
  return Buffer.from([code >> 8, code & 255]);
}

/** What is answered by pongs, and the payloads of these. As badFrames. */
export function answeredPings(isMasked: boolean): [what: string, bytes: Buffer, payloads: Buffer[]][] {
  const frame = (first: number, payload: Uint8Array | string = "") => frameOf(first, payload, isMasked);
  const odd = Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]);
  const long = Buffer.alloc(125, 0xfe);
  const ten = Array.from({ length: 10 }, (_, i) => Buffer.from(`ping ${i}`));
  return [
    ["an empty ping (2.1)", frame(0x89), [Buffer.alloc(0)]],
    ["a ping with a text (2.2)", frame(0x89, "Hello"), [Buffer.from("Hello")]],
    ["a ping with bytes that are no text (2.3)", frame(0x89, odd), [odd]],
    ["a ping of 125 bytes (2.4)", frame(0x89, long), [long]],
    [
      "a ping after pongs that nobody asked for (2.7 to 2.9)",
      Buffer.concat([frame(0x8a), frame(0x8a, "unasked"), frame(0x89, "asked")]),
      [Buffer.from("asked")],
    ],
    ["ten pings (2.10)", Buffer.concat(ten.map((payload) => frame(0x89, payload))), ten],
  ];
}

/** How a connection may be closed, and the code that the close is answered with; what comes after it is not read. As badFrames. */
export function closes(isMasked: boolean, message: string): [what: string, bytes: Buffer, code: number][] {
  const frame = (first: number, payload: Uint8Array | string = "") => frameOf(first, payload, isMasked);
  const normal = frame(0x88, codeBytes(1000));
  const reason = (length: number) => frame(0x88, Buffer.concat([codeBytes(1000), Buffer.alloc(length, "*")]));
  return [
    ["two closes (7.1.2)", Buffer.concat([normal, normal]), 1000],
    ["a ping after the close (7.1.3)", Buffer.concat([normal, frame(0x89)]), 1000],
    ["a message after the close (7.1.4)", Buffer.concat([normal, frame(0x81, message)]), 1000],
    [
      "a close within a message, which goes on after it (7.1.5)",
      Buffer.concat([frame(0x01, message.slice(0, 5)), normal, frame(0x80, message.slice(5))]),
      1000,
    ],
    ["a close that says nothing (7.3.1)", frame(0x88), 1005],
    ["a close with a code alone (7.3.3)", normal, 1000],
    ["a close with a reason (7.3.4)", reason(5), 1000],
    ["a close with the longest reason (7.3.5)", reason(123), 1000],
    ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((
      code,
      i,
    ): [string, Buffer, number] => [
      `a close with the code ${code} (7.7.${i + 1})`,
      frame(0x88, codeBytes(code)),
      code,
    ]),
  ];
}
