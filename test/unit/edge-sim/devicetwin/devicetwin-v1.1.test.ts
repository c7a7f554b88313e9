// The twin of an edge of KubeEdge v1.1: versions, conflicts, repetition, and what outlives a restart.
import { describe, expect, test } from "vitest";
import type { EdgeStore } from "../../../../edge-sim/metamanager/store.ts";
import { edgecoreTimings } from "../../../../edge-sim/timings/timings.ts";
import type { DeviceTwinUpdate, MsgTwin } from "../../../../protocol/twin/twin.ts";
import { twinsOf } from "../../../support/twins.ts";

function twinOf(options: { readonly mapper?: boolean; readonly store?: EdgeStore } = {}) {
  const world = twinsOf("old-0", { ...options, isV11: true });
  const { says, sent } = world;
  const wants = (value: string, version: { cloud: number; edge: number }, type = "int"): MsgTwin => ({
    expected: { value, metadata: { timestamp: 1 } },
    optional: false,
    metadata: { type },
    expected_version: version,
  });
  const reports = () => sent.filter(({ route }) => route.resource === "device/d/twin/edge_updated");
  const last = () => (reports().at(-1)?.content as DeviceTwinUpdate | undefined)?.twin;
  return {
    ...world,
    wants,
    reports,
    last,
    won: (twins: Record<string, MsgTwin>) =>
      says("membership", { added_devices: [{ id: "d", name: "d", twin: twins }], removed_devices: null }),
    asked: (twins: Record<string, MsgTwin | null>) => says("device/d/twin/cloud_updated", { twin: twins }),
  };
}

describe("what the cloud wants", () => {
  test("is taken with its version; an older version is answered with what is here", () => {
    const { asked, clock, devices, last, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    asked({ t: wants("21", { cloud: 11, edge: 0 }) });
    expect(devices.stateOf("default/d")).toEqual({ state: "", twin: { t: { desired: "21" } } });
    asked({ t: wants("19", { cloud: 9, edge: 0 }) });
    expect(devices.stateOf("d")?.twin.t).toEqual({ desired: "21" });
    expect(last()).toEqual({
      t: {
        expected: { value: "21", metadata: { timestamp: clock.now() } },
        optional: false,
        metadata: { type: "int" },
        expected_version: { cloud: 11, edge: 0 },
      },
    });
  });

  test("gives way to what has been written here since, however new it is; other properties do not", () => {
    const { asked, devices, last, reports, twin, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }), u: wants("1", { cloud: 10, edge: 0 }) });
    twin.reported("d", { t: { expected: { value: "40" } } });
    expect(last()?.t).toMatchObject({ expected: { value: "40" }, expected_version: { cloud: 10, edge: 1 } });
    const before = reports().length;
    asked({ t: wants("25", { cloud: 99, edge: 0 }), u: wants("2", { cloud: 99, edge: 0 }) });
    expect(devices.stateOf("d")?.twin).toEqual({ t: { desired: "40" }, u: { desired: "2" } });
    expect(reports()).toHaveLength(before + 1);
    expect(Object.keys(last() ?? {})).toEqual(["t"]);
  });

  test.each([
    ["a value that is not of its type", { value: "warm", version: { cloud: 11, edge: 0 } }],
    ["a value with a space", { value: "2 1", version: { cloud: 11, edge: 0 } }],
  ])("%s is ignored", (_what, { value, version }) => {
    const { asked, devices, reports, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    asked({ t: wants(value, version), u: null });
    expect(devices.stateOf("d")?.twin).toEqual({ t: { desired: "20" } });
    expect(reports()).toEqual([]);
  });

  test("a removed twin is hidden, and comes back as another type with a newer version", () => {
    const { asked, devices, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    asked({ t: wants("20", { cloud: 11, edge: 0 }, "deleted") });
    expect(devices.stateOf("d")?.twin).toEqual({});
    asked({ t: wants("on", { cloud: 12, edge: 0 }, "string") });
    expect(devices.stateOf("d")?.twin).toEqual({ t: { desired: "on" } });
  });

  test("reaches the device through its mapper, which reports it", () => {
    const { devices, last, wants, won } = twinOf({ mapper: true });
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    expect(devices.stateOf("d")?.twin.t).toEqual({ desired: "20", value: "20" });
    expect(last()?.t).toMatchObject({ actual: { value: "20" }, actual_version: { cloud: 0, edge: 1 } });
    expect(last()?.t?.expected).toBeUndefined();
  });
});

describe("what the edge says", () => {
  test("a report is repeated with its id until the end of the edge: it is never confirmed", () => {
    const { clock, devices, reports, twin, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    devices.report("d", "t", "5");
    devices.report("d", "t", "6");
    clock.advance(edgecoreTimings.confirm * 2 + 1);
    const values = reports().map(({ content }) => (content as DeviceTwinUpdate).twin.t?.actual?.value);
    expect(values).toEqual(["5", "6", "6", "6"]);
    expect(new Set(reports().slice(1).map(({ header }) => header.msg_id)).size).toBe(1);
    twin.stop();
    clock.advance(edgecoreTimings.confirm * 2);
    expect(reports()).toHaveLength(4);
  });

  test("what is insisted on and what is measured are said again each for itself", () => {
    const { asked, clock, devices, reports, twin, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    devices.report("d", "t", "5");
    twin.reported("d", { t: { expected: { value: "27" } } });
    asked({ t: wants("30", { cloud: 99, edge: 0 }) });
    const before = reports().length;
    clock.advance(edgecoreTimings.confirm + 1);
    const again = reports().slice(before).map(({ content }) => (content as DeviceTwinUpdate).twin.t);
    expect(again.map((t) => [t?.actual?.value, t?.expected?.value])).toEqual([["5", undefined], [undefined, "27"]]);
  });

  test("values of its own cycle it has none: `set` says so", () => {
    const { devices, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    expect(() => devices.measure("d", "t", "1")).toThrow("use `report`");
    expect(() => devices.measure("e", "t", "1")).toThrow("has no device e");
  });

  test("an unchanged value counts up its version; wrong ones are refused", () => {
    const { devices, last, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    devices.report("d", "t", "5");
    devices.report("d", "t", "5");
    expect(last()?.t?.actual_version).toEqual({ cloud: 0, edge: 2 });
    expect(() => devices.report("d", "t", "warm")).toThrow("int");
    expect(() => devices.report("d", "t", "a b")).toThrow("may only have");
    expect(() => devices.report("e", "t", "5")).toThrow("old-0 has no device e; it has d");
    expect(() => devices.reportState("d", "Online")).toThrow("online, offline, unknown");
  });

  test("which devices it has is asked at each connection, and again until the cloud answers", () => {
    const { clock, devices, says, sent, twin } = twinOf();
    twin.connected();
    clock.advance(edgecoreTimings.confirm + 1);
    const asks = () => sent.filter(({ route }) => route.resource === "membership/detail");
    expect(asks().map(({ header }) => header.msg_id)).toHaveLength(2);
    says("membership/detail", { devices: [{ id: "d", name: "d", twin: {} }] }, asks()[0]?.header.msg_id);
    clock.advance(edgecoreTimings.confirm * 3);
    expect(asks()).toHaveLength(2);
    expect(devices.all()).toEqual(["d"]);
  });
});

describe("devices", () => {
  test("devices and twins outlive a restart of the edge, with their versions and times", () => {
    const first = twinOf();
    first.won({ t: first.wants("20", { cloud: 10, edge: 0 }) });
    first.devices.report("d", "t", "5");
    first.devices.reportState("d", "online");
    first.twin.stop();
    const second = twinOf({ store: first.store });
    expect(second.devices.stateOf("d")).toEqual({ state: "online", twin: { t: { desired: "20", value: "5" } } });
    second.devices.report("d", "t", "6");
    expect(second.last()?.t?.actual_version).toEqual({ cloud: 0, edge: 2 });
    expect(JSON.stringify(second.store.get("edge/devicetwin/d"))).toContain('"timestamp"');
  });

  test("what the answer to which it has lacks, and what it loses, is removed with its rows and its reports", () => {
    const { clock, devices, reports, says, store, wants, won } = twinOf();
    won({ t: wants("20", { cloud: 10, edge: 0 }) });
    devices.report("d", "t", "5");
    says("membership/detail", { devices: [{ id: "e", name: "e" }] });
    expect([devices.all(), [...store.entries("devicetwin")].length]).toEqual([["e"], 1]);
    const before = reports().length;
    clock.advance(edgecoreTimings.confirm * 2);
    expect(reports()).toHaveLength(before);
    says("membership", { added_devices: null, removed_devices: [{ id: "e", name: "e" }] });
    expect([devices.all(), store.size]).toEqual([[], 0]);
  });
});
