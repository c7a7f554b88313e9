import { describe, expect, test } from "vitest";
import { edgecoreTimings } from "../../../../edge-sim/timings/timings.ts";
import { type Message, newMessage } from "../../../../protocol/message/message.ts";
import type { DeviceTwinUpdate } from "../../../../protocol/twin/twin.ts";
import { twinsOf } from "../../../support/twins.ts";

const id = "default/d";

/** The twin of one node, and what its cloud says. */
function twinOf() {
  const world = twinsOf("edge-0", { mapper: true });
  const { says, twin } = world;
  const named = (ids: string[] | null) => ids?.map((id) => ({ id, name: id.split("/")[1] })) ?? null;
  return {
    ...world,
    members: (added: string[] | null, removed: string[] | null) =>
      says("membership", {
        event_id: "",
        timestamp: 0,
        added_devices: named(added),
        removed_devices: named(removed),
      }),
    confirm: (message: Message) =>
      twin.receive(newMessage(0, {
        source: "devicecontroller",
        group: "twin",
        operation: "response",
        resource: "twin",
        content: "OK",
        parent: message.header.msg_id,
      })),
  };
}

const updateIn = (message: Message | undefined) => (message?.content as DeviceTwinUpdate).twin;

describe("membership", () => {
  test("says which devices there are; both lists may be null", () => {
    const { devices, members } = twinOf();
    members([id, "default/e"], null);
    members(null, ["default/e"]);
    expect(devices.all()).toEqual([id]);
  });

  test("outlives a restart by way of the store", () => {
    const { devices, members, twin } = twinOf();
    members([id], null);
    twin.stop();
    expect(devices.all()).toEqual([]);
    twin.start();
    expect(devices.all()).toEqual([id]);
  });
});

describe("a report", () => {
  test("counts the edge's side of the version up, each time", () => {
    const { devices, members, sent } = twinOf();
    members([id], null);
    devices.report(id, "t", "1");
    devices.report(id, "t", "1");
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
    const { clock, confirm, devices, members, sent } = twinOf();
    members([id], null);
    devices.report(id, "t", "1");
    clock.advance(edgecoreTimings.confirm);
    expect(sent.map((message) => message.header.msg_id)).toEqual([sent[0]?.header.msg_id, sent[0]?.header.msg_id]);
    confirm(sent[0] as Message);
    clock.advance(edgecoreTimings.confirm);
    expect(sent).toHaveLength(2);
  });

  test("that was overtaken is not sent again, nor confirms the newer one", () => {
    const { clock, confirm, devices, members, sent } = twinOf();
    members([id], null);
    devices.report(id, "t", "1");
    devices.report(id, "t", "2");
    confirm(sent[0] as Message);
    clock.advance(edgecoreTimings.confirm);
    expect(sent.map((message) => updateIn(message).t?.actual?.value)).toEqual(["1", "2", "2"]);
  });

  test("of several properties is said again as long as one of them is not overtaken, in the order of sending", () => {
    const { clock, members, sent, twin } = twinOf();
    members([id], null);
    const says = (twins: Record<string, string>) =>
      twin.reported(
        id,
        Object.fromEntries(Object.entries(twins).map(([name, value]) => [name, { actual: { value } }])),
      );
    says({ p: "1" });
    says({ p: "2", q: "x" });
    says({ p: "3" });
    sent.length = 0;
    clock.advance(edgecoreTimings.confirm);
    expect(sent.map((message) => updateIn(message).p?.actual?.value)).toEqual(["2", "3"]);
    says({ q: "y" });
    sent.length = 0;
    clock.advance(edgecoreTimings.confirm * 2);
    expect(sent.map((message) => Object.keys(updateIn(message)))).toEqual([["p"], ["q"], ["p"], ["q"]]);
  });

  test("without a connection is lost; at the next one the device says what it has", () => {
    const { connect, devices, mapper, members, sent, twin } = twinOf();
    const metadata = { name: "d", namespace: "default" };
    members([id], null);
    mapper.registerDevice({ metadata, spec: { properties: [{ name: "t", reportToCloud: true }] } });
    connect(false);
    devices.report(id, "t", "1");
    expect(sent).toEqual([]);
    connect(true);
    twin.connected();
    mapper.repeat();
    expect(sent[0]?.route).toMatchObject({ operation: "get", resource: "membership/detail" });
    expect(sent[1]?.content).toMatchObject({ twin: { t: { actual: { value: "1" } } } });
  });

  test.each([["t", "21 °C"], ["t", "x".repeat(513)], ["a b", "1"], ["n".repeat(129), "1"]])(
    "of %j with the value %j is refused, since edgecore would",
    (property, value) => {
      const { devices, members, sent } = twinOf();
      members([id], null);
      expect(() => devices.report(id, property, value)).toThrow(`property "${property}"`);
      expect(sent).toEqual([]);
    },
  );

  test("of a device the node doesn't have is refused with those it has", () => {
    const { devices, members } = twinOf();
    members([id], null);
    expect(() => devices.report("default/x", "t", "1")).toThrow("edge-0 has no device default/x; it has default/d");
    expect(() => devices.reportState("default/x", "online")).toThrow("has no device");
  });
});

test("a state travels as a text, with the time it was last online only while it is", () => {
  const { clock, devices, members, sent } = twinOf();
  members([id], null);
  const now = new Date(clock.now()).toISOString().replace(".000Z", "Z");
  devices.reportState(id, "online");
  devices.reportState(id, "offline");
  const said = sent.map(({ content }) => JSON.parse(content as string).device);
  expect(said).toEqual([
    { name: "d", state: "online", lastOnlineTime: now },
    { name: "d", state: "offline" },
  ]);
});

describe("mappers are sent", () => {
  const update = `$hw/events/device/${id}/twin/update`;
  const says = (twin: unknown, event = "e1") => JSON.stringify({ event_id: event, timestamp: 0, twin });

  test("of their update: its result, the document, and what is not as wanted, in this order, without versions", () => {
    const { clock, heard, members, published, twin } = twinOf();
    members([id], null);
    twin.onPublish(update, says({ t: { actual: { value: "22" }, metadata: { type: "int" } } }));
    heard("");
    twin.onPublish(update, says({ t: { expected: { value: "25" }, actual: { value: "23" } } }));
    const timestamp = clock.now();
    const value = (value: string) => ({ value, metadata: { timestamp } });
    const kind = { optional: true, metadata: { type: "int" } };
    const now = { expected: value("25"), actual: value("23"), ...kind };
    const base = { event_id: "e1", timestamp };
    const topic = `$hw/events/device/${id}/twin/update`;
    expect(published).toEqual([
      { topic: `${topic}/result`, payload: { ...base, twin: { t: now } } },
      {
        topic: `${topic}/document`,
        payload: { ...base, twin: { t: { last: { actual: value("22"), ...kind }, current: now } } },
      },
      {
        topic: `${topic}/delta`,
        payload: { event_id: expect.any(String), timestamp, twin: { t: now }, delta: { t: "25" } },
      },
    ]);
  });

  test("what is not as wanted again after each message, also one about another property", () => {
    const { heard, members, twin } = twinOf();
    members([id], null);
    twin.onPublish(update, says({ t: { expected: { value: "25" } } }));
    heard("");
    twin.onPublish(update, says({ u: { actual: { value: "1" } } }));
    expect(heard("/delta").map(({ delta }) => delta)).toEqual([{ t: "25" }]);
  });

  test.each([
    ["no JSON", "{", "Unmarshal update request body failed, please check the request"],
    ["a list", "[]", "Unmarshal update request body failed, please check the request"],
    ["a number for a value", says({ t: { actual: { value: 5 } } }), "Unmarshal update request body failed"],
    ["no twin", "{}", "Update twin error, key:twin does not exist"],
    ["a name with a space", says({ "a b": { actual: { value: "1" } } }), "The key of twin must only include"],
    ["a value with a degree sign", says({ t: { actual: { value: "21°" } } }), "The value of twin must only include"],
  ])("nothing but 400, on a topic without the device: %s", (_what, payload, reason) => {
    const { members, published, sent, twin } = twinOf();
    members([id], null);
    published.length = 0;
    twin.onPublish(update, payload);
    expect(published).toEqual([{
      topic: "$hw/events/device//twin/update/result",
      payload: { event_id: "", timestamp: expect.any(Number), code: 400, reason: expect.stringContaining(reason) },
    }]);
    expect(sent).toEqual([]);
  });

  test("400 for a value that isn't of the twin's type, 404 for a device that isn't there", () => {
    const { heard, members, twin } = twinOf();
    members([id], null);
    twin.onPublish(update, says({ t: { actual: { value: "1" }, metadata: { type: "int" } } }));
    heard("");
    twin.onPublish(update, says({ t: { actual: { value: "warm" } } }));
    expect(heard(`${id}/twin/update/result`)).toMatchObject([
      { event_id: "e1", code: 400, reason: "the value is not int or integer" },
    ]);
    twin.onPublish("$hw/events/device/default/other/twin/update", says({ t: { actual: { value: "1" } } }, "e2"));
    expect(heard("default/other/twin/update/result")).toMatchObject([
      { event_id: "e2", code: 404, reason: "update rejected due to the device is not existed" },
    ]);
  });

  test("the twin when they ask, without what was deleted; 404 and 400 where there is none", () => {
    const { heard, members, twin } = twinOf();
    members([id], null);
    twin.onPublish(update, says({ t: { actual: { value: "1" } }, u: { actual: { value: "2" } } }));
    twin.onPublish(update, says({ u: null }));
    heard("");
    const get = (device: string, payload = `{"event_id":"g1","timestamp":0}`) =>
      twin.onPublish(`$hw/events/device/${device}/twin/get`, payload);
    get(id);
    const [answer] = heard(`${id}/twin/get/result`);
    expect(answer).toMatchObject({ event_id: "g1", twin: { t: { actual: { value: "1" } } } });
    expect(Object.keys(answer?.twin as object)).toEqual(["t"]);
    get("default/other");
    expect(heard("get/result")).toMatchObject([{ event_id: "g1", code: 404 }]);
    get(id, "?");
    expect(heard("get/result")).toMatchObject([{ event_id: "", code: 400 }]);
  });

  test("which devices there are when they ask, without twins, and each that comes or goes", () => {
    const { heard, members, published, twin } = twinOf();
    members([id], null);
    expect(published).toMatchObject([{
      topic: "$hw/events/node/edge-0/membership/updated",
      payload: { added_devices: [{ id, name: "d" }], removed_devices: null },
    }]);
    heard("");
    twin.onPublish("$hw/events/node/edge-0/membership/get", `{"event_id":"m1"}`);
    expect(heard("membership/get/result")).toMatchObject([{ event_id: "m1", devices: [{ id, name: "d" }] }]);
    members(null, [id]);
    expect(heard("membership/updated")).toMatchObject([{ added_devices: null, removed_devices: [{ id }] }]);
    members(null, [id]);
    expect(heard("")).toEqual([]);
  });

  test("of a device that comes again without twins: 400, as edgecore says of today's cloud", () => {
    const { heard, members } = twinOf();
    members([id], null);
    heard("");
    members([id], null);
    expect(heard("")).toMatchObject([{ code: 400, reason: "Update twin error, key:twin does not exist" }]);
  });

  test("attributes that are new, changed or removed", () => {
    const { heard, members, says: cloud } = twinOf();
    members([id], null);
    const add = (attributes: unknown) =>
      cloud("membership", { added_devices: [{ id, name: "d", attributes, twin: {} }], removed_devices: null });
    const attribute = (value: string) => ({ value, optional: true, metadata: { type: "string" } });
    add({ maker: attribute("a"), site: attribute("x") });
    heard("");
    add({ maker: attribute("b") });
    expect(heard(`${id}/updated`)).toMatchObject([{ event_id: "", attributes: { maker: attribute("b"), site: null } }]);
    add({ maker: attribute("b") });
    expect(heard("/updated")).toEqual([]);
  });

  test.each(["online", "OK", "unhealthy"])("of a state that an edge takes: %s, in whatever letters", (state) => {
    const { heard, members, sent, twin } = twinOf();
    members([id], null);
    heard("");
    twin.onPublish(`$hw/events/device/${id}/state/update`, JSON.stringify({ event_id: "", timestamp: 0, state }));
    const [told] = heard("state/update/result");
    expect(told).toMatchObject({ device: { name: "d", state } });
    expect(sent.map(({ route, content }) => [route.resource, JSON.parse(content as string)])).toEqual([
      [`device/${id}/state/update`, told],
    ]);
  });

  test("nothing of other states, of devices that aren't there, and on topics that edgecore can't read", () => {
    const { heard, members, sent, twin } = twinOf();
    members([id, "device/d", "e/d"], null);
    heard("");
    const state = (device: string, state: string) =>
      twin.onPublish(`$hw/events/device/${device}/state/update`, JSON.stringify({ state }));
    state(id, "disconnected");
    state("default/other", "online");
    // The id's first word is found earlier in the topic: edgecore cuts it there.
    state("device/d", "online");
    state("e/d", "online");
    for (const topic of ["$hw/events/device/default/d/state/get", "$hw/events/node/edge-0/membership/updated"]) {
      twin.onPublish(topic, "{}");
    }
    expect([heard(""), sent]).toEqual([[], []]);
  });

  test("by `cloud_updated`, which mappers may publish: without versions the edge says to the cloud what it has", () => {
    const { members, sent, twin } = twinOf();
    members([id], null);
    twin.onPublish(update, says({ t: { actual: { value: "1" } } }));
    sent.length = 0;
    twin.onPublish(
      `$hw/events/device/${id}/twin/cloud_updated`,
      says({ t: { actual: { value: "2" }, metadata: { type: "Updated" } } }),
    );
    expect(sent.map((message) => updateIn(message).t)).toMatchObject([
      { actual: { value: "1" }, actual_version: { cloud: 0, edge: 1 } },
    ]);
  });
});

test("twins, states and versions outlive a restart; the sides that were empty do not", () => {
  const first = twinOf();
  first.members([id], null);
  first.devices.report(id, "t", "5");
  first.devices.reportState(id, "online");
  first.twin.stop();
  const second = twinsOf("edge-0", { store: first.store });
  expect(second.devices.stateOf(id)).toEqual({ state: "online", twin: { t: { value: "5" } } });
  second.devices.report(id, "t", "6");
  expect(updateIn(second.sent.at(-1)).t?.actual_version).toEqual({ cloud: 0, edge: 2 });
});
