import { describe, expect, test } from "vitest";
import { Random } from "../../../../base/random/random.ts";
import { ManualClock } from "../../../../base/time/manual-clock.ts";
import { DeviceTwin } from "../../../../edge-sim/devicetwin/devicetwin.ts";
import type { EdgeHub } from "../../../../edge-sim/edgehub/edgehub.ts";
import { EdgeStore } from "../../../../edge-sim/metamanager/store.ts";
import { edgecoreTimings } from "../../../../edge-sim/timings.ts";
import { type Message, newMessage } from "../../../../protocol/message/message.ts";
import type { DeviceTwinUpdate } from "../../../../protocol/twin/twin.ts";

const id = "default/d";

/** The twin of one node, on a hub that keeps what is sent while it is connected. */
function twinOf() {
  const clock = new ManualClock();
  const sent: Message[] = [];
  let isConnected = true;
  const hub = { send: (message: Message) => isConnected && sent.push(message) > 0 } as unknown as EdgeHub;
  const store = new EdgeStore();
  const world = {
    node: "edge-0",
    hub,
    store,
    timings: edgecoreTimings,
    clock,
    random: new Random(1),
    tap: undefined,
    mapper: true,
  };
  const twin = new DeviceTwin(world);
  twin.start();
  const members = (added: string[] | null, removed: string[] | null) => {
    const named = (ids: string[] | null) => ids?.map((id) => ({ id, name: id })) ?? null;
    twin.receive(newMessage(0, {
      source: "devicecontroller",
      group: "twin",
      operation: "update",
      resource: "membership",
      content: { event_id: "", timestamp: 0, added_devices: named(added), removed_devices: named(removed) },
    }));
  };
  const confirm = (message: Message) =>
    twin.receive(newMessage(0, {
      source: "devicecontroller",
      group: "twin",
      operation: "response",
      resource: "twin",
      content: "OK",
      parent: message.header.msg_id,
    }));
  return { clock, sent, store, twin, members, confirm, connect: (on: boolean) => void (isConnected = on) };
}

const updateIn = (message: Message | undefined) => (message?.content as DeviceTwinUpdate).twin;

describe("membership", () => {
  test("says which devices there are; both lists may be null", () => {
    const { twin, members } = twinOf();
    members([id, "default/e"], null);
    members(null, ["default/e"]);
    expect(twin.devices()).toEqual([id]);
  });

  test("outlives a restart by way of the store", () => {
    const { twin, store } = twinOf();
    store.put("default/device/d", { kind: "Device", metadata: { name: "d", namespace: "default" } });
    twin.stop();
    expect(twin.devices()).toEqual([]);
    twin.start();
    expect(twin.devices()).toEqual([id]);
  });
});

describe("a report", () => {
  test("counts the edge's side of the version up, each time", () => {
    const { twin, members, sent } = twinOf();
    members([id], null);
    twin.report(id, "t", "1");
    twin.report(id, "t", "1");
    expect(sent.map((message) => message.route.resource)).toEqual([
      `device/${id}/twin/edge_updated`,
      `device/${id}/twin/edge_updated`,
    ]);
    expect(sent.map((message) => updateIn(message).t?.actual_version)).toEqual([{ cloud: 0, edge: 1 }, {
      cloud: 0,
      edge: 2,
    }]);
  });

  test("is sent again until it is confirmed", () => {
    const { clock, twin, members, sent, confirm } = twinOf();
    members([id], null);
    twin.report(id, "t", "1");
    clock.advance(edgecoreTimings.confirm);
    expect(sent.map((message) => message.header.msg_id)).toEqual([sent[0]?.header.msg_id, sent[0]?.header.msg_id]);
    confirm(sent[0] as Message);
    clock.advance(edgecoreTimings.confirm);
    expect(sent).toHaveLength(2);
  });

  test("that was overtaken is not sent again, nor confirms the newer one", () => {
    const { clock, twin, members, sent, confirm } = twinOf();
    members([id], null);
    twin.report(id, "t", "1");
    twin.report(id, "t", "2");
    confirm(sent[0] as Message);
    clock.advance(edgecoreTimings.confirm);
    expect(sent.map((message) => updateIn(message).t?.actual?.value)).toEqual(["1", "2", "2"]);
  });

  test("without a connection is lost; at the next one the device says what it has", () => {
    const { twin, sent, connect } = twinOf();
    const metadata = { name: "d", namespace: "default" };
    twin.putDevice({ metadata, spec: { properties: [{ name: "t", reportToCloud: true }] } });
    connect(false);
    twin.report(id, "t", "1");
    expect(sent).toEqual([]);
    connect(true);
    twin.connected();
    expect(sent[0]?.route).toMatchObject({ operation: "get", resource: "membership/detail" });
    expect(sent[1]?.content).toMatchObject({ twin: { t: { actual: { value: "1" } } } });
  });

  test.each([["t", "21 °C"], ["t", "x".repeat(513)], ["a b", "1"], ["n".repeat(129), "1"]])(
    "of %j with the value %j is refused, since edgecore would",
    (property, value) => {
      const { twin, members, sent } = twinOf();
      members([id], null);
      expect(() => twin.report(id, property, value)).toThrow(`property "${property}"`);
      expect(sent).toEqual([]);
    },
  );

  test("of a device the node doesn't have is refused with those it has", () => {
    const { twin, members } = twinOf();
    members([id], null);
    expect(() => twin.report("default/x", "t", "1")).toThrow("edge-0 has no device default/x; it has default/d");
    expect(() => twin.reportState("default/x", "online")).toThrow("has no device");
  });
});

test("a state travels as a text, with the time it was last online only while it is", () => {
  const { clock, twin, members, sent } = twinOf();
  members([id], null);
  const now = new Date(clock.now()).toISOString().replace(".000Z", "Z");
  twin.reportState(id, "online");
  twin.reportState(id, "offline");
  const devices = sent.map(({ content }) => JSON.parse(content as string).device);
  expect(devices).toEqual([
    { name: "d", state: "online", lastOnlineTime: now },
    { name: "d", state: "offline", lastOnlineTime: "" },
  ]);
});
