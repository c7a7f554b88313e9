import { describe, expect, test } from "vitest";
import { milliseconds, spoken } from "../../../../scenarios/files/duration.ts";

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
