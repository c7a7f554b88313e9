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

/** The code of the close frame among the frames of one side; 1005 where it has none, undefined where there is no close frame. */
export function closeCode(bytes: Buffer): number | undefined {
  for (let at = 0; at + 1 < bytes.length;) {
    const second = bytes[at + 1] as number;
    const length = second & 127;
    const head = at + 2 + (length === 126 ? 2 : length === 127 ? 8 : 0);
    const size = length === 126
      ? bytes.readUInt16BE(at + 2)
      : length === 127
      ? Number(bytes.readBigUInt64BE(at + 2))
      : length;
    const mask = second < 128 ? [0, 0] : [...bytes.subarray(head, head + 2)];
    const payload = second < 128 ? head : head + 4;
    if (((bytes[at] as number) & 15) === 8) {
      if (size < 2) return 1005;
      const [high = 0, low = 0] = [...bytes.subarray(payload, payload + 2)].map((byte, i) =>
        byte ^ (mask[i] as number)
      );
      return high * 256 + low;
    }
    at = payload + size;
  }
  return undefined;
}

/** A frame by its first byte: FIN, reserved bits and opcode. */
export function frameOf(first: number, payload: Uint8Array | string, isMasked: boolean): Buffer {
  const [isFinal, isCompressed] = [(first & 0x80) !== 0, (first & 0x40) !== 0];
  return frameBytes({ opcode: first & 15, payload: Buffer.from(payload), isFinal, isCompressed, isMasked });
}

/**
 * What ends a connection, sent to a client or to a server, and the close code that it ends with. Numbers are those of Autobahn's cases
 * (https://github.com/crossbario/autobahn-testsuite), whose behaviour this is. `isMasked`: as clients send, which servers never do.
 */
export function badFrames(isMasked: boolean, maxFragments: number): [what: string, bytes: Buffer, code: number][] {
  const frame = (first: number, payload: Uint8Array | string = "") => frameOf(first, payload, isMasked);
  const mask = isMasked ? 0x80 : 0;
  return [
    ["a frame with a reserved bit (3.1 to 3.7)", frame(0xc1, "x"), 1002],
    ["a frame of a reserved opcode (4.1)", frame(0x83, "x"), 1002],
    ["a frame of a reserved control opcode (4.2)", frame(0x8b, "x"), 1002],
    ["a ping of 126 bytes (2.5)", frame(0x89, Buffer.alloc(126)), 1002],
    ["a ping in fragments (5.1)", frame(0x09, "x"), 1002],
    ["a frame that goes on with nothing (5.9)", frame(0x80, "x"), 1002],
    ["a message that begins within another (5.18)", Buffer.concat([frame(0x01, "a"), frame(0x81, "b")]), 1002],
    ["a frame that is masked where it must not be, or the other way round", frameOf(0x81, "x", !isMasked), 1002],
    ["a close of one byte (7.3.2)", frame(0x88, "x"), 1002],
    ["a close with a code that is none (7.9.1)", frame(0x88, Buffer.from([0, 0])), 1002],
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
