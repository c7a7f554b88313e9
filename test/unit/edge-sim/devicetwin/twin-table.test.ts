// KubeEdge's rules for one device's twins, case by case (KubeEdge v1.23 `edge/pkg/devicetwin/dtmanager/twin.go`).
import { describe, expect, test } from "vitest";
import { TwinTable } from "../../../../edge-sim/devicetwin/twin-table.ts";
import { limits } from "../../../../protocol/limits.ts";
import type { MsgTwin } from "../../../../protocol/twin/twin.ts";

const side = (value: string, timestamp: number) => ({ value, metadata: { timestamp } });
const type = (name: string) => ({ metadata: { type: name } });
const cloudSays = (value: string, cloud: number, edge: number, kind = "int"): MsgTwin => ({
  expected: { value },
  optional: true,
  ...type(kind),
  expected_version: { cloud, edge },
});

/** A table with one int property, set by a mapper at 1. */
function tableOf(actual = "20") {
  const table = new TwinTable();
  table.update({ t: { actual: { value: actual }, ...type("int") } }, "edge", 1);
  return table;
}

describe("a property that is new", () => {
  test("is a string and optional by default, and counts only the sides that were given", () => {
    const table = new TwinTable();
    const { document, result, sync } = table.update({ t: { actual: { value: "22" } } }, "edge", 7);
    const twin = { actual: side("22", 7), optional: true, ...type("string") };
    expect(result).toEqual({ t: twin });
    expect(document).toEqual({ t: { last: null, current: twin } });
    expect(sync).toEqual({ t: { ...twin, actual_version: { cloud: 0, edge: 1 } } });
  });

  test("an empty desired value is not kept at first, but counted; later it is said", () => {
    const table = new TwinTable();
    const report = { t: { expected: { value: "" }, actual: { value: "22" } } };
    expect(table.update(report, "edge", 1).sync.t).toEqual({
      actual: side("22", 1),
      optional: true,
      ...type("string"),
      expected_version: { cloud: 0, edge: 1 },
      actual_version: { cloud: 0, edge: 1 },
    });
    expect(table.update(report, "edge", 2).sync.t).toMatchObject({
      expected: side("", 2),
      expected_version: { cloud: 0, edge: 2 },
      actual_version: { cloud: 0, edge: 2 },
    });
  });

  test.each(["double", "Updated"])("of the type %s is refused as a whole message", (kind) => {
    const table = new TwinTable();
    const given = { a: { actual: { value: "1" } }, t: { actual: { value: "1" }, ...type(kind) } };
    expect(() => table.update(given, "edge", 1)).toThrow("the value type is not allowed");
    expect(table.rows()).toEqual({});
  });

  test("null for it ends the message there: what came before stays, what comes after does not", () => {
    const table = new TwinTable();
    const { document, result } = table.update(
      { a: { actual: { value: "1" } }, t: null, z: { actual: { value: "1" } } },
      "edge",
      1,
    );
    expect(Object.keys(result)).toEqual(["a"]);
    expect(document.t).toEqual({ last: null, current: null });
    expect(Object.keys(table.rows())).toEqual(["a"]);
  });

  test("is refused where the device has as many as it may have", () => {
    const table = new TwinTable();
    const many = Object.fromEntries(
      Array.from({ length: limits.twinsOfDevice }, (_, i) => [`p${i}`, { actual: { value: "1" } }]),
    );
    table.update(many, "edge", 1);
    expect(() => table.update({ more: { actual: { value: "1" } } }, "edge", 2)).toThrow("properties at most");
    expect(table.update({ p0: { actual: { value: "2" } } }, "edge", 3).result.p0).toBeDefined();
  });

  test("from the cloud without a version is refused, and something empty is said of it", () => {
    const table = new TwinTable();
    const { document, sync } = table.update({ t: { expected: { value: "1" }, ...type("int") } }, "cloud", 1);
    expect([document, sync]).toEqual([{ t: { last: null, current: null } }, { t: {} }]);
    expect(table.rows()).toEqual({});
  });
});

describe("a property that is there", () => {
  test("the same value again is a change: its version counts up and it is sent to the cloud", () => {
    const table = tableOf();
    const { document, sync } = table.update({ t: { actual: { value: "20" } } }, "edge", 9);
    expect(sync.t?.actual_version).toEqual({ cloud: 0, edge: 2 });
    expect(document.t?.last?.actual).toEqual(side("20", 1));
    expect(document.t?.current?.actual).toEqual(side("20", 9));
  });

  test.each([
    ["int", "warm", "the value is not int or integer"],
    ["float", "x", "the value is not float"],
    ["boolean", "yes", "the bool value must be true or false"],
  ])("keeps its type %s: %s is refused with the whole message, and nothing has changed", (kind, value, reason) => {
    const table = new TwinTable();
    const first = { int: "1", float: "1.5", boolean: "true" }[kind] as string;
    table.update({ t: { actual: { value: first }, ...type(kind) } }, "edge", 1);
    const before = table.rows();
    const given = { new: { actual: { value: "1" } }, t: { actual: { value }, ...type("string") } };
    expect(() => table.update(given, "edge", 2)).toThrow(reason);
    expect(table.rows()).toEqual(before);
  });

  test("optional goes from true to false, and never back", () => {
    const table = tableOf();
    expect(table.update({ t: { optional: false } }, "edge", 2).sync).toEqual({ t: { optional: false } });
    expect(table.update({ t: { optional: true } }, "edge", 3)).toEqual({ result: {}, document: {}, sync: {} });
  });

  test("another type in a message marks it changed, and does not change it", () => {
    const table = tableOf();
    const { document } = table.update({ t: { ...type("string") } }, "edge", 2);
    expect(document.t?.current?.metadata).toEqual({ type: "int" });
  });
});

describe("what the cloud sets", () => {
  test("is taken with its version where it has seen all that the edge did", () => {
    const table = tableOf();
    const { document, sync } = table.update({ t: cloudSays("25", 5, 0) }, "cloud", 3);
    expect(sync).toEqual({});
    expect(document.t?.current).toMatchObject({ expected: side("25", 3), actual: side("20", 1) });
    expect(table.get("t")?.expected_version).toEqual({ cloud: 5, edge: 0 });
  });

  test.each([
    ["an older cloud", { cloud: 4, edge: 1 }],
    ["an edge that went on", { cloud: 9, edge: 0 }],
    ["no version", undefined],
  ])("is refused with %s: the edge says what it has, and takes no actual value either", (_why, version) => {
    const table = tableOf();
    table.update({ t: cloudSays("25", 5, 0) }, "cloud", 2);
    table.update({ t: { expected: { value: "40" } } }, "edge", 3);
    const given: MsgTwin = {
      expected: { value: "25" },
      actual: { value: "1" },
      ...type("int"),
      ...(version === undefined ? {} : { expected_version: version }),
      actual_version: { cloud: 9, edge: 9 },
    };
    const { document, sync } = table.update({ t: given }, "cloud", 4);
    expect(document).toEqual({});
    expect(sync.t).toEqual({
      expected: side("40", 3),
      expected_version: { cloud: 5, edge: 1 },
      optional: true,
      ...type("int"),
    });
    expect(table.get("t")?.actual).toEqual(side("20", 1));
  });

  test("an actual value without a version is how mappers make the edge say what it has", () => {
    const { sync } = tableOf().update({ t: { actual: { value: "21" }, ...type("Updated") } }, "cloud", 2);
    expect(sync.t).toMatchObject({ actual: side("20", 1), actual_version: { cloud: 0, edge: 1 } });
  });

  test.each([
    ["without metadata", { expected: { value: "25" }, expected_version: { cloud: 9, edge: 0 } }],
    ["null", null],
    ["a value of another type", cloudSays("warm", 9, 0)],
    ["a side without a value", { expected: {}, ...type("int"), expected_version: { cloud: 9, edge: 0 } }],
  ])("is ignored: %s", (_what, given) => {
    const table = tableOf();
    table.update({ t: cloudSays("25", 5, 0) }, "cloud", 2);
    expect(table.update({ t: given }, "cloud", 3)).toEqual({ result: {}, document: {}, sync: {} });
  });
});

describe("a property that is deleted", () => {
  test("by a mapper is hidden, reported as deleted, and its row stays with its versions", () => {
    const table = tableOf();
    const { document, result, sync } = table.update({ t: null }, "edge", 2);
    expect(result).toEqual({ t: null });
    expect(document.t).toMatchObject({ last: { actual: { value: "20" } }, current: null });
    expect(sync.t).toEqual({
      actual: {},
      optional: true,
      ...type("deleted"),
      actual_version: { cloud: 0, edge: 2 },
    });
    expect(table.visible()).toEqual({});
  });

  test("is not, where it isn't optional", () => {
    const table = tableOf();
    table.update({ t: { optional: false } }, "edge", 2);
    expect(table.update({ t: null }, "edge", 3)).toEqual({ result: {}, document: {}, sync: {} });
  });

  test("by the cloud only with versions that have seen the edge's", () => {
    const table = tableOf();
    table.update({ t: cloudSays("25", 5, 0) }, "cloud", 2);
    const late = { ...cloudSays("25", 6, 0, "deleted"), actual_version: { cloud: 0, edge: 0 } };
    expect(table.update({ t: late }, "cloud", 3).sync.t).toMatchObject({ actual_version: { cloud: 0, edge: 1 } });
    expect(Object.keys(table.visible())).toEqual(["t"]);
    const seen = { ...cloudSays("25", 6, 0, "deleted"), actual_version: { cloud: 0, edge: 1 } };
    expect(table.update({ t: seen }, "cloud", 4)).toMatchObject({ sync: {}, document: { t: { current: null } } });
    expect(table.visible()).toEqual({});
  });

  test("comes back as what the next message says it is, else as a string", () => {
    for (const [given, kind] of [[type("float"), "float"], [{}, "string"]] as const) {
      const table = tableOf();
      table.update({ t: null }, "edge", 2);
      const { document } = table.update({ t: { actual: { value: "1" }, ...given } }, "edge", 3);
      expect(document.t).toMatchObject({ last: null, current: { actual: side("1", 3), metadata: { type: kind } } });
    }
  });
});

describe("what is not as wanted", () => {
  test("is published for all properties until it is, and only those with a desired value", () => {
    const table = tableOf("22");
    table.update({ u: { actual: { value: "1" } } }, "edge", 1);
    expect(table.delta(false)).toBeUndefined();
    table.update({ t: { expected: { value: "25" } } }, "edge", 2);
    expect(table.delta(false)?.delta).toEqual({ t: "25" });
    expect(Object.keys(table.delta(false)?.twin ?? {})).toEqual(["t"]);
    expect(Object.keys(table.delta(true)?.twin ?? {})).toEqual(["t", "u"]);
    table.update({ t: { actual: { value: "25" } } }, "edge", 3);
    expect(table.delta(false)).toBeUndefined();
  });
});

test("rows come back without sides that are empty, and with their versions", () => {
  const table = new TwinTable();
  table.update({ t: { expected: { value: "5" }, actual: { value: "20" } } }, "edge", 1);
  table.update({ t: { expected: { value: "" } } }, "edge", 3);
  const again = new TwinTable(table.rows());
  expect(again.get("t")).toMatchObject({ actual: side("20", 1), expected_version: { cloud: 0, edge: 2 } });
  expect(again.get("t")?.expected).toBeUndefined();
});
