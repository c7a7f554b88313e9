import { describe, expect, test } from "vitest";
import { decodeMessage, encodeMessage, MessageFormatError } from "../../../../protocol/message/codec.ts";
import { limits } from "../../../../protocol/limits.ts";
import { contentJson, newMessage, responseTo } from "../../../../protocol/message/message.ts";

const simple = {
  header: { msg_id: "a", timestamp: 1 },
  route: { source: "edged", operation: "update", resource: "default/podstatus/web" },
  content: { a: 1 },
};

describe("encoding", () => {
  test("leaves empty optional keys out, keeps route and content, and ends with a newline", () => {
    expect(encodeMessage({ header: { msg_id: "", timestamp: 0 }, route: {}, content: null }))
      .toBe('{"header":{"msg_id":"","timestamp":0},"route":{},"content":null}\n');
  });

  test("writes keys in Go's order", () => {
    const text = encodeMessage({
      header: { type: "channel", sync: true, resourceversion: "7", timestamp: 3, parent_msg_id: "p", msg_id: "m" },
      route: { resource: "r", operation: "o", group: "g", destination: "d", source: "s" },
      content: "x",
    });
    expect(text).toBe(
      '{"header":{"msg_id":"m","parent_msg_id":"p","timestamp":3,"resourceversion":"7","sync":true,"type":"channel"},' +
        '"route":{"source":"s","destination":"d","group":"g","operation":"o","resource":"r"},"content":"x"}\n',
    );
  });

  test("escapes what Go's encoder escapes, inside strings only", () => {
    expect(encodeMessage({ ...simple, content: "<a>&\u2028" })).toContain('"content":"\\u003ca\\u003e\\u0026\\u2028"');
  });

  test("turns bytes into base64 text, which stays text when it is decoded", () => {
    const text = encodeMessage({ ...simple, content: new TextEncoder().encode("hi") });
    expect(decodeMessage(text).content).toBe("aGk=");
  });
});

describe("decoding", () => {
  test("gives back what was encoded", () => {
    expect(decodeMessage(encodeMessage(simple))).toEqual(simple);
  });

  test("takes keys in any letter case, the exact spelling first", () => {
    const message = decodeMessage(
      '{"Header":{"MSG_ID":"a","timestamp":1},"ROUTE":{"Operation":"x","operation":"y"},"Content":2}',
    );
    expect(message).toEqual({ header: { msg_id: "a", timestamp: 1 }, route: { operation: "y" }, content: 2 });
  });

  test.each([
    ["null", { header: { msg_id: "", timestamp: 0 }, route: {}, content: null }],
    ["{}", { header: { msg_id: "", timestamp: 0 }, route: {}, content: null }],
    ['{"content":1} and more', { header: { msg_id: "", timestamp: 0 }, route: {}, content: 1 }],
    ['{"content":"}"}{"content":2}', { header: { msg_id: "", timestamp: 0 }, route: {}, content: "}" }],
    [' \n{"unknown":[1],"route":null}', { header: { msg_id: "", timestamp: 0 }, route: {}, content: null }],
  ])("accepts %s as Go does", (text, expected) => {
    expect(decodeMessage(text)).toEqual(expected);
  });

  test.each([
    "",
    '{"header":',
    "[]",
    '"x"',
    "123",
    '{"header":1}',
    '{"header":{"timestamp":"1"}}',
    '{"header":{"timestamp":1.5}}',
    '{"route":[]}',
    '{"route":{"operation":1}}',
    "true",
  ])(
    "refuses %j",
    (text) => {
      expect(() => decodeMessage(text)).toThrow(MessageFormatError);
    },
  );

  test("refuses an object of more keys than the limit, wherever it is, and a key that is too long", () => {
    const object = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":{"a:b":":"}`).join(",")}}`;
    const message = (content: string) => `{"header":{},"route":{},"content":[${content}]}`;
    expect(() => decodeMessage(message(`${object(limits.objectKeys)},${object(limits.objectKeys)}`))).not.toThrow();
    expect(() => decodeMessage(message(object(limits.objectKeys + 1)))).toThrow(
      `an object of more than ${limits.objectKeys} keys`,
    );
    const keyed = (length: number) => message(`{"${"k".repeat(length)}":"${"v".repeat(20_000)}"}`);
    expect(() => decodeMessage(keyed(limits.objectKey))).not.toThrow();
    expect(() => decodeMessage(keyed(limits.objectKey + 1))).toThrow(
      `a key of more than ${limits.objectKey} characters`,
    );
  });

  test("refuses what is nested deeper than the limit, before it recurses", () => {
    expect(() => decodeMessage("[".repeat(100_000))).toThrow("nested deeper than 64 levels");
  });

  test("leaves __proto__ a key like others", () => {
    const message = decodeMessage('{"content":{"__proto__":{"polluted":true}}}');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(Object.keys(message.content as object)).toEqual(["__proto__"]);
  });
});

describe("building", () => {
  test("an answer carries the request's id as parent and its source, group and resource", () => {
    const request = newMessage(1, {
      source: "edgecontroller",
      group: "resource",
      operation: "update",
      resource: "default/pod/web",
      version: "7",
    });
    const answer = responseTo(2, request, "OK");
    expect(answer.header.parent_msg_id).toBe(request.header.msg_id);
    expect(answer.header.msg_id).not.toBe(request.header.msg_id);
    expect(answer.header.resourceversion).toBeUndefined();
    expect(answer.route).toEqual({
      source: "edgecontroller",
      group: "resource",
      operation: "response",
      resource: "default/pod/web",
    });
  });

  test("a text content is read as the JSON in it", () => {
    expect(contentJson({ ...simple, content: '{"a":[1]}' })).toEqual({ a: [1] });
    expect(contentJson({ ...simple, content: { a: 1 } })).toEqual({ a: 1 });
  });
});
