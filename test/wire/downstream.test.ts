// What EdgeController and DeviceController send down, message by message, for changes that a cluster sees every day.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../base/log/logger.ts";
import { Random } from "../../base/random/random.ts";
import { CloudCore } from "../../cloud/cloudcore.ts";
import { defaultConfig, scaled } from "../../cloud/config/config.ts";
import { tokenKubeConfig } from "../../cloud/kube/kubeconfig.ts";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { failCalls, refusal } from "../support/failing-api.ts";
import { addNode, connectedNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { anyPort, type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud({ config: { syncInterval: 3_600_000 } })));
afterAll(() => cloud.stop());

let number = 0;

/** A node that is there and connected, and acknowledges everything. */
async function node(): Promise<RawEdge> {
  const edge = await connectedNode(cloud, `down-${++number}`);
  edge.acknowledgeAll();
  return edge;
}

function create(
  resource: Resource,
  name: string,
  rest: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
) {
  const { apiVersion, kind } = resource;
  return cloud.kube.create(resource, {
    apiVersion,
    kind,
    metadata: { name, namespace: "default", ...metadata },
    ...rest,
  });
}
const ref = (resource: Resource, name: string) => ({ resource, namespace: "default", name });
const spec = (nodeName: string, more: Record<string, unknown> = {}) => ({
  spec: { ...(nodeName === "" ? {} : { nodeName }), containers: [{ name: "c", image: "i", ...more }] },
});

/** What the edge got about something, in order: operation, and for memberships what was added or removed. */
function heard(edge: RawEdge, ...about: string[]): string[] {
  return edge.received.filter(({ route }) => about.includes(route.resource ?? "")).map(({ content, route }) => {
    const lists = content as { readonly added_devices?: unknown; readonly removed_devices?: unknown };
    const what = route.resource === "membership" ? lists.added_devices ? "add" : "remove" : route.operation;
    return `${what} ${route.resource}`;
  });
}

/** A marker that has come shows that what was sent before it has come too. */
async function settle(edge: RawEdge): Promise<void> {
  const name = `marker-${++number}`;
  await create(resources.pods, name, spec(edge.node));
  await edge.expect("the marker", ({ route }) => route.resource === `default/pod/${name}`);
}

describe("pods", () => {
  test("one that is bound later comes as update, and not before it is bound", async () => {
    const edge = await node();
    // No scheduler but us.
    const unbound = spec("");
    const pod = await create(resources.pods, "later", { spec: { ...unbound.spec, schedulerName: "by-hand" } });
    await settle(edge);
    expect(heard(edge, "default/pod/later")).toEqual([]);
    const target = { apiVersion: "v1", kind: "Node", name: edge.node };
    await cloud.kube.createSub(ref(resources.pods, "later"), "binding", {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: "later" },
      target,
    });
    const update = await edge.expect("the pod", ({ route }) => route.resource === "default/pod/later");
    expect([update.route.operation, textAt(update.content, "metadata", "uid")]).toEqual(["update", pod.metadata.uid]);
    edge.close();
  });

  test("on a node without the edge label they are not sent; a node that loses it is disconnected", async () => {
    const edge = await node();
    await create(resources.pods, "labelled", spec(edge.node));
    await edge.expect("the pod", ({ route }) => route.resource === "default/pod/labelled");
    const label = { metadata: { labels: { "node-role.kubernetes.io/edge": null } } };
    await cloud.kube.patch({ resource: resources.nodes, name: edge.node }, "merge", label);
    await until("it is disconnected", () => edge.ended());
    const back = await rawEdge(cloud, edge.node);
    await create(resources.pods, "unlabelled", spec(edge.node));
    const other = await node();
    await settle(other);
    expect(heard(back, "default/pod/unlabelled")).toEqual([]);
    back.close();
    other.close();
  });
});

describe("pods that are there already", () => {
  test("when cloudcore starts: what was acknowledged is not sent again; one that is being deleted comes as update", async () => {
    const name = `down-${++number}`;
    await addNode(cloud.kube, name);
    await create(resources.pods, "going", spec(name));
    await cloud.kube.delete(ref(resources.pods, "going"), { gracePeriodSeconds: 3600 });
    await create(resources.pods, "staying", spec(name));
    const edge = await rawEdge(cloud, name);
    edge.acknowledgeAll();
    for (const pod of ["going", "staying"]) {
      await edge.expect(pod, ({ route }) => route.resource === `default/pod/${pod}`);
    }
    expect(heard(edge, "default/pod/going")).toEqual(["update default/pod/going"]);
    await until("both are recorded", async () => {
      const records = (await cloud.kube.list(resources.objectsyncs)).items.filter(({ metadata }) =>
        metadata.name.startsWith(`${name}.`)
      );
      return records.filter((record) => textAt(record, "status", "objectResourceVersion") !== "0").length === 2;
    });
    edge.close();
    await until("it has gone", () => cloud.core.hub.sessions.of(name) === undefined);
    const again = await CloudCore.start({
      kubeconfig: tokenKubeConfig(cloud.api.access),
      config: scaled(defaultConfig, 10),
      websocket: anyPort,
      https: anyPort,
      clock: cloud.clock,
      random: new Random(1),
      logger: silentLogger,
    });
    const back = await rawEdge({ ...cloud, core: again }, name);
    back.acknowledgeAll();
    await create(resources.pods, "fresh", spec(name));
    await back.expect("what is new", ({ route }) => route.resource === "default/pod/fresh");
    expect(heard(back, "default/pod/going", "default/pod/staying")).toEqual([]);
    back.close();
    await again.stop();
  });
});

describe("configmaps and secrets", () => {
  test("those that volumes of CSI drivers or service accounts name are not followed", async () => {
    const edge = await node();
    const volumes = [{ name: "v", csi: { driver: "d", nodePublishSecretRef: { name: "unfollowed" } } }];
    await create(resources.pods, "csi-user", { spec: { ...spec(edge.node).spec, volumes } });
    await edge.expect("the pod", ({ route }) => route.resource === "default/pod/csi-user");
    await create(resources.secrets, "unfollowed");
    await settle(edge);
    expect(heard(edge, "default/secret/unfollowed")).toEqual([]);
    edge.close();
  });

  test("a new one that a pod uses comes as insert or, a secret, as update; changes and ends follow", async () => {
    const edge = await node();
    const envFrom = [{ configMapRef: { name: "used", optional: true } }, {
      secretRef: { name: "used", optional: true },
    }];
    await create(resources.pods, "user", spec(edge.node, { envFrom }));
    await edge.expect("the pod", ({ route }) => route.resource === "default/pod/user");
    for (
      const [resource, type, change] of [
        [resources.configmaps, "configmap", { data: { a: "b" } }],
        [resources.secrets, "secret", { stringData: { a: "b" } }],
      ] as const
    ) {
      const path = `default/${type}/used`;
      const count = (n: number) => until(`${n} about ${path}`, () => heard(edge, path).length === n);
      await create(resource, "used");
      await count(1);
      await cloud.kube.patch(ref(resource, "used"), "merge", change);
      await count(2);
      await cloud.kube.delete(ref(resource, "used"));
      await count(3);
      expect(heard(edge, path)).toEqual([
        `${type === "secret" ? "update" : "insert"} ${path}`,
        `update ${path}`,
        `delete ${path}`,
      ]);
    }
    edge.close();
  });
});

describe("devices", () => {
  const device = (name: string, nodeName: string, model = "", more: Record<string, unknown> = {}) =>
    create(resources.devices, name, {
      spec: {
        ...(nodeName === "" ? {} : { nodeName }),
        ...(model === "" ? {} : { deviceModelRef: { name: model } }),
        properties: [{ name: "t" }],
        protocol: { protocolName: "p" },
        ...more,
      },
    });
  const model = (name: string) => create(resources.devicemodels, name, { spec: { protocol: "p" } });
  const move = (name: string, nodeName: string) =>
    cloud.kube.patch(ref(resources.devices, name), "merge", { spec: { nodeName } });

  test("a model comes with the first of its devices on a node, and goes with the last", async () => {
    const edge = await node();
    await model("shared");
    const about = ["membership", "default/devicemodel/shared", "default/device/first", "default/device/second"];
    const count = (n: number) => until(`${n} messages`, () => heard(edge, ...about).length === n);
    await device("first", edge.node, "shared");
    await count(3);
    await device("second", edge.node, "shared");
    await count(5);
    await cloud.kube.delete(ref(resources.devices, "first"));
    await count(7);
    await cloud.kube.delete(ref(resources.devices, "second"));
    await count(10);
    // Messages without an acknowledgement overtake those that wait for one: the order is of each kind.
    const order = (...of: string[]) => heard(edge, ...of);
    expect(order("membership")).toEqual(["add membership", "add membership", "remove membership", "remove membership"]);
    expect(order("default/devicemodel/shared")).toEqual([
      "insert default/devicemodel/shared",
      "delete default/devicemodel/shared",
    ]);
    expect(order("default/device/first", "default/device/second")).toEqual([
      "insert default/device/first",
      "insert default/device/second",
      "delete default/device/first",
      "delete default/device/second",
    ]);
    edge.close();
  });

  test("labels, annotations and statuses of a device are no business of the edge", async () => {
    const edge = await node();
    await device("labelled", edge.node);
    await edge.expect("the device", ({ route }) => route.resource === "default/device/labelled");
    const metadata = { labels: { a: "b" }, annotations: { c: "d" } };
    await cloud.kube.patch(ref(resources.devices, "labelled"), "merge", { metadata });
    await cloud.kube.patch(ref(resources.devicestatuses, "labelled"), "merge", { status: { state: "online" } });
    await settle(edge);
    expect(heard(edge, "default/device/labelled")).toEqual(["insert default/device/labelled"]);
    edge.close();
  });

  test("one without a node goes nowhere; it comes when it gets one, and goes when it loses it", async () => {
    const edge = await node();
    await device("free", "");
    await settle(edge);
    expect(heard(edge, "membership", "default/device/free")).toEqual([]);
    await move("free", edge.node);
    await until("it has come", () => heard(edge, "default/device/free").length === 1);
    await cloud.kube.patch(ref(resources.devices, "free"), "merge", { spec: { nodeName: null } });
    await until("it has gone", () => heard(edge, "default/device/free").length === 2);
    expect(heard(edge, "default/device/free")).toEqual(["insert default/device/free", "delete default/device/free"]);
    edge.close();
  });

  test("one that moves is taken from the old node, as it was there, and given to the new", async () => {
    const [from, to] = [await node(), await node()];
    await device("mover", from.node);
    await from.expect("the device", ({ route }) => route.resource === "default/device/mover");
    await move("mover", to.node);
    const insert = await to.expect("the device", ({ route }) => route.resource === "default/device/mover");
    const removal = await from.expect("its end", ({ route }) => route.operation === "delete");
    expect(textAt(removal.content, "spec", "nodeName")).toBe(from.node);
    expect([insert.route.operation, textAt(insert.content, "spec", "nodeName")]).toEqual(["insert", to.node]);
    expect(heard(from, "membership")).toEqual(["add membership", "remove membership"]);
    expect(heard(to, "membership")).toEqual(["add membership"]);
    from.close();
    to.close();
  });

  test("one that comes before its model is sent at once; the model follows", async () => {
    const edge = await node();
    await device("early", edge.node, "late");
    await edge.expect("the device", ({ route }) => route.resource === "default/device/early");
    expect(heard(edge, "default/devicemodel/late")).toEqual([]);
    await model("late");
    await edge.expect("the model", ({ route }) => route.resource === "default/devicemodel/late");
    edge.close();
  });

  test("memberships are sent at each connection: what was bound and unbound while the node was away", async () => {
    const edge = await node();
    await device("stays", edge.node);
    await edge.expect("the device", ({ route }) => route.resource === "default/device/stays");
    edge.close();
    await until("it has gone", () => cloud.core.hub.sessions.of(edge.node) === undefined);
    await device("came", edge.node);
    const back = await rawEdge(cloud, edge.node);
    back.acknowledgeAll();
    const membership = await back.expect("the membership", ({ route }) => route.resource === "membership");
    const names = (membership.content as { added_devices: { name: string }[] }).added_devices.map(({ name }) => name);
    expect(names.sort()).toEqual(["came", "stays"]);
    back.close();
  });
});

describe("the DeviceStatus of a device", () => {
  const bound = (name: string, nodeName: string) =>
    create(resources.devices, name, {
      spec: { nodeName, properties: [{ name: "t" }], protocol: { protocolName: "p" } },
    });

  test("that can't be made holds the device back, until it can", async () => {
    const edge = await node();
    using failure = failCalls(cloud.core.client, "devicestatuses", refusal(500), { only: ["create"], times: 2 });
    await bound("held", edge.node);
    await until("it has failed once", () => failure.calls === 1);
    expect(heard(edge, "membership", "default/device/held")).toEqual([]);
    await edge.expect("the device", ({ route }) => route.resource === "default/device/held");
    expect(failure.calls).toBe(3);
    edge.close();
  });

  test("that is there is used; one of a former device of that name is made anew", async () => {
    const edge = await node();
    const { apiVersion, kind } = resources.devicestatuses;
    const status = { state: "online" };
    await cloud.kube.create(resources.devicestatuses, {
      apiVersion,
      kind,
      metadata: { name: "prepared", namespace: "default" },
      status,
    });
    const owner = {
      apiVersion,
      kind: "Device",
      name: "remade",
      uid: "0f0f0f0f-0000-4000-8000-00000000000d",
      controller: true,
    };
    const metadata = { name: "remade", namespace: "default", ownerReferences: [owner] };
    await cloud.kube.create(resources.devicestatuses, { apiVersion, kind, metadata, status });
    for (const name of ["prepared", "remade"]) {
      await bound(name, edge.node);
      await edge.expect(name, ({ route }) => route.resource === `default/device/${name}`);
    }
    const stateOf = async (name: string) =>
      textAt(await cloud.kube.get(ref(resources.devicestatuses, name)), "status", "state");
    expect([await stateOf("prepared"), await stateOf("remade")]).toEqual(["online", ""]);
    edge.close();
  });
});

describe("reports", () => {
  test("of devices that are named like words of the topics are taken like others", async () => {
    const edge = await node();
    for (const name of ["twin", "update", "membership", "detail"]) {
      await create(resources.devices, name, {
        spec: { nodeName: edge.node, properties: [{ name: "t" }], protocol: { protocolName: "p" } },
      });
      await edge.expect(name, ({ route }) => route.resource === `default/device/${name}`);
      await confirmed(edge, report(edge, name, twin("t", "5")).header.msg_id);
      expect((await statusOf(name)).twins).toMatchObject([{ propertyName: "t", reported: { value: "5" } }]);
    }
    edge.close();
  });

  test("take the twin of a property away that the device has no longer", async () => {
    const edge = await withDevice("shrinks");
    const properties = (...names: string[]) => ({ spec: { properties: names.map((name) => ({ name })) } });
    await cloud.kube.patch(ref(resources.devices, "shrinks"), "merge", properties("t", "u"));
    await until(
      "the change has come",
      () => edge.received.filter(({ route }) => route.resource === "default/device/shrinks").length === 2,
    );
    for (const property of ["t", "u"]) {
      await confirmed(edge, report(edge, "shrinks", twin(property, "1")).header.msg_id);
    }
    await cloud.kube.patch(ref(resources.devices, "shrinks"), "merge", properties("u"));
    await until(
      "that one too",
      () => edge.received.filter(({ route }) => route.resource === "default/device/shrinks").length === 3,
    );
    await confirmed(edge, report(edge, "shrinks", twin("u", "2")).header.msg_id);
    expect((await statusOf("shrinks")).twins).toMatchObject([{ propertyName: "u", reported: { value: "2" } }]);
    // A side that was never reported is left out.
    expect((await statusOf("shrinks")).twins?.[0]).not.toHaveProperty("observedDesired");
    edge.close();
  });

  const report = (edge: RawEdge, name: string, content: unknown, more: Record<string, string> = {}) =>
    edge.send({
      operation: "update",
      source: "twin",
      group: "resource",
      resource: `device/default/${name}/twin/edge_updated`,
      content,
      ...more,
    });
  const twin = (property: string, value: string) => ({
    event_id: "",
    timestamp: 1,
    twin: { [property]: { actual: { value, metadata: { timestamp: 1 } }, metadata: { type: "int" } } },
  });
  const confirmed = (edge: RawEdge, id: string) =>
    edge.expect("the confirmation", ({ header, route }) => header.parent_msg_id === id && route.resource === "twin");
  const statusOf = async (name: string) =>
    (await cloud.kube.get(ref(resources.devicestatuses, name))).status as {
      readonly twins?: { propertyName: string; reported?: { value: string } }[];
      readonly extensions?: unknown;
      readonly state?: string;
    };
  async function withDevice(name: string): Promise<RawEdge> {
    const edge = await node();
    await create(resources.devices, name, {
      spec: { nodeName: edge.node, properties: [{ name: "t" }], protocol: { protocolName: "p" } },
    });
    await edge.expect("the device", ({ route }) => route.resource === `default/device/${name}`);
    return edge;
  }

  test("of properties the device does not have are confirmed and change nothing; others under any operation and group", async () => {
    const edge = await withDevice("known");
    await confirmed(edge, report(edge, "known", twin("unknown", "1")).header.msg_id);
    expect((await statusOf("known")).twins ?? []).toEqual([]);
    await confirmed(
      edge,
      report(edge, "known", twin("t", "2"), { operation: "patch", group: "anything" }).header.msg_id,
    );
    expect((await statusOf("known")).twins).toMatchObject([{ propertyName: "t", reported: { value: "2" } }]);
    edge.close();
  });

  test("write the twins alone: the rest of the status stays; a deleted status is recreated", async () => {
    const edge = await withDevice("rest");
    await cloud.kube.patch(ref(resources.devicestatuses, "rest"), "merge", {
      status: { state: "online", extensions: { kept: "yes" } },
    });
    await confirmed(edge, report(edge, "rest", twin("t", "1")).header.msg_id);
    expect(await statusOf("rest")).toMatchObject({
      state: "online",
      extensions: { kept: "yes" },
      twins: [{ reported: { value: "1" } }],
    });
    await cloud.kube.delete(ref(resources.devicestatuses, "rest"));
    await until("it can be reported again", async () => {
      await confirmed(edge, report(edge, "rest", twin("t", "3")).header.msg_id);
      return (await cloud.kube.find(ref(resources.devicestatuses, "rest")) as KubeObject | undefined) !== undefined;
    });
    expect((await statusOf("rest")).twins).toMatchObject([{ reported: { value: "3" } }]);
    edge.close();
  });

  test("that can't be read, are of nothing known, or of another node's device, are not confirmed", async () => {
    const edge = await withDevice("mine");
    await withDevice("theirs");
    const sent = [
      report(edge, "mine", "no json"),
      report(edge, "mine", 7),
      report(edge, "none", twin("t", "1")),
      report(edge, "theirs", twin("t", "1")),
      edge.send({
        operation: "update",
        source: "twin",
        group: "resource",
        resource: "device/default/mine/twin/else",
        content: {},
      }),
      edge.send({ operation: "get", source: "twin", group: "twin", resource: "membership/detail", content: {} }),
    ].map(({ header }) => header.msg_id);
    await confirmed(edge, report(edge, "mine", twin("t", "9")).header.msg_id);
    expect(edge.received.filter(({ header }) => sent.includes(header.parent_msg_id ?? ""))).toEqual([]);
    expect((await statusOf("theirs")).twins ?? []).toEqual([]);
    edge.close();
  });

  test("cause nothing downstream but their confirmation", async () => {
    const edge = await withDevice("echo");
    const before = edge.received.length;
    const sent = report(edge, "echo", twin("t", "1"));
    await confirmed(edge, sent.header.msg_id);
    await settle(edge);
    const after = edge.received.slice(before).filter(({ route }) => !route.resource?.startsWith("default/pod/marker"));
    expect(after.map(({ header }) => header.parent_msg_id)).toEqual([sent.header.msg_id]);
    edge.close();
  });
});
