// Our edge of KubeEdge v1.1, against a hub by hand: what it says by itself, what it keeps, what outlives a restart.
import { describe, expect, onTestFinished, test } from "vitest";
import type { MessageSocket } from "../../base/transport/message-socket.ts";
import type { EdgeTimings } from "../../edge-sim/timings/timings.ts";
import { type KubeObject, textAt } from "../../protocol/apis/kube-object.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message/codec.ts";
import { type Message, newMessage, responseTo } from "../../protocol/message/message.ts";
import { edgeOfFakeCloud } from "../support/fake-cloud.ts";
import { until } from "../support/until.ts";

const node = "old-0";

/** An edge that is connected, and what it has said. The node's status is answered, as its cloud does. */
async function start(timings: Partial<EdgeTimings> = {}) {
  const received: Message[] = [];
  let socket: MessageSocket | undefined;
  const fake = await edgeOfFakeCloud(
    node,
    (accepted) => {
      socket = accepted;
      accepted.onMessage((text) => {
        const message = decodeMessage(text);
        received.push(message);
        if (message.route.resource?.includes("/nodestatus/")) {
          accepted.send(encodeMessage(responseTo(Date.now(), message, "OK")));
        }
      });
    },
    { confirm: 100_000, answer: 100_000, podStatusSyncV11: 100_000, podSync: 100_000, ...timings },
    "v1.1",
  );
  onTestFinished(fake.stop);
  fake.edge.start();
  await until("it is ready", () => fake.edge.isReady);
  const say = (operation: string, resource: string, content: unknown, parent?: string) => {
    const message = newMessage(Date.now(), {
      source: "edgecontroller",
      group: "resource",
      operation,
      resource,
      content,
      ...(parent === undefined ? {} : { parent }),
    });
    socket?.send(encodeMessage(message));
    return message;
  };
  const said = (resource: string) => received.filter(({ route }) => route.resource === resource);
  const acknowledged = (message: Message) =>
    until("it is acknowledged", () => received.find(({ header }) => header.parent_msg_id === message.header.msg_id));
  const phases = (name: string) =>
    said(`default/podstatus/${name}`).map(({ content }) => textAt(content, "Status", "phase"));
  return { ...fake, acknowledged, phases, received, said, say };
}

const pod = (name: string, rest: object = {}, spec: object = {}): KubeObject => ({
  metadata: { name, namespace: "default", uid: `uid-${name}`, ...rest },
  spec: { nodeName: node, containers: [{ name: "c", image: "i" }], ...spec },
  status: { phase: "Pending" },
});

test("a node's status comes at once and then again and again, the Node under one uid for all", async () => {
  const { said } = await start({ nodeStatusV11: 30 });
  const [first] = await until("three of them", () => {
    const all = said(`default/nodestatus/${node}`);
    return all.length >= 3 ? all : undefined;
  });
  expect(first?.route).toMatchObject({ source: "edged", group: "meta", operation: "update" });
  expect(first?.content).toMatchObject({
    UID: "38796d14-1df3-11e8-8e5a-286ed488f209",
    Status: { phase: "Running", conditions: [{ type: "Ready", status: "True", reason: "EdgeReady" }] },
    ExtendResources: null,
  });
});

describe("pods", () => {
  test("run and are reported whole, without tokens; all of them again from time to time, until they are deleted", async () => {
    const { acknowledged, phases, received, said, say } = await start({ podStatusSyncV11: 60 });
    const volumes = [{ name: "t", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }];
    await acknowledged(say("insert", "default/pod/a", pod("a", {}, { volumes })));
    say("insert", "default/pod/b", pod("b"));
    await until("both run", () => [phases("a"), phases("b")].every((all) => all.at(-1) === "Running"));
    const [status] = said("default/podstatus/a");
    expect(status?.content).toMatchObject({ UID: "uid-a", Name: "a" });
    expect(received.filter(({ route }) => route.resource?.includes("serviceaccounttoken"))).toEqual([]);
    const lists = () => said("default/podstatus");
    const listed = (message: Message | undefined) =>
      ((message?.content ?? []) as { Name: string }[]).map(({ Name }) => Name).join();
    const list = await until("a list of both", () => lists().find((message) => listed(message) === "a,b"));
    expect(list.route).toMatchObject({ source: "metaManager", group: "resource", operation: "update" });
    say("delete", "default/pod/a", pod("a"));
    await until("the other alone is in it", () => listed(lists().at(-1)) === "b");
  });

  test("one that has ended stays ended when the edge starts again, and one that ran counts a restart", async () => {
    const { edge, phases, said, say } = await start();
    say("insert", "default/pod/job", pod("job", {}, { restartPolicy: "Never" }));
    say("insert", "default/pod/web", pod("web"));
    await until("both run", () => [phases("job"), phases("web")].every((all) => all.at(-1) === "Running"));
    edge.pods.make("default", "job", "complete");
    await until("the job has ended", () => phases("job").at(-1) === "Succeeded");
    await edge.stop();
    const before = said("default/podstatus/web").length;
    edge.start();
    const again = await until(
      "the other runs again",
      () =>
        said("default/podstatus/web").slice(before).find(({ content }) =>
          textAt(content, "Status", "phase") === "Running"
        ),
    );
    expect(JSON.stringify(again.content)).toContain('"restartCount":1');
    expect(phases("job").at(-1)).toBe("Succeeded");
  });

  test("one that waits for an unanswered request starts when the answer comes, and ends when it is deleted", async () => {
    const { edge, phases, said, say } = await start();
    const envFrom = [{ configMapRef: { name: "late" } }, { secretRef: { name: "never" } }];
    const waiting = (name: string, from: object[]) =>
      pod(name, {}, { containers: [{ name: "c", image: "i", envFrom: from }] });
    say("insert", "default/pod/a", waiting("a", envFrom.slice(0, 1)));
    say("insert", "default/pod/b", waiting("b", envFrom));
    await until("it asks", () => said("default/configmap/late")[0]);
    say("update", "default/configmap/late", { metadata: { name: "late", namespace: "default", uid: "l" }, data: {} });
    await until("it runs", () => phases("a").at(-1) === "Running");
    expect(edge.pods.count("running")).toBe(1);
    const b = waiting("b", envFrom);
    say("update", "default/pod/b", {
      ...b,
      metadata: { ...b.metadata, deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0 },
    });
    await until("the other has ended", () => phases("b").at(-1) === "Succeeded");
  });

  test("an answer to what it has asked is kept, and not acknowledged", async () => {
    const { acknowledged, phases, received, said, say } = await start();
    say(
      "insert",
      "default/pod/a",
      pod("a", {}, { containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: "cm" } }] }] }),
    );
    const question = await until("it asks", () => said("default/configmap/cm")[0]);
    const object = { metadata: { name: "cm", namespace: "default", uid: "u" }, data: {} };
    const answer = say("response", "default/configmap/cm", object, question.header.msg_id);
    await until("the pod runs", () => phases("a").at(-1) === "Running");
    await acknowledged(
      say("update", "default/configmap/other", { ...object, metadata: { ...object.metadata, name: "other" } }),
    );
    expect(received.filter(({ header }) => header.parent_msg_id === answer.header.msg_id)).toEqual([]);
  });
});

describe("the store", () => {
  test("keeps what it has where an insert comes again, and takes updates", async () => {
    const { acknowledged, edge, say } = await start();
    const service = (port: number) => ({ metadata: { name: "web", namespace: "default", uid: "s" }, spec: { port } });
    const stored = () => edge.store.get("default/service/web")?.spec;
    await acknowledged(say("insert", "default/service/web", service(1)));
    await acknowledged(say("insert", "default/service/web", service(2)));
    expect(stored()).toEqual({ port: 1 });
    await acknowledged(say("update", "default/service/web", service(3)));
    expect(stored()).toEqual({ port: 3 });
    await acknowledged(say("delete", "default/service/web", service(3)));
    expect(stored()).toBeUndefined();
  });
});
