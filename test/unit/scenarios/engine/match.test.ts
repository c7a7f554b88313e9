import { describe, expect, test } from "vitest";
import { milliseconds, spoken } from "../../../../scenarios/engine/duration.ts";
import { describeDifference, differences } from "../../../../scenarios/engine/match.ts";
import { substitute, valueAt } from "../../../../scenarios/engine/variables.ts";

const says = (expected: unknown, found: unknown) => differences(expected, found).map(describeDifference);

describe("a match", () => {
  test("needs what is asked for and allows more", () => {
    expect(says({ a: { b: 1 } }, { a: { b: 1, c: 2 }, d: 3 })).toEqual([]);
    expect(says({ a: { b: 1 } }, { a: { b: 2 } })).toEqual(["a.b: expected 1, found 2"]);
    expect(says({ a: { b: 1 } }, {})).toEqual(['a: expected {"b":1}, found nothing']);
  });

  test("finds list items by their key, else by position", () => {
    const found = { twins: [{ propertyName: "u", v: 1 }, { propertyName: "t", v: 2 }], plain: [1, 2] };
    expect(says({ twins: [{ propertyName: "t", v: 2 }], plain: [1] }, found)).toEqual([]);
    expect(says({ twins: [{ propertyName: "t", v: 3 }] }, found)).toEqual([
      "twins[propertyName=t].v: expected 3, found 2",
    ]);
    expect(says({ twins: [{ propertyName: "x" }] }, found)).toEqual([
      'twins[propertyName=x]: expected {"propertyName":"x"}, found nothing',
    ]);
    expect(says({ plain: [1, 3] }, found)).toEqual(["plain[1]: expected 3, found 2"]);
  });

  test("takes regular expressions", () => {
    expect(says({ a: { $matches: "^4.3" } }, { a: "403" })).toEqual([]);
    expect(says({ a: { $matches: "^4.3" } }, { a: 403 })[0]).toContain("text that matches /^4.3/");
  });

  test("doesn't look into the prototype", () => {
    expect(says({ constructor: { name: "Object" } }, {})).toHaveLength(1);
  });
});

describe("variables", () => {
  test("stand in texts and keys; alone they keep their type; unknown ones stay", () => {
    expect(substitute({ "a-$EDGE": ["$i", "n$i", "${EDGE}!", "$other", "5$"] }, { EDGE: "gw-0", i: 3 })).toEqual({
      "a-gw-0": [3, "n3", "gw-0!", "$other", "5$"],
    });
  });
  test("are picked by path", () => {
    expect(valueAt({ a: { b: [{ c: 1 }] } }, "a.b[0].c")).toBe(1);
    expect(valueAt({ a: 1 }, "a.b.c")).toBeUndefined();
  });
});

describe("durations", () => {
  test.each([["500ms", 500], ["2s", 2000], ["1m30s", 90_000], ["1.5s", 1500], ["1h", 3_600_000]])(
    "%s is %d ms",
    (text, ms) => {
      expect(milliseconds(text)).toBe(ms);
    },
  );
  test.each(["", "5", "5 s", "s", "-1s", "1d"])("%j is none", (text) => {
    expect(() => milliseconds(text)).toThrow("is no duration such as");
  });
  test("are said so that people can read them", () => {
    expect([spoken(80), spoken(2345), spoken(12_345), spoken(125_000)]).toEqual(["80 ms", "2.3 s", "12 s", "2 m 5 s"]);
  });
});
