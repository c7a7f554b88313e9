import { describe, expect, test } from "vitest";
import { substitute, unknownVariable, valueAt } from "../../../../scenarios/files/variables.ts";

const variables = { EDGE: "gw-0", n: 3 };

describe("variables", () => {
  test("stand alone as their value and inside of texts and keys as text", () => {
    expect(substitute({ "$EDGE": ["$n", "at ${EDGE}-$n"] }, variables)).toEqual({ "gw-0": [3, "at gw-0-3"] });
  });

  test("that are not set stay where a dollar may be meant", () => {
    expect(substitute({ "$patch": "echo $HOME" }, variables)).toEqual({ "$patch": "echo $HOME" });
  });

  test.each([["$EDEG", "$EDEG"], [[{ a: "${EDEG}" }], "${EDEG}"], ["$EDGE", undefined], ["a $EDEG", undefined]])(
    "in %j: unknown is %j",
    (value, unknown) => expect(unknownVariable(value, variables)).toBe(unknown),
  );
});

test("a value is found by its path", () => {
  expect(valueAt({ a: [{ b: 1 }] }, "a[0].b")).toBe(1);
  expect(valueAt({ a: 1 }, "a.b.c")).toBeUndefined();
});
