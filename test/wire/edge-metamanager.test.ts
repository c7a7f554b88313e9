// MetaManager and edged of an edge, message by message: what is stored, what is acknowledged and how, what is asked and when.
import { describe, expect, test } from "vitest";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import type { EdgeTimings } from "../../edge-sim/timings/timings.ts";
import { encodeMessage } from "../../protocol/message/codec.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { connectedEdge } from "../support/fake-cloud.ts";
import { until } from "../support/until.ts";

interface Sent {
  readonly operation: string;
  readonly resource: string;
  readonly source?: string;
  readonly group?: string;
  readonly content?: unknown;
}

/** An edge, what it says, and a cloud that answers what `answer` says. */
async function edgeOf(answer: (request: Message) => unknown = () => undefined, timings: Partial<EdgeTimings> = {}) {
  const heard = (message: Message, socket: MessageSocket) => {
    const content = answer(message);
    if (content === undefined) return;
    const route = { ...message.route, source: "edgecontroller", group: "resource", operation: "response" };
    socket.send(encodeMessage({
      header: { msg_id: `to-${message.header.msg_id}`, parent_msg_id: message.header.msg_id, timestamp: 0 },
      route,
      content,
    }));
  };
  const fake = await connectedEdge({ timings: { reconnectWait: 20, dialRetry: 20, ...timings }, heard });
  const { said } = fake;
  const send = ({ content = null, group = "resource", operation, resource, source = "edgecontroller" }: Sent) => {
    const message = newMessage(0, { source, group, operation, resource, content });
    fake.send(message);
    return message;
  };
  const answersTo = (message: Message) => said.filter(({ header }) => header.parent_msg_id === message.header.msg_id);
  return {
    edge: fake.edge,
    said,
    send,
    answersTo,
    /** What comes after it has been dealt with, too, when this has been answered. */
    async settled() {
      const last = send({ operation: "insert", resource: "default/configmap/last", content: object("last") });
      await until("the last is acknowledged", () => answersTo(last).length > 0);
    },
    raw: fake.raw,
    drop: fake.drop,
    of: (operation: string, resource: string) =>
      said.filter(({ route }) => route.operation === operation && route.resource === resource),
  };
}

const object = (name: string, uid = `uid-${name}`, more: object = {}) => ({
  metadata: { name, namespace: "default", uid, resourceVersion: "1" },
  ...more,
});
const node = { metadata: { name: "edge-0", uid: "node-uid", resourceVersion: "5" } };
const ok = { Object: node, Err: null };

describe("what the cloud sends is stored", () => {
  test.each(["edgecontroller", "dynamiccontroller", "devicecontroller", "policycontroller"])(
    "and an update of %s acknowledged with OK, by its own source, group and resource",
    async (source) => {
      const { answersTo, edge, send } = await edgeOf();
      const message = send({ operation: "update", resource: "default/configmap/a", source, content: object("a") });
      const ack = await until("the acknowledgement", () => answersTo(message)[0]);
      expect(ack).toMatchObject({
        route: { source, group: "resource", operation: "response", resource: "default/configmap/a" },
        content: "OK",
      });
      expect(ack.header.msg_id).not.toBe(message.header.msg_id);
      expect(edge.store.get("default/configmap/a")).toEqual(object("a"));
    },
  );

  test("an update of anybody else is not acknowledged; an insert of anybody is", async () => {
    const { answersTo, edge, send, settled } = await edgeOf();
    const update = send({
      operation: "update",
      resource: "default/secret/s",
      source: "synccontroller",
      content: object("s"),
    });
    const insert = send({
      operation: "insert",
      resource: "default/secret/t",
      source: "synccontroller",
      content: object("t"),
    });
    await settled();
    expect([answersTo(update).length, answersTo(insert).length]).toEqual([0, 1]);
    expect([edge.store.get("default/secret/s"), edge.store.get("default/secret/t")]).toEqual([
      object("s"),
      object("t"),
    ]);
  });

  test("inserts and deletions of DeviceController are acknowledged from the twin's side, updates from their own", async () => {
    const { answersTo, send, settled } = await edgeOf();
    const sent = ["insert", "update", "delete"].map((operation) =>
      send({
        operation,
        resource: "default/device/d",
        source: "devicecontroller",
        content: object("d", "u", { spec: {} }),
      })
    );
    await settled();
    expect(sent.map((message) => answersTo(message).map(({ route }) => `${route.source}/${route.group}`))).toEqual([
      ["meta/twin"],
      ["devicecontroller/resource"],
      ["meta/twin"],
    ]);
  });

  test("a deletion takes other kinds by their name, a pod only by its uid or without one; it is acknowledged either way", async () => {
    const { answersTo, edge, send, settled } = await edgeOf();
    const pod = (uid: string) => object("p", uid, { spec: { nodeName: "edge-0", containers: [] } });
    send({ operation: "insert", resource: "default/pod/p", content: pod("new") });
    send({ operation: "insert", resource: "default/configmap/c", content: object("c", "new") });
    const sent = [
      send({ operation: "delete", resource: "default/pod/p", content: pod("old") }),
      send({ operation: "delete", resource: "default/configmap/c", content: object("c", "old") }),
    ];
    await settled();
    expect(sent.map((message) => answersTo(message).length)).toEqual([1, 1]);
    expect(edge.store.get("default/pod/p")?.metadata.uid).toBe("new");
    expect(edge.store.get("default/configmap/c")).toBeUndefined();
    send({ operation: "delete", resource: "default/pod/p", content: object("p", "") });
    await settled();
    expect(edge.store.get("default/pod/p")).toBeUndefined();
  });

  test("what is no object is refused with an error that names the message, and nothing is stored", async () => {
    const { answersTo, edge, send } = await edgeOf();
    const message = send({ operation: "update", resource: "default/configmap/a", content: "text" });
    const refusal = await until("the refusal", () => answersTo(message)[0]);
    expect(refusal.route).toEqual({
      source: "metamanager",
      group: "resource",
      operation: "error",
      resource: "default/configmap/a",
    });
    expect(edge.store.get("default/configmap/a")).toBeUndefined();
  });

  test("answers without a waiting request, unknown groups, operations and invalid messages are ignored; the connection stays", async () => {
    const { edge, raw, said, send, settled } = await edgeOf();
    const before = edge.hub.connections;
    const strange = [
      send({ operation: "patch", resource: "default/configmap/a", content: object("a") }),
      send({ operation: "insert", resource: "default/configmap/a", group: "strangers", content: object("a") }),
      newMessage(0, {
        source: "edgecontroller",
        group: "resource",
        operation: "response",
        resource: "x",
        parent: "none",
      }),
    ];
    raw(encodeMessage(strange[2] as Message));
    raw("no JSON");
    raw(`{"header":{},"route":{},"content":null}`);
    await settled();
    const ids = strange.map(({ header }) => header.msg_id);
    expect(said.filter(({ header }) => ids.includes(header.parent_msg_id ?? ""))).toEqual([]);
    expect(edge.hub.connections).toBe(before);
  });
});

describe("what an edge asks", () => {
  const answered = ({ route: { operation, resource = "" } }: Message) => {
    if (operation === "insert" && resource === "null/node/edge-0") return ok;
    if (resource.includes("nodepatch") || resource.includes("lease")) return ok;
    return undefined;
  };

  test("at its start: a heartbeat and the question for its devices first, its Node, the Node's status, its lease", async () => {
    const { of, said } = await edgeOf(answered);
    await until("the lease", () => said.some(({ route }) => route.resource?.includes("/lease/")));
    const first = (operation: string, resource: string) => said.indexOf(of(operation, resource)[0] as Message);
    expect(said[0]?.route).toEqual({
      source: "websocket",
      group: "resource",
      operation: "keepalive",
      resource: "node",
    });
    expect(said[0]?.content).toBe("ping");
    expect(first("get", "membership/detail")).toBeGreaterThan(0);
    expect(first("insert", "null/node/edge-0")).toBeLessThan(first("patch", "null/nodepatch/edge-0"));
    const [insert] = of("insert", "null/node/edge-0");
    expect(insert?.route).toMatchObject({ source: "edged", group: "meta" });
    expect(insert?.content).toMatchObject({
      metadata: { labels: { "node-role.kubernetes.io/edge": "", "kubernetes.io/os": "linux" } },
      status: { capacity: { pods: "110" } },
    });
  });

  test("its Node's and its lease's answers are acknowledged, what is only passed through is not", async () => {
    const { answersTo, of, said } = await edgeOf(answered);
    await until("a lease's renewal", () => of("update", "kube-node-lease/lease/edge-0").length > 0);
    const acked = (message: Message | undefined) =>
      said.some(({ header }) => header.parent_msg_id === `to-${message?.header.msg_id}`);
    await until("its acknowledgement", () => acked(of("update", "kube-node-lease/lease/edge-0")[0]));
    expect(acked(of("insert", "null/node/edge-0")[0])).toBe(true);
    expect(acked(of("query", "kube-node-lease/lease/edge-0")[0])).toBe(true);
    expect(acked(of("patch", "null/nodepatch/edge-0")[0])).toBe(false);
    expect(answersTo(of("insert", "null/node/edge-0")[0] as Message)).toEqual([]);
  });

  test("a lease that isn't there is made; one that has changed meanwhile is asked for again", async () => {
    let refusals = 0;
    const status = (code: number, reason: string) => ({
      Object: { metadata: { name: "" } },
      Err: { ErrStatus: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: reason } },
    });
    const { of } = await edgeOf((message) => {
      const { operation, resource = "" } = message.route;
      if (!resource.includes("lease")) return answered(message);
      if (operation === "query" && refusals === 0) return status(404, "NotFound");
      if (operation === "update" && refusals++ === 0) return status(409, "Conflict");
      return ok;
    });
    const lease = "kube-node-lease/lease/edge-0";
    await until("it asks again", () => of("query", lease).length > 1 && of("update", lease).length > 1);
    expect(of("insert", lease)).toHaveLength(1);
    expect(of("insert", lease)[0]?.content).toMatchObject({
      spec: { holderIdentity: "edge-0", leaseDurationSeconds: 40 },
      metadata: { ownerReferences: [{ kind: "Node", name: "edge-0", uid: "node-uid" }] },
    });
  });

  test("for its lease in time, and is late when that is not answered any more, and when its connection is lost", async () => {
    let isAnswering = true;
    const answer = (message: Message) =>
      isAnswering || !message.route.resource?.includes("/lease/") ? answered(message) : undefined;
    const { drop, edge } = await edgeOf(answer, { lease: 200, answer: 50, reconnectWait: 60_000 });
    await until("its lease has been renewed", () => edge.node.renewals > 1);
    expect(edge.node.isOnTime).toBe(true);
    isAnswering = false;
    await until("it is late", () => !edge.node.isOnTime);
    isAnswering = true;
    await until("it is on time again", () => edge.node.isOnTime);
    drop();
    await until("its connection is lost", () => !edge.hub.isConnected);
    expect(edge.node.isOnTime).toBe(false);
  });

  test("a Node that is there already is not made again: it goes on with the one the cloud sends", async () => {
    const { of, send } = await edgeOf((message) => {
      if (message.route.operation !== "insert") return answered(message);
      const reason = "AlreadyExists";
      return {
        Object: { metadata: { name: "edge-0" } },
        Err: { ErrStatus: { kind: "Status", status: "Failure", code: 409, reason, message: reason } },
      };
    });
    await until("it tries", () => of("insert", "null/node/edge-0").length > 0);
    send({ operation: "update", resource: "null/node/edge-0", content: node });
    await until("its status", () => of("patch", "null/nodepatch/edge-0").length > 0);
  });

  test("a newer Node that came before the answer to its status is kept, not the Node of that answer", async () => {
    const newer = { metadata: { ...node.metadata, resourceVersion: "7", labels: { zone: "a" } } };
    const answeredLate = new Set<string>();
    let sendNewer = (): unknown => undefined;
    const { edge, send, settled } = await edgeOf((message) => {
      if (message.route.operation === "patch" && sendNewer() !== undefined) answeredLate.add(message.header.msg_id);
      return answered(message);
    }, { nodeStatus: 50 });
    sendNewer = () => send({ operation: "update", resource: "null/node/edge-0", content: newer });
    await until("a status is answered after the newer Node", () => answeredLate.size > 0);
    await settled();
    expect(edge.store.get("null/node/edge-0")).toEqual(newer);
  });

  test("a configmap that it doesn't have, and never again one that it has", async () => {
    const pod = (name: string) =>
      object(name, name, {
        spec: {
          nodeName: "edge-0",
          containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "app" } }] }],
        },
      });
    const { of, send } = await edgeOf((message) =>
      message.route.operation === "query" && message.route.resource === "default/configmap/app"
        ? object("app")
        : message.route.operation === "patch"
        ? { Object: pod("p"), Err: null }
        : answered(message)
    );
    send({ operation: "insert", resource: "default/pod/p", content: pod("p") });
    await until("the first pod runs", () => of("patch", "default/podpatch/p").length >= 2);
    send({ operation: "insert", resource: "default/pod/q", content: pod("q") });
    await until("the second pod runs", () => of("patch", "default/podpatch/q").length >= 2);
    const asked = of("query", "default/configmap/app");
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ route: { source: "edged", group: "meta" }, content: null });
  });

  test("a missing configmap keeps its pod waiting; it is not stored as an empty one, as edgecore stores it", async () => {
    const { edge, of, send } = await edgeOf((message) =>
      message.route.operation === "query" && message.route.resource?.includes("configmap")
        ? { ErrStatus: { kind: "Status", code: 404, reason: "NotFound", status: "Failure", message: "not found" } }
        : message.route.operation === "patch"
        ? { Object: object("p"), Err: null }
        : answered(message)
    );
    const spec = {
      nodeName: "edge-0",
      containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "app" } }] }],
    };
    send({ operation: "insert", resource: "default/pod/p", content: object("p", "p", { spec }) });
    await until("it asks", () => of("query", "default/configmap/app").length > 0);
    await until("the pod is told to be waiting", () => of("patch", "default/podpatch/p").length > 0);
    expect(edge.store.get("default/configmap/app")).toBeUndefined();
    expect(edge.pods.count("running")).toBe(0);
  });
});

test("a pod's token, claim, volume and attachment are asked for by edgecore's paths, before it runs", async () => {
  const answers: Record<string, object> = {
    "default/persistentvolumeclaim/data": object("data", "c", {
      spec: { volumeName: "pv-1" },
      status: { phase: "Bound" },
    }),
    "null/persistentvolume/pv-1": object("pv-1", "v", { spec: { csi: { driver: "d", volumeHandle: "h" } } }),
    "default/serviceaccounttoken/robot": object("robot", "t", { status: { token: "x" } }),
  };
  const { of, said, send } = await edgeOf(({ route: { operation, resource = "" } }) => {
    if (operation === "patch") return { Object: object("p"), Err: null };
    if (resource.includes("/volumeattachment/")) return object("a", "a", { status: { attached: true } });
    return operation === "query" ? answers[resource] ?? ok : operation === "insert" ? ok : undefined;
  });
  const volumes = [
    { name: "data", persistentVolumeClaim: { claimName: "data" } },
    { name: "token", projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }] } },
  ];
  const spec = { nodeName: "edge-0", serviceAccountName: "robot", containers: [{ name: "c", image: "i" }], volumes };
  send({ operation: "insert", resource: "default/pod/p", content: object("p", "p", { spec }) });
  await until("it runs", () => of("patch", "default/podpatch/p").length >= 2);
  const asked = said.filter(({ route }) => route.operation === "query" && !route.resource?.includes("lease"));
  expect(asked.map(({ route }) => route.resource)).toEqual([
    "default/persistentvolumeclaim/data",
    "null/persistentvolume/pv-1",
    expect.stringMatching(/^default\/volumeattachment\/csi-[0-9a-f]{64}$/),
    "default/serviceaccounttoken/robot",
  ]);
  expect(asked.at(-1)?.content).toMatchObject({
    spec: { audiences: null, expirationSeconds: 3607, boundObjectRef: { kind: "Pod", name: "p", uid: "p" } },
  });
});

describe("pods", () => {
  const answered = (message: Message) => {
    const { operation, resource = "" } = message.route;
    if (operation === "insert" || resource.includes("lease") || resource.includes("nodepatch")) return ok;
    if (operation === "patch") return { Object: pod("u1"), Err: null };
    return operation === "delete" ? "OK" : undefined;
  };
  const pod = (uid: string, more: object = {}) => ({
    ...object("p", uid, { spec: { nodeName: "edge-0", containers: [{ name: "c", image: "i" }] } }),
    ...more,
  });
  const patches = (said: readonly Message[]) =>
    said.filter(({ route }) => route.resource === "default/podpatch/p").map(({ content }) =>
      (typeof content === "string" ? JSON.parse(content) : content) as {
        metadata: { uid: string };
        status: { phase?: string };
      }
    );

  test("start pending and run: patches of their status that name the uid", async () => {
    const { said, send } = await edgeOf(answered);
    send({ operation: "insert", resource: "default/pod/p", content: pod("u1") });
    await until("it runs", () => patches(said).some(({ status }) => status.phase === "Running"));
    expect(patches(said).every(({ metadata }) => metadata.uid === "u1")).toBe(true);
  });

  test("that are to end are stopped, said to have ended, and released once with their uid", async () => {
    const { of, said, send } = await edgeOf(answered);
    send({ operation: "insert", resource: "default/pod/p", content: pod("u1") });
    await until("it runs", () => patches(said).some(({ status }) => status.phase === "Running"));
    const ending = {
      ...pod("u1"),
      metadata: { ...pod("u1").metadata, deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 1 },
    };
    send({ operation: "update", resource: "default/pod/p", content: ending });
    const release = await until("the release", () => of("delete", "default/pod/p")[0]);
    expect(patches(said).at(-1)?.status.phase).toBe("Succeeded");
    expect(release.content).toEqual({ gracePeriodSeconds: 0, preconditions: { uid: "u1" } });
    send({ operation: "update", resource: "default/pod/p", content: ending });
    send({ operation: "delete", resource: "default/pod/p", content: ending });
    await until("it is gone", () => said.filter(({ content }) => content === "OK").length >= 4);
    expect(of("delete", "default/pod/p")).toHaveLength(1);
  });

  test("that are to end with a grace longer than a double holds end as well", async () => {
    const { of, said, send } = await edgeOf(answered);
    send({ operation: "insert", resource: "default/pod/p", content: pod("u1") });
    await until("it runs", () => patches(said).some(({ status }) => status.phase === "Running"));
    const metadata = {
      ...pod("u1").metadata,
      deletionTimestamp: "9999-12-31T23:59:59Z",
      deletionGracePeriodSeconds: 9223372036854775807n,
    };
    send({ operation: "update", resource: "default/pod/p", content: { ...pod("u1"), metadata } });
    await until("the release", () => of("delete", "default/pod/p")[0]);
  });

  test("whose status can't be reported without a connection are reported again when it is back", async () => {
    const { drop, edge, said, send } = await edgeOf(answered);
    edge.pods.setImage("i", false);
    send({ operation: "insert", resource: "default/pod/p", content: pod("u1") });
    await until("it waits for its image", () => patches(said).length > 0);
    drop();
    await until("the connection is gone", () => !edge.hub.isConnected);
    edge.pods.setImage("i", true);
    await until("it runs, and that is told", () => patches(said).some(({ status }) => status.phase === "Running"));
  });
});
