import { describe, expect, test } from "vitest";
import { Lane, type LaneItem } from "../../../../cloud/cloudhub/session/lane.ts";
import { newMessage } from "../../../../protocol/message/message.ts";

const limits = { window: 4, windowBytes: 500, messages: 10, bytes: 1000 };
let ids = 0;

function item(
  path: string,
  version: string,
  more: Partial<LaneItem> & { operation?: string; parent?: string; model?: string } = {},
): LaneItem {
  const { operation = "update", parent, model, ...rest } = more;
  const uid = rest.uid ?? `uid-of-${path}`;
  const spec = model === undefined ? {} : { spec: { deviceModelRef: { name: model } } };
  return {
    message: newMessage(ids++, {
      source: "edgecontroller",
      group: "resource",
      operation,
      resource: path,
      version,
      ...(parent === undefined ? {} : { parent }),
    }),
    object: { metadata: { name: "x", uid }, ...spec },
    uid,
    since: 0,
    bytes: 10,
    recorded: true,
    sentAt: 0,
    attempts: 0,
    ...rest,
  };
}

const take = (lane: Lane) =>
  [...lane.take(1)].map(({ message }) =>
    `${message.route.operation} ${message.route.resource} ${message.header.resourceversion ?? ""}`.trim()
  );

describe("what is offered", () => {
  test("goes in order", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/pod/a", "1"));
    lane.offer(item("d/pod/b", "2"));
    expect(take(lane)).toEqual(["update d/pod/a 1", "update d/pod/b 2"]);
  });

  test("a newer version takes the place of a waiting one of the same object", () => {
    const lane = new Lane({ ...limits, window: 1 });
    lane.offer(item("d/pod/x", "1"));
    take(lane);
    const old = item("d/configmap/a", "2");
    lane.offer(old);
    lane.offer(item("d/pod/b", "3"));
    const result = lane.offer(item("d/configmap/a", "4"));
    expect(result).toMatchObject({ offer: "replaced", replaced: old });
    expect(lane.waiting).toBe(2);
    expect(lane.bytes).toBe(20);
  });

  test.each([["2"], ["1"]])("a version that is not newer than the one under way (%s after 2) is stale", (version) => {
    const lane = new Lane(limits);
    lane.offer(item("d/pod/a", "2"));
    take(lane);
    expect(lane.offer(item("d/pod/a", version)).offer).toBe("stale");
  });

  test("a deletion takes the place of what waits, is never replaced, and the next object comes after it", () => {
    const lane = new Lane({ ...limits, window: 1 });
    lane.offer(item("d/pod/other", "1"));
    const [other] = [...lane.take(1)];
    lane.offer(item("d/pod/a", "2", { uid: "first" }));
    lane.offer(item("d/pod/a", "", { uid: "first", operation: "delete" }));
    expect(lane.offer(item("d/pod/a", "3", { uid: "first" })).offer).toBe("stale");
    lane.offer(item("d/pod/a", "4", { uid: "second", operation: "insert" }));
    lane.acknowledge(other?.message.header.msg_id ?? "");
    const [deletion] = [...lane.take(1)];
    expect(deletion?.message.route.operation).toBe("delete");
    lane.acknowledge(deletion?.message.header.msg_id ?? "");
    expect(take(lane)).toEqual(["insert d/pod/a 4"]);
  });

  test("answers are never displaced: none replaces another or is stale", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/configmap/a", "2"));
    take(lane);
    expect(lane.offer(item("d/configmap/a", "2", { operation: "response", parent: "q1" })).offer).toBe("queued");
    expect(lane.offer(item("d/configmap/a", "2", { operation: "response", parent: "q2" })).offer).toBe("queued");
  });

  test("beyond the bound, by number or by bytes, is refused; a single large object still goes", () => {
    const lane = new Lane({ window: 1, windowBytes: 1000, messages: 2, bytes: 1000 });
    expect(lane.offer(item("d/pod/a", "1", { bytes: 5000 })).offer).toBe("queued");
    expect(lane.offer(item("d/pod/b", "1")).offer).toBe("full");
    take(lane);
    expect(lane.offer(item("d/pod/b", "1")).offer).toBe("queued");
    expect(lane.offer(item("d/pod/c", "1")).offer).toBe("queued");
    expect(lane.offer(item("d/pod/d", "1")).offer).toBe("full");
  });
});

describe("what may go", () => {
  test("no more than the window, and messages without acknowledgement count too", () => {
    const lane = new Lane(limits);
    for (const name of ["a", "b", "c", "d", "e"]) lane.offer(item(`d/pod/${name}`, "1"));
    lane.wroteUnanswered();
    lane.wroteUnanswered();
    expect(take(lane)).toHaveLength(2);
    expect(lane.inFlight).toBe(2);
  });

  test("one message at least, however much went out unanswered", () => {
    const lane = new Lane(limits);
    for (let i = 0; i < 50; i++) lane.wroteUnanswered();
    lane.offer(item("d/pod/a", "1"));
    expect(take(lane)).toEqual(["update d/pod/a 1"]);
  });

  test("one of a path at a time; others pass it", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/pod/a", "1", { uid: "old", operation: "delete" }));
    lane.offer(item("d/pod/a", "2", { uid: "new", operation: "insert" }));
    lane.offer(item("d/pod/b", "3"));
    const first = [...lane.take(1)];
    expect(first.map((i) => i.message.route.resource)).toEqual(["d/pod/a", "d/pod/b"]);
    expect(take(lane)).toEqual([]);
    expect(lane.acknowledge(first[0]?.message.header.msg_id ?? "")).toBe(first[0]);
    expect(take(lane)).toEqual(["insert d/pod/a 2"]);
  });

  test("not before there is a record, and what follows on its path waits too", () => {
    const lane = new Lane(limits);
    const unrecorded = item("d/pod/a", "1", { recorded: false });
    lane.offer(unrecorded);
    lane.offer(item("d/pod/a", "2", { uid: "another" }));
    lane.offer(item("d/pod/b", "3"));
    expect(take(lane)).toEqual(["update d/pod/b 3"]);
    unrecorded.recorded = true;
    expect(take(lane)).toEqual(["update d/pod/a 1"]);
  });

  test("a device after its model, other devices before", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/devicemodel/m", "1", { recorded: false }));
    lane.offer(item("d/device/of-m", "2", { model: "m" }));
    lane.offer(item("d/device/of-n", "3", { model: "n" }));
    expect(take(lane)).toEqual(["update d/device/of-n 3"]);
  });

  test("an acknowledgement opens the window for what went out before it", () => {
    const lane = new Lane({ ...limits, window: 2 });
    for (const name of ["a", "b", "c"]) lane.offer(item(`d/pod/${name}`, "1"));
    const [first] = [...lane.take(1)];
    expect(lane.inFlight).toBe(2);
    lane.acknowledge(first?.message.header.msg_id ?? "");
    expect(take(lane)).toEqual(["update d/pod/c 1"]);
    expect(lane.acknowledge("unknown")).toBeUndefined();
  });
});

describe("a version that is never acknowledged", () => {
  const idOf = (sent: LaneItem | undefined) => sent?.message.header.msg_id ?? "";

  test("makes room for a newer one that waits, and stays while nothing does", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/pod/a", "1"));
    const [sent] = [...lane.take(1)];
    expect(lane.giveUp(idOf(sent))).toBe("stays");
    lane.offer(item("d/pod/a", "2"));
    expect(lane.giveUp(idOf(sent))).toBe("superseded");
    expect(take(lane)).toEqual(["update d/pod/a 2"]);
  });

  test("is dropped if it is an answer: who asked has given up", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/configmap/a", "1", { operation: "response", parent: "x" }));
    const [sent] = [...lane.take(1)];
    lane.offer(item("d/configmap/a", "2"));
    expect(lane.giveUp(idOf(sent))).toBe("unanswered");
    expect(take(lane)).toEqual(["update d/configmap/a 2"]);
  });

  test("does not hold up a narrow window, and keeps its place before what waits of its path", () => {
    const lane = new Lane({ ...limits, window: 1 });
    lane.offer(item("d/pod/a", "1", { operation: "delete" }));
    const [sent] = [...lane.take(1)];
    lane.offer(item("d/pod/b", "2"));
    lane.offer(item("d/pod/a", "3", { uid: "new" }));
    expect(lane.giveUp(idOf(sent))).toBe("set back");
    expect(lane.bytes).toBe(30);
    const [next] = [...lane.take(1)];
    expect(next?.message.route.resource).toBe("d/pod/b");
    lane.acknowledge(idOf(next));
    expect(take(lane)).toEqual(["delete d/pod/a 1"]);
    lane.acknowledge(idOf(sent));
    expect(take(lane)).toEqual(["update d/pod/a 3"]);
  });
});

describe("a device that leaves its node and comes back", () => {
  test("takes the place of its deletion while that waits", () => {
    const lane = new Lane({ ...limits, window: 1 });
    lane.offer(item("d/pod/x", "1"));
    take(lane);
    lane.offer(item("d/device/a", "2", { operation: "delete" }));
    expect(lane.hasDeletionOf("uid-of-d/device/a")).toBe(true);
    const back = item("d/device/a", "2", { operation: "insert", recorded: false });
    expect(lane.offer(back)).toMatchObject({ offer: "replaced" });
    expect(back.recorded).toBe(false);
    expect(lane.hasDeletionOf("uid-of-d/device/a")).toBe(false);
  });

  test("waits behind its deletion once that is under way; a pod's deletion is the end", () => {
    const lane = new Lane(limits);
    lane.offer(item("d/device/a", "2", { operation: "delete" }));
    lane.offer(item("d/pod/a", "2", { operation: "delete" }));
    const [deletion] = [...lane.take(1)];
    expect(lane.offer(item("d/device/a", "2", { operation: "insert" }))).toMatchObject({ offer: "queued" });
    expect(lane.offer(item("d/pod/a", "3", { operation: "insert" }))).toMatchObject({ offer: "stale" });
    expect(take(lane)).toEqual([]);
    lane.acknowledge(deletion?.message.header.msg_id ?? "");
    expect(take(lane)).toEqual(["insert d/device/a 2"]);
  });
});

test("bytes in flight are bounded as messages are; one message always may go", () => {
  const lane = new Lane(limits);
  for (const name of ["a", "b"]) lane.offer(item(`d/configmap/${name}`, "1", { bytes: 300 }));
  const [first] = [...lane.take(1)];
  expect(lane.inFlight).toBe(1);
  lane.acknowledge(first?.message.header.msg_id ?? "");
  expect(take(lane)).toEqual(["update d/configmap/b 1"]);
});
