import { describe, expect, test } from "vitest";
import { nextTwinVersion, refuseTwin, refuseTwinType } from "../../../../protocol/twin/twin.ts";

describe("twin versions", () => {
  test("an edge's own write counts its side up", () => {
    expect(nextTwinVersion({ cloud: 4, edge: 2 }, { by: "edge" })).toEqual({ cloud: 4, edge: 3 });
  });

  test.each([
    [{ cloud: 1, edge: 0 }, { cloud: 2, edge: 0 }, { cloud: 2, edge: 0 }],
    [{ cloud: 1, edge: 0 }, { cloud: 1, edge: 0 }, { cloud: 1, edge: 0 }],
    [{ cloud: 3, edge: 0 }, { cloud: 2, edge: 0 }, undefined],
    [{ cloud: 1, edge: 1 }, { cloud: 9, edge: 0 }, undefined],
  ])("local %j and the cloud's %j give %j", (local, version, expected) => {
    expect(nextTwinVersion(local, { by: "cloud", version })).toEqual(expected);
  });

  test("a cloud's write without a version is refused", () => {
    expect(nextTwinVersion({ cloud: 0, edge: 0 }, { by: "cloud", version: undefined })).toBeUndefined();
  });
});

describe("values", () => {
  test.each(["21.5", "a-b_c.d,e:f/g@h#i", "", "x".repeat(512)])("%s may travel", (value) => {
    expect(refuseTwin("temperature", value)).toBeUndefined();
  });

  test.each(["a b", "20°", "50%", "+1", '{"a":1}', "x".repeat(513)])("%s may not", (value) => {
    expect(refuseTwin("temperature", value)).toContain("may only have");
  });

  test("a name is limited too", () => {
    expect(refuseTwin("room temperature", "1")).toContain("a name has 1 to 128");
    expect(refuseTwin("x".repeat(129), "1")).toContain("a name has 1 to 128");
  });

  test.each([
    ["int", "12", true],
    ["int", "1.5", false],
    ["float", "1.5", true],
    ["int", "-9223372036854775808", true],
    ["int", "9223372036854775808", false],
    ["float", "", false],
    ["float", "-1.5e3", true],
    ["float", "inf", true],
    ["float", "0x10", false],
    ["float", "1e999", false],
    ["boolean", "true", true],
    ["boolean", "yes", false],
    ["string", "anything", true],
    ["double", "1", false],
  ])("%s takes %j: %s", (type, value, fits) => {
    expect(refuseTwinType(type, value) === undefined).toBe(fits);
  });
});
