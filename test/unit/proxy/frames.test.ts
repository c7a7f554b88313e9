import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameError, FrameReader, type Piece } from "../../../proxy/frames.ts";
import { frameBytes, messageBytes } from "../../support/frame-bytes.ts";

function readAll(bytes: Buffer, cuts: readonly number[], limit = 1_000_000): Piece[] {
  const reader = new FrameReader(limit);
  const pieces: Piece[] = [];
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    pieces.push(...reader.read(bytes.subarray(from, cut)));
    from = Math.max(from, cut);
  }
  return pieces;
}
const payloads = (pieces: readonly Piece[]) =>
  pieces.flatMap(({ payload }) => payload === undefined ? [] : [payload.toString("utf8")]);
const cuts = fc.array(fc.nat(), { maxLength: 30 });

describe("a reader of frames", () => {
  test("gives every byte once, in order, and every message, wherever the stream is cut", () => {
    const texts = fc.array(fc.tuple(fc.string({ maxLength: 300 }), fc.boolean(), fc.integer({ min: 1, max: 200 })), {
      maxLength: 8,
    });
    fc.assert(fc.property(texts, cuts, (messages, where) => {
      const bytes = Buffer.concat(
        messages.map(([text, isMasked, size]) => messageBytes(Buffer.from(text), isMasked, size)),
      );
      const pieces = readAll(bytes, where);
      expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(bytes)).toBe(true);
      expect(payloads(pieces)).toEqual(messages.map(([text]) => text));
      let at = 0;
      for (const piece of pieces) {
        expect(piece.at).toBe(at);
        at += piece.bytes.length;
      }
    }));
  });

  test("keeps control frames apart where they stand alone, and with the message where they stand between its fragments", () => {
    const bytes = Buffer.concat([
      frameBytes({ opcode: 9, payload: Buffer.from("p") }),
      messageBytes(Buffer.from("hello world"), true, 5),
      frameBytes({ opcode: 8, payload: Buffer.from([3, 232]) }),
    ]);
    const pieces = readAll(bytes, []);
    expect(pieces.filter(({ isEnd }) => isEnd)).toHaveLength(3);
    expect(pieces.filter(({ isStart }) => isStart)).toHaveLength(3);
    expect(payloads(pieces)).toEqual(["hello world"]);
  });

  test("does not keep what is too long, or compressed, and goes on after it", () => {
    const bytes = Buffer.concat([
      messageBytes(Buffer.from("x".repeat(2000)), true, 100),
      frameBytes({ opcode: 1, payload: Buffer.from("zzz"), isCompressed: true }),
      messageBytes(Buffer.from("short"), false),
    ]);
    const pieces = readAll(bytes, [7, 900], 1000);
    expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(bytes)).toBe(true);
    expect(payloads(pieces)).toEqual(["short"]);
  });

  test.each([
    ["an opcode that is none", frameBytes({ opcode: 3, payload: Buffer.from("x") }), /no opcode 3/],
    ["a fragment without a beginning", frameBytes({ opcode: 0, payload: Buffer.from("x") }), /fragment/],
    [
      "a control frame in fragments",
      frameBytes({ opcode: 9, payload: Buffer.from("x"), isFinal: false }),
      /control frame/,
    ],
    ["a length that none has", Buffer.from([0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255]), /longer than any/],
  ])("refuses %s, and says which bytes no piece has", (_what, bad, reason) => {
    const good = messageBytes(Buffer.from("good"), false);
    const tail = Buffer.from("tail");
    const reader = new FrameReader(1000);
    const pieces: Piece[] = [];
    let error: unknown;
    try {
      for (const piece of reader.read(Buffer.concat([good, bad, tail]))) pieces.push(piece);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FrameError);
    expect((error as FrameError).message).toMatch(reason);
    expect(
      Buffer.concat([...pieces.map((piece) => piece.bytes), (error as FrameError).rest]).equals(
        Buffer.concat([good, bad, tail]),
      ),
    ).toBe(true);
  });

  test("takes anything without an error but its own", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), cuts, (bytes, where) => {
      try {
        readAll(Buffer.from(bytes), where);
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    }));
  });
});
