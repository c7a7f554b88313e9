// Random messages to an edge: from its cloud, from mappers over MQTT and DMI. It is refused or dropped, and the edge goes on.
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fuzz, fuzzing } from "../support/fuzz.ts";
import { packetLimit } from "../../edge-sim/eventbus/packet-limit.ts";
import { decodeDmi, encodeDmi } from "../../protocol/dmi/messages.ts";
import type { Device, DeviceModel } from "../../protocol/apis/device.ts";
import { deviceMessage } from "../../protocol/dmi/device.ts";
import type { Message } from "../../protocol/message/message.ts";
import { twinsOf } from "../support/twins.ts";

const id = "default/d";

const name = fc.constantFrom("t", "u", "__proto__", "constructor", "a b", "");
const side = fc.oneof(
  fc.record({ value: fc.oneof(fc.constantFrom("1", "", "warm", "21 °"), fc.jsonValue()) }, { requiredKeys: [] }),
  fc.jsonValue({ maxDepth: 1 }),
);
const twin = fc.oneof(
  fc.record({
    expected: side,
    actual: side,
    optional: fc.oneof(fc.boolean(), fc.jsonValue({ maxDepth: 0 })),
    metadata: fc.oneof(
      fc.record({ type: fc.constantFrom("int", "string", "deleted", "x", "") }),
      fc.jsonValue({ maxDepth: 1 }),
    ),
    expected_version: fc.oneof(fc.record({ cloud: fc.nat(3), edge: fc.nat(3) }), fc.jsonValue({ maxDepth: 1 })),
    actual_version: fc.oneof(fc.record({ cloud: fc.nat(3), edge: fc.nat(3) }), fc.jsonValue({ maxDepth: 1 })),
  }, { requiredKeys: [] }),
  fc.jsonValue({ maxDepth: 2 }),
);
// With __proto__ as a field of its own, as JSON.parse makes it.
const twins = fc.array(fc.tuple(name, twin), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
const update = fc.oneof(
  fc.record({ event_id: fc.jsonValue({ maxDepth: 0 }), timestamp: fc.integer(), twin: twins }, {
    requiredKeys: ["twin"],
  }),
  fc.jsonValue({ maxDepth: 3 }),
);

function world(isV11 = false) {
  const made = twinsOf("edge-0", { isV11 });
  made.says("membership", { added_devices: [{ id: isV11 ? "d" : id, name: "d" }], removed_devices: null });
  return made;
}

test("whatever mappers publish, an edge answers in JSON or not at all, and its rows are what it could read again", async () => {
  const ask = fc.constantFrom("twin/update", "twin/get", "twin/cloud_updated", "state/update", "twin/x", "");
  const topic = fc.oneof(
    ask.map((what) => `$hw/events/device/${id}/${what}`),
    fc.constant("$hw/events/node/edge-0/membership/get"),
    fc.string({ maxLength: 30 }).map((rest) => `$hw/events/device/${rest}`),
  );
  const payload = fc.oneof(update.map((content) => JSON.stringify(content)), fc.string(), fc.json());
  await fuzz(
    "mqtt-publish",
    fc.property(fc.array(fc.tuple(topic, payload), { maxLength: 5 }), (published) => {
      const { heard, store, twin } = world();
      for (const [on, what] of published) twin.onPublish(on, what);
      heard("");
      const rows = [...store.entries("devicetwin")].map(([, row]) => JSON.parse(JSON.stringify(row)));
      expect(rows).toHaveLength(1);
      const again = twinsOf("edge-0", { store });
      expect(again.twin.devices()).toEqual([id]);
    }),
    fuzzing,
  );
});

test.each([false, true])("whatever the cloud sends to the twin (v1.1: %s), it is dropped or taken", async (isV11) => {
  const resource = fc.constantFrom(
    "membership",
    "membership/detail",
    `device/d/twin/cloud_updated`,
    "device/x/twin/cloud_updated",
    "x",
  );
  const device = fc.oneof(
    fc.record({ id: fc.constantFrom("d", "e"), name: fc.constant("d"), twin: twins }),
    fc.jsonValue(),
  );
  const devices = fc.oneof(fc.array(device, { maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }));
  const content = fc.oneof(
    fc.record({ added_devices: devices, removed_devices: devices, devices, twin: twins }, { requiredKeys: [] }),
    update,
  );
  await fuzz(
    "twin-message",
    fc.property(fc.array(fc.tuple(resource, content), { maxLength: 5 }), (messages) => {
      const { devices, twin } = world(isV11);
      for (const [on, what] of messages) {
        const header = { msg_id: "m", timestamp: 0 };
        const route = { source: "devicecontroller", group: "twin", operation: "update", resource: on };
        twin.receive({ header, route, content: JSON.parse(JSON.stringify(what)) } as Message);
      }
      for (const known of devices.all()) expect(devices.stateOf(known)).toBeDefined();
    }),
    fuzzing,
  );
});

/** What the library says of bytes or values that fit no message; another error is a crash, which gRPC would tell in the same way. */
function refusesOf(error: unknown): void {
  const { constructor, message } = error as Error;
  // protobufjs' own words, and ours for lists and objects where a mapper's configuration has values.
  if (constructor === TypeError) expect(message).toMatch(/ expected$|ZZ/);
  else expect([Error, RangeError]).toContain(constructor);
}

test("whatever a Device or a model holds, a mapper makes of it what it can, and DMI a message or an error", async () => {
  const property = fc.oneof(
    fc.record({
      name: fc.oneof(name, fc.jsonValue()),
      desired: fc.oneof(side, fc.constant(null)),
      reportCycle: fc.jsonValue({ maxDepth: 0 }),
      reportToCloud: fc.jsonValue({ maxDepth: 0 }),
      visitors: fc.jsonValue({ maxDepth: 3 }),
      type: fc.constantFrom("INT", "FLOAT", "x"),
      minimum: fc.jsonValue({ maxDepth: 0 }),
      maximum: fc.jsonValue({ maxDepth: 0 }),
    }, { requiredKeys: [] }),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const spec = fc.oneof(
    fc.record({
      properties: fc.oneof(fc.array(property, { maxLength: 3 }), fc.jsonValue({ maxDepth: 1 })),
      deviceModelRef: fc.oneof(fc.constant({ name: "m" }), fc.jsonValue({ maxDepth: 1 })),
      protocol: fc.jsonValue({ maxDepth: 3 }),
    }, { requiredKeys: [] }),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const metadata = { name: "d", namespace: "default" };
  await fuzz(
    "device",
    fc.property(spec, spec, (ofDevice, ofModel) => {
      const { clock, mapper } = world();
      const device = { metadata, spec: ofDevice } as unknown as Device;
      const model = { metadata: { ...metadata, name: "m" }, spec: ofModel } as unknown as DeviceModel;
      mapper.putDeviceModel(model);
      mapper.registerDevice(device);
      clock.advance(3000);
      try {
        encodeDmi("RegisterDeviceRequest", { device: deviceMessage(device, model) });
      } catch (error) {
        refusesOf(error);
      }
      mapper.stop();
    }),
    fuzzing,
  );
});

test("bytes that are no DMI message are refused with an error", async () => {
  await fuzz(
    "dmi",
    fc.property(
      fc.constantFrom("MapperRegisterRequest", "ReportDeviceStatusRequest", "RegisterDeviceRequest"),
      fc.uint8Array(),
      (message, bytes) => {
        try {
          encodeDmi(message, decodeDmi(message, bytes));
        } catch (error) {
          refusesOf(error);
        }
      },
    ),
    fuzzing,
  );
});

test("packets pass the limit however they are cut into pieces, as long as none is longer than it", async () => {
  const limit = 300;
  await fuzz(
    "mqtt-packets",
    fc.property(
      fc.array(fc.nat(400), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (lengths, cuts) => {
        const bytes = Buffer.concat(lengths.map((length) => {
          const header = [0x30];
          let rest = length;
          do {
            header.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
            rest >>= 7;
          } while (rest > 0);
          return Buffer.concat([Buffer.from(header), Buffer.alloc(length, 0xff)]);
        }));
        const socket = Object.assign(new EventEmitter(), {
          destroyed: false,
          destroy: () => void (socket.destroyed = true),
        });
        packetLimit(socket as unknown as Socket, limit);
        for (let at = 0, i = 0; at < bytes.length && !socket.destroyed; i++) {
          const cut = cuts[i % cuts.length] as number;
          socket.emit("data", bytes.subarray(at, at + cut));
          at += cut;
        }
        expect(socket.destroyed).toBe(lengths.some((length) => length > limit));
      },
    ),
    fuzzing,
  );
});
