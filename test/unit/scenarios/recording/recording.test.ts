import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { HopRecord } from "../../../../base/hop/hop.ts";
import { encodeMessage } from "../../../../protocol/message/codec.ts";
import { hopOf } from "../../../../protocol/message/hops.ts";
import { type NewMessage, newMessage } from "../../../../protocol/message/message.ts";
import { diffRecordings } from "../../../../scenarios/recording/diff.ts";
import { headerLine, readRecording, RecordingWriter } from "../../../../scenarios/recording/format.ts";
import { judgeRecording } from "../../../../scenarios/recording/judge.ts";

const folder = mkdtempSync(join(tmpdir(), "skep-recording-"));
afterAll(() => rmSync(folder, { recursive: true }));
const captured = (name: string) => fileURLToPath(new URL(`../../../wire/${name}`, import.meta.url));

let time = 1000;
/** A message as it was written, or read. */
function wire(
  name: "hub.write" | "hub.read" | "edge.store" | "hub.ack",
  what: Partial<NewMessage> & { id?: string } = {},
): HopRecord {
  const { id, ...route } = what;
  const made = newMessage(time, {
    source: "edgecontroller",
    group: "resource",
    operation: "update",
    resource: "default/configmap/app",
    ...route,
  });
  const message = id === undefined ? made : { ...made, header: { ...made.header, msg_id: id } };
  const direction = name === "hub.read" ? "up" : "down";
  return hopOf(message, { time: time++, hop: name, direction, node: "gw-0", text: encodeMessage(message) });
}
const update = (version: string, value: string, uid = "u") =>
  wire("hub.write", {
    version,
    content: { metadata: { name: "app", uid, resourceVersion: version }, data: { value } },
  });

describe("a recording", () => {
  test.each(["plain.jsonl", "packed.jsonl.gz"])("in %s is read as it was written", async (name) => {
    const file = join(folder, name);
    const writer = new RecordingWriter(file, "a test", true);
    const hops = [update("1", "ünïcode"), wire("hub.ack")];
    for (const hop of hops) writer.write(hop);
    await writer.close();
    const read = await readRecording(file);
    expect(read.header).toMatchObject({ skep: "recording", version: 1, of: "a test", isMasked: true });
    expect(read.hops).toEqual(hops);
    if (name.endsWith(".gz")) expect(readFileSync(file)[0]).toBe(0x1f);
  });

  test("is read as far as its limits go: a longer line, or one more hop, is an error that says so", async () => {
    const file = join(folder, "limits.jsonl");
    const writer = new RecordingWriter(file, "a test", true);
    for (let i = 0; i < 5; i++) writer.write(update(String(i), "x".repeat(100_000)));
    await writer.close();
    expect((await readRecording(file, { recordingHops: 5, recordingLine: 200_000 })).hops).toHaveLength(5);
    await expect(readRecording(file, { recordingHops: 4, recordingLine: 200_000 })).rejects.toThrow(
      /line 6: it has more than 4 hops/,
    );
    await expect(readRecording(file, { recordingHops: 5, recordingLine: 100_000 })).rejects.toThrow(
      /line 1: a line has more than 100000 characters/,
    );
  });

  test.each([
    ["no recording", '{"a":1}\n', /line 1: it is no recording/],
    ["another version", '{"skep":"recording","version":2}\n', /version 2; this skep reads version 1/],
    ["a hop that is none", `${headerLine("x", true, 0)}{"time":"soon"}\n`, /line 2: time must be a number/],
    ["broken JSON", `${headerLine("x", true, 0)}{"time":\n`, /line 2: /],
    ["nothing", "", /it is empty/],
  ])("that is %s is refused with its line", async (_what, text, reason) => {
    const file = join(folder, "bad.jsonl");
    writeFileSync(file, text);
    await expect(readRecording(file)).rejects.toThrow(reason);
  });

  test("that can't be written says so", async () => {
    const writer = new RecordingWriter(join(folder, "no", "such", "folder.jsonl"), "x", true);
    writer.write(update("1", "a"));
    await expect(writer.close()).rejects.toThrow(/the recording can't be written: .*ENOENT/);
  });

  test.each(["captured-v1.23.jsonl", "captured-v1.1.jsonl", "captured-behaviours.jsonl"])(
    "may be a capture of the real programs: %s is listed and judged, and differs in nothing from itself",
    async (name) => {
      const { hops } = await readRecording(captured(name));
      expect(hops.filter(({ hop }) => hop === "proxy.up").length).toBeGreaterThan(20);
      expect(hops.filter(({ hop }) => hop === "proxy.down").length).toBeGreaterThan(10);
      expect(judgeRecording(hops).filter(({ verdict }) => verdict === "broken")).toEqual([]);
      expect(diffRecordings(hops, hops).differences).toEqual([]);
    },
  );
});

describe("a difference", () => {
  const kinds = (a: readonly HopRecord[], b: readonly HopRecord[]) =>
    diffRecordings(a, b).differences.map(({ kind, message }) => `${kind} ${message}`);

  test("is no other id, version or time", () => {
    const once = (version: string, at: string) => {
      const content = { metadata: { name: "app", uid: version, resourceVersion: version, creationTimestamp: at } };
      return [wire("hub.write", { version, content })];
    };
    expect(kinds(once("1", "2026-01-01T00:00:00Z"), once("99", "2027-05-06T07:08:09Z"))).toEqual([]);
  });

  test("is a message that is missing, or additional", () => {
    const pod = wire("hub.write", { resource: "default/pod/web", operation: "insert" });
    expect(kinds([update("1", "a"), pod], [update("1", "a")])).toEqual(["missing down insert default/pod/web"]);
    expect(kinds([update("1", "a")], [update("1", "a"), pod])).toEqual(["additional down insert default/pod/web"]);
  });

  test("is another content, with what differs", () => {
    const { differences } = diffRecordings([update("1", "a")], [update("1", "b")]);
    expect(differences).toHaveLength(1);
    expect(differences[0]?.details.join("\n")).toMatch(/data\.value: expected "a", found "b"/);
  });

  test("is another order of what is about one object; different objects may cross", () => {
    const remove = wire("hub.write", { operation: "delete" });
    expect(kinds([update("1", "a"), remove], [remove, update("1", "a")])).toEqual([
      "order down update default/configmap/app",
    ]);
    const other = wire("hub.write", { resource: "default/secret/s" });
    expect(kinds([update("1", "a"), other], [other, update("1", "a")])).toEqual([]);
  });

  test("is no other number of leases, unless that is asked for; a resend is no message", () => {
    const lease = () =>
      wire("hub.read", { operation: "update", resource: "kube-node-lease/lease/gw-0", group: "meta" });
    const [a, b] = [[lease()], [lease(), lease()]];
    expect(diffRecordings(a, b)).toMatchObject({ differences: [], periodic: ["up update kube-node-lease/lease/gw-0"] });
    expect(diffRecordings(a, b, { isStrict: true }).differences).toHaveLength(1);
    const resent = update("1", "a");
    expect(kinds([resent], [resent, { ...resent, attempt: 2 }])).toEqual([]);
  });
});

describe("a judge of a recording alone", () => {
  const broken = (hops: readonly HopRecord[]) =>
    judgeRecording(hops).filter(({ verdict }) => verdict === "broken").map(({ details, name }) =>
      `${name}: ${details[0]}`
    );
  const acked = (...messages: HopRecord[]) => [
    ...messages,
    ...messages.map(({ id }) => wire("hub.read", { operation: "response", parent: id })),
  ];

  test("finds nothing in a good history", () => {
    const first = update("1", "a");
    const second = update("2", "b");
    expect(broken(acked(first, second))).toEqual([]);
  });

  const report = (hop: "edge.write" | "kube.write", id: string, outcome = "") =>
    hopOf(
      { header: { msg_id: id }, route: { operation: "update", resource: "device/default/d/twin/edge_updated" } },
      { time: time++, hop, direction: "up", node: "gw-0", outcome },
    );
  const stored = (id: string) => report("kube.write", id, "stored in the DeviceStatus");
  const later = () => {
    time += 10_000;
    return hopOf({ header: { msg_id: "" }, route: {} }, { time, hop: "edge.read", direction: "down", node: "gw-1" });
  };

  test("finds reports that are stored in another order, and a last one that never is", () => {
    const [a, b] = [report("edge.write", "a"), report("edge.write", "b")];
    expect(broken([a, stored("a"), b, stored("b"), later()])).toEqual([]);
    expect(broken([a, b, stored("b"), stored("a"), later()])).toEqual([
      "reports of a device are stored in their order, the last one always: device/default/d/twin/edge_updated: the report a was stored after a later one",
    ]);
    expect(broken([a, stored("a"), b, later()])[0]).toMatch(/the last report \(b\) was never stored/);
    const lost = hopOf({ header: { msg_id: "" }, route: {} }, {
      time: time++,
      hop: "hub.disconnect",
      direction: "up",
      node: "gw-0",
    });
    expect(broken([a, stored("a"), b, lost, later()])).toEqual([]);
  });

  test("finds a device that did not take what was last desired of it", () => {
    const sent = (value: string) => {
      const content = {
        metadata: { uid: "u" },
        spec: { nodeName: "gw-0", properties: [{ name: "t", desired: { value } }] },
      };
      const message = newMessage(time, {
        source: "devicecontroller",
        group: "resource",
        operation: "update",
        resource: "default/device/d",
        content,
      });
      const at = { time: time++, hop: "edge.read", direction: "down", node: "gw-0" } as const;
      return hopOf(message, { ...at, text: encodeMessage(message) });
    };
    const taken = (outcome: string) =>
      hopOf({ header: { msg_id: "" }, route: { operation: "apply", resource: "device/default/d/t" } }, {
        time: time++,
        hop: "device.apply",
        direction: "down",
        node: "gw-0",
        outcome,
      });
    expect(broken([sent("1"), taken("1"), sent("2"), taken("2"), later()])).toEqual([]);
    expect(broken([sent("1"), taken("1"), sent("2"), later()])).toEqual([
      "a device takes the value that was last desired of it: default/d was last asked for t 2, and took 1",
    ]);
  });

  test("finds a version that goes backwards", () => {
    expect(broken(acked(update("2", "b"), update("1", "a")))).toEqual([
      "no version went backwards: gw-0 got default/configmap/app at 1 after 2",
    ]);
  });

  const connect = (hop: "hub.connect" | "edge.disconnect", outcome = "") =>
    hopOf({ header: { msg_id: "" }, route: {} }, { time: time++, hop, direction: "up", node: "gw-0", outcome });

  test("lets an edge come to a cloudcore that is behind, which must then send it the newest again", () => {
    const left = [update("2", "b"), connect("hub.connect"), update("1", "a")];
    expect(broken(acked(...left))).toEqual([
      "no version went backwards: gw-0 is left with default/configmap/app at 1, and had 2 before",
    ]);
    expect(broken(acked(...left, update("2", "b")))).toEqual([]);
  });

  test("looks for nothing older than a deletion, whether it has a version or none", () => {
    const gone = (version: string) =>
      wire("hub.write", { operation: "delete", ...(version === "" ? {} : { version }) });
    expect(broken(acked(update("9", "b", "one"), gone("9"), update("1", "a", "two")))).toEqual([]);
    const behind = [update("7", "b"), connect("hub.connect"), update("5", "a"), gone("")];
    expect(broken(acked(...behind))).toEqual([]);
  });

  test("blames nobody for what a killed cloudcore has not told of", () => {
    const sent = update("1", "a");
    const ended = connect("edge.disconnect", "the connection ended");
    const later = { ...wire("hub.ack"), time: time + 5000 };
    expect(broken([sent, ended, later])).toEqual([]);
    // Hops of several processes come in batches.
    expect(broken([ended, sent, later])).toEqual([]);
    expect(broken([sent, { ...ended, outcome: "closed here" }, later])).toHaveLength(1);
  });

  test("lets another object of the same name begin anew", () => {
    expect(broken(acked(update("9", "b", "one"), wire("hub.write", { operation: "delete" }), update("1", "a", "two"))))
      .toEqual([]);
  });

  test("finds an object that comes back after its deletion", () => {
    const content = { metadata: { name: "app", uid: "u" } };
    const found = broken(
      acked(update("1", "a"), wire("hub.write", { operation: "delete", content }), update("2", "b")),
    );
    expect(found).toEqual([
      "a deleted object stays deleted: gw-0 got default/configmap/app again after its deletion (uid u)",
    ]);
  });

  test("finds a pod that is sent to a node that doesn't own it", () => {
    const content = { metadata: { name: "web", uid: "p" }, spec: { nodeName: "gw-1" } };
    const found = broken(acked(wire("hub.write", { resource: "default/pod/web", operation: "insert", content })));
    expect(found).toEqual([
      "nothing was delivered to a node that doesn't own it: gw-0 got default/pod/web, which is bound to gw-1",
    ]);
  });

  test("finds a message that was never acknowledged, unless a newer one took its place", () => {
    const lost = update("1", "a");
    // The last one of a recording may still be under way.
    expect(broken([lost])).toEqual([]);
    const end = { ...wire("hub.ack"), time: time + 5000 };
    expect(broken([lost, end])).toEqual([
      `every message was acknowledged, or replaced, by the end: gw-0 has not acknowledged update default/configmap/app (${lost.id})`,
    ]);
    expect(broken([lost, ...acked(update("2", "b")), end])).toEqual([]);
  });

  test("finds an acknowledgement of what was not stored", () => {
    const message = update("1", "a");
    const store = { ...message, hop: "edge.store" };
    const ack = { ...message, hop: "hub.ack" };
    const answer = wire("hub.read", { operation: "response", parent: message.id });
    expect(broken([message, store, answer, ack])).toEqual([]);
    const other = { ...update("3", "c"), hop: "edge.store" };
    expect(broken([message, other, answer, ack])[0]).toMatch(
      /^what is acknowledged has been stored: gw-0 acknowledged/,
    );
  });

  test("says what it could not judge", () => {
    expect(judgeRecording([]).every(({ verdict }) => verdict === "not judged")).toBe(true);
  });
});
