import { describe, expect, test } from "vitest";
import { mergeTwins, ReportError, stateOf } from "../../../../cloud/devicecontroller/upstream/reports.ts";

const device = { metadata: { name: "d" }, spec: { properties: [{ name: "t" }, { name: "u" }] } };
const empty = { metadata: { name: "d" }, status: {} };

describe("a twin report", () => {
  test("fills the status the first time already, with time and type as texts", () => {
    const report = { twin: { t: { actual: { value: "1", metadata: { timestamp: 5 } }, metadata: { type: "int" } } } };
    expect(mergeTwins(device, empty, report)).toEqual([
      { propertyName: "t", reported: { value: "1", metadata: { timestamp: "5", type: "int" } } },
    ]);
  });

  test("keeps what it does not speak of, and the order of what is there", () => {
    const status = {
      metadata: { name: "d" },
      status: {
        twins: [{ propertyName: "u", reported: { value: "9" } }, {
          propertyName: "t",
          observedDesired: { value: "5" },
        }],
      },
    };
    expect(mergeTwins(device, status, { twin: { t: { actual: { value: "2" } } } })).toEqual([
      { propertyName: "u", reported: { value: "9" } },
      { propertyName: "t", observedDesired: { value: "5" }, reported: { value: "2", metadata: {} } },
    ]);
  });

  test("takes the desired value the device has seen, also an empty one", () => {
    const twins = mergeTwins(device, empty, { twin: { t: { expected: { value: "" }, actual: { value: "1" } } } });
    expect(twins[0]).toMatchObject({ observedDesired: { value: "" }, reported: { value: "1" } });
  });

  test("leaves out properties the device does not have, and nulls", () => {
    expect(mergeTwins(device, empty, { twin: { other: { actual: { value: "1" } }, t: null } })).toEqual([]);
  });

  test.each([[null], [{}], [{ twin: [] }], ["text"], [{ twin: "x" }]])("that is %j is refused", (report) => {
    expect(() => mergeTwins(device, empty, report)).toThrow(ReportError);
  });
});

describe("a state report", () => {
  test("is read in either letter case; an empty time leaves the old one standing", () => {
    expect(stateOf({ device: { state: "online", lastOnlineTime: "2026-01-01T00:00:00Z" } })).toEqual({
      state: "online",
      lastOnlineTime: "2026-01-01T00:00:00Z",
    });
    expect(stateOf({ Device: { State: "offline", lastOnlineTime: "" } })).toEqual({ state: "offline" });
    expect(() => stateOf({})).toThrow(ReportError);
  });
});
