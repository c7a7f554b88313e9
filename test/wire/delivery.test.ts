// What goes down to an edge and stays in step: records, versions, repeats, records of nodes and kinds that come and go.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resources } from "../../cloud/kube/resource.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { newMessage } from "../../protocol/message/message.ts";
import { ackOf, type RawEdge, rawEdge } from "../support/raw-edge.ts";
import { rawSocketAs } from "../support/raw-frames.ts";
import { failCalls, refusal } from "../support/failing-api.ts";
import { addPod, connectedNode } from "../support/nodes.ts";
import { addRecord, isRecorded as isRecordedAt, recordRef } from "../support/sync-records.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
beforeAll(async () => void (cloud = await startCloud()));
afterAll(() => cloud.stop());

let number = 0;

/** A node that is connected and alive. */
const client = (name = `d-${++number}`) => connectedNode(cloud, name);

const newPod = (node: string, name: string) => addPod(cloud.kube, node, name);
const about = (resource: string, operation?: string) => ({ route }: RawEdge["received"][number]) =>
  route.resource === resource && (operation === undefined || route.operation === operation);
const isRecorded = (node: string, object: KubeObject) => () => isRecordedAt(cloud.kube, node, object);

/** Calls of cloudcore's own client for records fail, as an overloaded API's do. */
const failing = (method: "create" | "delete", code: number, times = 1) =>
  failCalls(cloud.core.client, "objectsyncs", refusal(code), { only: [method], times });

describe("records", () => {
  test("what an edge has acknowledged is not sent again when it comes back", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const pod = await newPod(edge.node, "once");
    await until("the version is recorded", isRecorded(edge.node, pod));
    edge.close();
    await until("it has gone", () => cloud.core.hub.sessions.of(edge.node) === undefined);
    const back = await client(edge.node);
    back.acknowledgeAll();
    const next = await newPod(edge.node, "afterwards");
    await until("what is new has come", isRecorded(edge.node, next));
    expect(back.received.filter(about("default/pod/once"))).toEqual([]);
    back.close();
  });

  test("a record that another client has just created does for the message too", async () => {
    const edge = await client();
    edge.acknowledgeAll();
    const failure = failing("create", 409);
    const pod = await newPod(edge.node, "raced");
    await edge.expect("the pod", about("default/pod/raced"));
    failure.stop();
    await until("its version is recorded all the same", isRecorded(edge.node, pod));
    edge.close();
  });

  test("a record that was deleted before the acknowledgement is recreated with its version", async () => {
    const edge = await client();
    const pod = await newPod(edge.node, "unrecorded");
    const insert = await edge.expect("the pod", about("default/pod/unrecorded"));
    await cloud.kube.delete(recordRef(edge.node, pod));
    edge.send(ackOf(insert));
    await until("the record is there", isRecorded(edge.node, pod));
    edge.close();
  });

  test("a record without a status counts as nothing acknowledged (Go never sends the object then)", async () => {
    const node = `d-${++number}`;
    const pod = await newPod(node, "statusless");
    await addRecord(cloud.kube, `${node}.${pod.metadata.uid}`, ["v1", "Pod", "statusless"]);
    const edge = await client(node);
    edge.acknowledgeAll();
    await edge.expect("the pod", about("default/pod/statusless"));
    await until("its version is recorded", isRecorded(node, pod));
    edge.close();
  });

  test("a message that needs an acknowledgement and has no version is not sent, unless it deletes", async () => {
    const edge = await client();
    const say = (operation: string, name: string) =>
      cloud.core.bus.send(
        "cloudhub",
        newMessage(Date.now(), {
          source: "edgecontroller",
          group: "resource",
          operation,
          resource: `node/${edge.node}/default/configmap/${name}`,
          content: { metadata: { name, namespace: "default", uid: crypto.randomUUID() } },
        }),
      );
    await say("update", "versionless");
    await say("delete", "gone");
    await edge.expect("the deletion", about("default/configmap/gone", "delete"));
    expect(edge.received.filter(about("default/configmap/versionless"))).toEqual([]);
    expect(cloud.core.hub.totals.drops.get("no version")).toBeGreaterThan(0);
    edge.close();
  });

  test("a node whose name has dots is served and collected like any other", async () => {
    const edge = await client("dot.ted.node-1");
    edge.acknowledgeAll();
    const pod = await newPod(edge.node, "dotted");
    await until("the version is recorded", isRecorded(edge.node, pod));
    await cloud.kube.delete({ resource: resources.pods, namespace: "default", name: "dotted" }, {
      gracePeriodSeconds: 0,
    });
    await edge.expect("the deletion", about("default/pod/dotted", "delete"));
    await until("the record is gone", async () => await cloud.kube.find(recordRef(edge.node, pod)) === undefined);
    const other = await newPod(edge.node, "dotted-2");
    await until("another is recorded", isRecorded(edge.node, other));
    await cloud.kube.delete({ resource: resources.nodes, name: edge.node });
    await until(
      "its records are gone with it",
      async () => await cloud.kube.find(recordRef(edge.node, other)) === undefined,
    );
  });
});

describe("a name that is used again", () => {
  const former = (name: string, version: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default", uid: "0f0f0f0f-0000-4000-8000-000000000001", resourceVersion: version },
  });
  const say = (edge: RawEdge, operation: string, content: KubeObject) =>
    cloud.core.bus.send(
      "cloudhub",
      newMessage(Date.now(), {
        source: "edgecontroller",
        group: "resource",
        operation,
        resource: `node/${edge.node}/default/configmap/${content.metadata.name}`,
        content,
        version: content.metadata.resourceVersion ?? "",
      }),
    );
  /** What came of it, in order: operation and whose. */
  const got = (edge: RawEdge, name: string) =>
    edge.received.filter(about(`default/configmap/${name}`)).map(({ content, route }) =>
      `${route.operation} ${textAt(content, "metadata", "uid").startsWith("0f0f") ? "former" : "present"}`
    );

  test.each([
    ["after the present one was sent does not take that away", "late", ["update", "delete"], [
      "insert former",
      "update present",
    ]],
    ["before it is sent before", "early", ["delete", "update"], ["insert former", "delete former", "update present"]],
  ])("a deletion of the former object that comes %s", async (_when, name, order, expected) => {
    const edge = await client();
    edge.acknowledgeAll();
    await edge.expect("its Node", about(`null/node/${edge.node}`));
    const present = await cloud.kube.create(resources.configmaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
    });
    await say(edge, "insert", former(name, "1"));
    await edge.expect("the former", about(`default/configmap/${name}`, "insert"));
    // Somebody who looks at the caches may be faster than somebody who follows events.
    for (const operation of order) await say(edge, operation, operation === "update" ? present : former(name, "2"));
    await until("the present one is recorded", isRecorded(edge.node, present));
    await until("only its record is left", async () => {
      const records = (await cloud.kube.list(resources.objectsyncs)).items;
      return records.filter(({ metadata, spec }) =>
        textAt(spec, "objectName") === name && metadata.name.startsWith(edge.node)
      ).length === 1;
    });
    expect(got(edge, name)).toEqual(expected);
    edge.close();
  });
});

describe("the socket", () => {
  test("carries no ping, and ends without a close frame where no keepalive comes; a hub that stops says so in one", async () => {
    const quiet = await rawSocketAs(cloud, "no-ping");
    await until("it is disconnected for want of a keepalive", () => quiet.hasEnded());
    expect(quiet.opcodes.filter((opcode) => opcode >= 8)).toEqual([]);
    const own = await startCloud();
    const edge = await rawEdge(own, "stopped");
    await own.core.stop();
    expect(await until("it is told why", () => edge.ended())).toBe("closed with code 1001 (cloudcore is stopping)");
    await own.stop();
  });

  test("of a node that does not read is closed once 8 MiB wait for it; others are served meanwhile", async () => {
    const deaf = await client();
    const well = await client();
    well.acknowledgeAll();
    deaf.socket.pause();
    const big = "x".repeat(900_000);
    const say = (i: number) =>
      cloud.core.bus.send(
        "cloudhub",
        newMessage(Date.now(), {
          source: "edgecontroller",
          group: "resource",
          operation: "response",
          resource: `node/${deaf.node}/default/podlist/l${i}`,
          content: { big },
        }),
      );
    for (let i = 0; i < 24; i++) await say(i);
    await until("its session has ended", () => cloud.core.hub.sessions.of(deaf.node) === undefined);
    const pod = await newPod(well.node, "unhindered");
    await until("the other got its pod", isRecorded(well.node, pod));
    well.close();
  });
});
