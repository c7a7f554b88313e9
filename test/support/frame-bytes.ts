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
