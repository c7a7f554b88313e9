import { describe, expect, test } from "vitest";
import { parseJson, withoutBigInts } from "../../../protocol/json.ts";
import { decodeMessage, encodeMessage } from "../../../protocol/message/codec.ts";

describe("numbers keep every digit", () => {
  test.each([
    '{"a":9007199254740993,"b":[-9223372036854775808,{"c":18446744073709551615}]}',
    '{"a":9007199254740991,"b":1.5,"c":-0.25,"d":12345678901234567890123456789}',
    '{"text":"9007199254740993","n":1}',
    "9007199254740993",
  ])("%s", (text) => expect(JSON.stringify(parseJson(text))).toBe(text));

  test("what is nested deeper than the stack is no JSON, like everything else that can't be read", () => {
    const deep = `${"[".repeat(200_000)}9007199254740993${"]".repeat(200_000)}`;
    expect(() => parseJson(deep)).toThrow(SyntaxError);
  });

  test("wherever in a text they stand", () => {
    for (let before = 0; before < 40; before++) {
      const text = `{"${"a".repeat(before)}":9007199254740993}`;
      expect(JSON.stringify(parseJson(text))).toBe(text);
    }
  });

  test("those that a double holds stay numbers", () => {
    expect(parseJson('{"a":1,"long":"1234567890123456","b":9007199254740991,"c":1e400}')).toEqual({
      a: 1,
      long: "1234567890123456",
      b: 9007199254740991,
      c: Infinity,
    });
  });

  test("in copies, and in messages through encoder and decoder", () => {
    const object = parseJson('{"spec":{"serial":9007199254740993}}');
    expect(JSON.stringify(structuredClone(object))).toBe('{"spec":{"serial":9007199254740993}}');
    const text = '{"header":{"msg_id":"a","timestamp":1},"route":{"source":"s"},"content":{"n":9007199254740993}}';
    expect(encodeMessage(decodeMessage(text))).toContain('"content":{"n":9007199254740993}');
    const stamped = '{"header":{"msg_id":"a","timestamp":1700000000000000001},"route":{},"content":null}';
    expect(decodeMessage(stamped).header.timestamp).toBe(1700000000000000000);
  });

  test("checks that know no BigInts get the nearest number, and the value itself where there is none", () => {
    const plain = { a: [1, { b: "c" }] };
    expect(withoutBigInts(plain)).toBe(plain);
    expect(withoutBigInts(parseJson('{"a":[9007199254740993]}'))).toEqual({ a: [9007199254740992] });
  });
});
