// Devices of v1alpha1 and the nodes of KubeEdge v1.1 that have them: memberships, twins, profiles, reports.
import { isDeepStrictEqual } from "node:util";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Logger, silentLogger } from "../../base/log/logger.ts";
import { resources } from "../../cloud/kube/resource.ts";
import { profileKey } from "../../protocol/apis/device-v1alpha1.ts";
import { kubeedgeCrdsOfBothEras } from "../../protocol/apis/crds.ts";
import { at, type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import type { MembershipDetail, MembershipUpdate } from "../../protocol/twin/twin.ts";
import type { RawEdge } from "../support/raw-edge.ts";
import { addNode, connectedNode } from "../support/nodes.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";
import { testsOfV11 } from "../support/v11-tests.ts";

const { about, asked, create, merge, oldNode, ref, remove, settle, cloudOf } = testsOfV11();
let cloud: Cloud;
beforeAll(() => void (cloud = cloudOf()));

describe("devices of v1alpha1", () => {
  const selector = (node: string) => ({
    nodeSelectorTerms: [{ matchExpressions: [{ key: "", operator: "In", values: [node] }] }],
  });
  const twin = (propertyName: string, value: string) => ({
    propertyName,
    desired: { value, metadata: { type: "int" } },
  });
  const device = (name: string, node: string, twins = [twin("t", "20")], protocol?: unknown) =>
    create(resources.devicesV1alpha1, name, {
      spec: {
        deviceModelRef: { name: "m" },
        nodeSelector: node === "" ? { nodeSelectorTerms: [] } : selector(node),
        ...(protocol === undefined ? {} : { protocol }),
      },
      status: { twins },
    });
  const members = (edge: RawEdge) =>
    edge.received.filter(about("membership")).flatMap(({ content }) => {
      const { added_devices: added, removed_devices: removed } = content as MembershipUpdate;
      return [...(added ?? []).map(({ id }) => `+${id}`), ...(removed ?? []).map(({ id }) => `-${id}`)];
    });
  const report = (edge: RawEdge, name: string, property: string, value: string) =>
    edge.send({
      source: "twin",
      group: "resource",
      operation: "update",
      resource: `device/${name}/twin/edge_updated`,
      content: {
        event_id: "e",
        timestamp: 5,
        twin: { [property]: { actual: { value, metadata: { timestamp: 7 } }, metadata: { type: "int" } } },
      },
    });
  const twinsIn = async (name: string) =>
    at(await cloud.kube.get(ref(resources.devicesV1alpha1, name)), "status", "twins");
  const profile = async (node: string) => {
    const found = await cloud.kube.find(ref(resources.configmaps, `device-profile-config-${node}`));
    return found === undefined
      ? undefined
      : JSON.parse(textAt(found, "data", profileKey)) as Record<string, KubeObject[]>;
  };
  const model = (max: number) => ({
    spec: { properties: [{ name: "t", type: { int: { accessMode: "ReadWrite", maximum: max } } }] },
  });

  test("one that moves comes to its new node before it leaves the old one; unbound it has no node", async () => {
    const [one, two] = [await oldNode(), await oldNode()];
    await device("mover", one.node);
    await until("it has come", () => members(one).includes("+mover"));
    await merge(resources.devicesV1alpha1, "mover", { spec: { nodeSelector: selector(two.node) } });
    await until("it has left", () => members(one).includes("-mover"));
    expect(members(two)).toEqual(["+mover"]);
    report(two, "mover", "t", "5");
    await until("it can report from there", async () => JSON.stringify(await twinsIn("mover")).includes('"5"'));
    await merge(resources.devicesV1alpha1, "mover", { spec: { nodeSelector: { nodeSelectorTerms: [] } } });
    await until("it has left", () => members(two).includes("-mover"));
    await merge(resources.devicesV1alpha1, "mover", { metadata: { labels: { a: "b" } } });
    await settle(two);
    expect([members(one), members(two)]).toEqual([["+mover", "-mover"], ["+mover", "-mover"]]);
    await create(resources.devicesV1alpha1, "nowhere", { spec: { deviceModelRef: { name: "m" } } });
    await merge(resources.devicesV1alpha1, "nowhere", { metadata: { labels: { a: "b" } } });
    await device("somewhere", two.node);
    await until("later ones are served", () => members(two).includes("+somewhere"));
    const status = { resource: resources.devicestatuses, namespace: "default", name: "mover" };
    expect(await cloud.kube.find(status), "that is today's").toBeUndefined();
  });

  test("a report is stored beside a desired value set meanwhile, is not confirmed, and is not echoed", async () => {
    const edge = await oldNode();
    await device("reporter", edge.node, [twin("t", "20"), twin("u", "1")]);
    await edge.expect("the device", about("membership"));
    await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => report(edge, "reporter", "t", `2${i}`)),
      merge(resources.devicesV1alpha1, "reporter", { status: { twins: [twin("t", "30"), twin("u", "2")] } }),
    ]);
    report(edge, "reporter", "unknown", "1");
    report(edge, "reporter", "t", "99");
    await until("the last is stored", async () => JSON.stringify(await twinsIn("reporter")).includes('"99"'));
    expect(await twinsIn("reporter")).toEqual([
      { ...twin("t", "30"), reported: { value: "99", metadata: { timestamp: "7", type: "int" } } },
      twin("u", "2"),
    ]);
    await settle(edge);
    expect(edge.received.filter(about("device/reporter/twin/cloud_updated"))).toHaveLength(1);
    expect(edge.received.filter(({ header }) => (header.parent_msg_id ?? "") !== "")).toEqual([]);
  });

  test("a report of another node's device, and what can't be read, change nothing", async () => {
    const [one, two] = [await oldNode(), await oldNode()];
    await device("owned", one.node);
    await one.expect("the device", about("membership"));
    report(two, "owned", "t", "66");
    one.send({ source: "twin", operation: "update", resource: "device/owned/twin/edge_updated", content: "{" });
    one.send({
      source: "twin",
      operation: "update",
      resource: "device/owned/twin/edge_updated",
      content: { twin: [] },
    });
    one.send({ source: "twin", operation: "update", resource: "device/owned/state", content: "{}" });
    report(one, "owned", "t", "5");
    await until("the good one is stored", async () => JSON.stringify(await twinsIn("owned")).includes('"5"'));
    await asked(two);
    expect(JSON.stringify(await twinsIn("owned"))).not.toContain('"66"');
  });

  test("an edge that asks at its connection which devices it has is sent all of them: what it lost meanwhile it drops", async () => {
    const edge = await oldNode();
    for (const name of ["kept", "lost"]) await device(name, edge.node);
    await until("both have come", () => members(edge).length === 2);
    edge.close();
    await remove(resources.devicesV1alpha1, "lost");
    await device("won", edge.node);
    const back = await oldNode(edge.node);
    const ask = () => back.send({ source: "twin", operation: "get", resource: "membership/detail", content: "{}" });
    const answer = await until("all that it has", () => {
      const { header } = ask();
      return back.expect("the answer", (m) => m.header.parent_msg_id === header.msg_id).then((m) => {
        const { devices } = m.content as MembershipDetail;
        return devices.map(({ id }) => id).sort().join() === "kept,won" ? m : undefined;
      });
    });
    expect(answer.route).toMatchObject({ source: "devicecontroller", group: "twin", resource: "membership/detail" });
    const [kept] = (answer.content as MembershipDetail).devices;
    expect(kept?.twin?.t).toMatchObject({ expected: { value: "20" }, optional: false, expected_version: { edge: 0 } });
  });

  test("its profile names what it has: it follows models, protocols and devices, and goes with the last one", async () => {
    const edge = await oldNode();
    const { node } = edge;
    await device("first", node);
    await edge.expect("the device", about("membership"));
    expect(await profile(node), "its model is not there").toBeUndefined();
    await create(resources.devicemodelsV1alpha1, "m", model(100));
    await until("the profile is there", () => profile(node));
    await device("second", node, [], { modbus: { tcp: { ip: "192.0.2.1", port: 502, slaveID: "1" } } });
    await until("the second is in it", async () => (await profile(node))?.deviceInstances?.length === 2);
    expect(await profile(node)).toMatchObject({
      deviceInstances: [
        { id: "first", name: "first", model: "m" },
        { id: "second", name: "second", protocol: "modbus-tcp-second", model: "m" },
      ],
      deviceModels: [{ name: "m", properties: [{ name: "t", dataType: "int", defaultValue: 0, maximum: 100 }] }],
      protocols: [
        { protocol_config: null },
        {
          name: "modbus-tcp-second",
          protocol: "modbus-tcp",
          protocol_config: { ip: "192.0.2.1", port: 502, slaveID: "1" },
        },
      ],
    });
    await merge(resources.devicesV1alpha1, "second", {
      spec: { protocol: { modbus: null, bluetooth: { macAddress: "aa" } } },
    });
    await merge(resources.devicemodelsV1alpha1, "m", model(7));
    await until("both changes are in it", async () => {
      const text = JSON.stringify(await profile(node));
      return text.includes('"bluetooth-second"') && text.includes('"maximum":7');
    });
    expect(edge.received.filter(about("device/second/twin/cloud_updated")), "that is no desired value").toEqual([]);
    for (const name of ["first", "second"]) await remove(resources.devicesV1alpha1, name);
    await until("it is gone", async () => await profile(node) === undefined);
    await remove(resources.devicemodelsV1alpha1, "m");
  });

  test("a profile left from while no cloudcore ran is removed, one that another client changed is restored", async () => {
    const edge = await oldNode();
    await create(resources.devicemodelsV1alpha1, "m2", model(9));
    await create(resources.devicesV1alpha1, "profiled", {
      spec: { deviceModelRef: { name: "m2" }, nodeSelector: selector(edge.node) },
    });
    const mine = `device-profile-config-${edge.node}`;
    const right = await until("the profile is there", () => profile(edge.node));
    await merge(resources.configmaps, mine, { data: { [profileKey]: "{}" } });
    await until("it is mended", async () => isDeepStrictEqual(await profile(edge.node), right));
    const ours = { "app.kubernetes.io/managed-by": "skep" };
    await create(resources.configmaps, "device-profile-config-nobody", { data: { [profileKey]: "{}" } }, ours);
    await until("the one without devices is gone", async () => await profile("nobody") === undefined);
  });

  test("of two devices with one name the node has the older one; when that goes, the other has its turn", async () => {
    const edge = await oldNode();
    const kube = cloud.kube;
    await kube.create(resources.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "aa" } });
    const { apiVersion, kind } = resources.devicesV1alpha1;
    const make = (namespace: string, value: string) =>
      kube.create(resources.devicesV1alpha1, {
        apiVersion,
        kind,
        metadata: { name: "twice", namespace },
        spec: { deviceModelRef: { name: "m" }, nodeSelector: selector(edge.node) },
        status: { twins: [twin("t", value)] },
      });
    await make("aa", "1");
    await until("it has come", () => members(edge).length === 1);
    await make("default", "2");
    await settle(edge);
    expect(members(edge)).toEqual(["+twice"]);
    report(edge, "twice", "t", "5");
    const stored = async (namespace: string) =>
      JSON.stringify(await kube.get({ resource: resources.devicesV1alpha1, namespace, name: "twice" }));
    await until("the older one reports", async () => (await stored("aa")).includes('"5"'));
    await kube.delete({ resource: resources.devicesV1alpha1, namespace: "aa", name: "twice" });
    await until("the other one has come", () => members(edge).length === 3);
    expect(members(edge)).toEqual(["+twice", "-twice", "+twice"]);
    expect(JSON.stringify(edge.received.filter(about("membership")).at(-1)?.content)).toContain('"value":"2"');
  });

  test("another writer's profile for a node that is none of v1.1 is left alone", async () => {
    await create(resources.configmaps, "device-profile-config-foreign", { data: { [profileKey]: "{}" } });
    const edge = await oldNode();
    await create(resources.devicemodelsV1alpha1, "m3", model(1));
    await create(resources.devicesV1alpha1, "later", {
      spec: { deviceModelRef: { name: "m3" }, nodeSelector: selector(edge.node) },
    });
    await until("later ones are written", () => profile(edge.node));
    expect(await profile("foreign")).toEqual({});
  });

  test("a device on a node of today is warned about once, however often that node's status changes; it has no DeviceStatus", async () => {
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), with: () => logger };
    const other = await startCloud({
      config: { eras: [{ nodeSelector: { era: "old" }, era: "v1.1" }], keepaliveInterval: 60_000 },
      logger,
      api: { controllers: false, seed: kubeedgeCrdsOfBothEras },
    });
    onTestFinished(() => other.stop());
    await addNode(other.kube, "of-today");
    const { apiVersion, kind } = resources.devicesV1alpha1;
    const make = (name: string) =>
      other.kube.create(resources.devicesV1alpha1, {
        apiVersion,
        kind,
        metadata: { name, namespace: "default" },
        spec: { deviceModelRef: { name: "none" }, nodeSelector: selector("of-today") },
      });
    const warned = () => warnings.filter((w) => w.includes("is not sent")).length;
    await make("wrong");
    await until("it is warned about", () => warned() === 1);
    for (let i = 0; i < 5; i++) {
      const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime: `2026-01-01T00:00:0${i}Z` }];
      await other.kube.patch(
        { resource: resources.nodes, name: "of-today" },
        "merge",
        { status: { conditions } },
        "status",
      );
    }
    await make("marker");
    await until("the marker is warned about", () => warned() > 1);
    expect(warned()).toBe(2);
    expect((await other.kube.list(resources.devicestatuses)).items).toEqual([]);
  });

  test("devices of one era are not sent to nodes of the other", async () => {
    const edge = await oldNode();
    const today = await connectedNode(cloud, "today-2");
    today.acknowledgeAll();
    await device("for-today", "today-2");
    await create(resources.devices, "for-old", { spec: { nodeName: edge.node, deviceModelRef: { name: "none" } } });
    await create(resources.devices, "right", { spec: { nodeName: "today-2", deviceModelRef: { name: "none" } } });
    await today.expect("its own", about("default/device/right"));
    await settle(edge);
    const told = [...edge.received, ...today.received].map(({ content, route }) =>
      `${route.resource} ${JSON.stringify(content)}`
    );
    expect(told.filter((text) => /for-today|for-old/.test(text))).toEqual([]);
    today.close();
  });
});
