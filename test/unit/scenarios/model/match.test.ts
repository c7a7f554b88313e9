import { describe, expect, test } from "vitest";
import { describeDifference, differences } from "../../../../scenarios/model/match.ts";

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

test("whole numbers are the same by their value, however they were read", () => {
  expect(differences({ n: 2n ** 60n }, { n: 2 ** 60 })).toEqual([]);
  expect(differences({ n: 9007199254740993n }, { n: 9007199254740993n })).toEqual([]);
  expect(differences({ n: 9007199254740993n }, { n: 9007199254740992 })).toHaveLength(1);
  expect(differences({ n: 1n }, { n: "1" })).toHaveLength(1);
});
