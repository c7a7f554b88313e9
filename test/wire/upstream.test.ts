// What EdgeController answers when things go wrong: an API that refuses or can't be reached, contents that can't be read, operations
// that are not there.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubeApiError, KubeUnreachableError } from "../../cloud/kube/client.ts";
import { resources } from "../../cloud/kube/resource.ts";
import type { KubeObject } from "../../protocol/apis/kube-object.ts";
import type { Message } from "../../protocol/message/message.ts";
import { failCalls, refusal } from "../support/failing-api.ts";
import { connectedNode, processed } from "../support/nodes.ts";
import type { RawEdge } from "../support/raw-edge.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
let edge: RawEdge;
beforeAll(async () => {
  cloud = await startCloud();
  edge = await connectedNode(cloud, "up");
  edge.acknowledgeAll();
});
afterAll(() => cloud.stop());

type Content = {
  readonly Object?: KubeObject | null;
  readonly Err?: { ErrStatus?: Record<string, unknown> } | null;
  readonly ErrStatus?: Record<string, unknown>;
};

/** The answer to a request; undefined where what came after it is answered and it is not. */
async function ask(operation: string, resource: string, content: unknown = null): Promise<Message | undefined> {
  const sent = edge.send({ operation, resource, content });
  await processed(edge);
  return edge.received.find(({ header }) => header.parent_msg_id === sent.header.msg_id);
}

/** cloudcore's own calls of a kind fail meanwhile; the queries that show the end are answered all the same. */
async function whileFailing<T>(error: Error, plural: string, run: () => Promise<T>): Promise<T> {
  using _failure = failCalls(cloud.core.client, plural, error);
  return await run();
}

const forbidden = new KubeApiError({ status: "Failure", message: "no", reason: "Forbidden", code: 403 });
const unreachable = new KubeUnreachableError("https://api", new Error("connection refused"));
const pod = {
  metadata: { name: "p", namespace: "default" },
  spec: { nodeName: "up", containers: [{ name: "c", image: "i" }] },
};
const lease = {
  metadata: { name: "up", namespace: "kube-node-lease" },
  spec: { holderIdentity: "up", leaseDurationSeconds: 40 },
};
const status = JSON.stringify({ status: { phase: "Running" } });

describe("a refusal of the API", () => {
  test.each<[string, string, unknown, string]>([
    ["insert", "null/node/other", { metadata: { name: "other" } }, "nodes"],
    ["patch", "null/nodepatch/up", status, "nodes"],
    ["patch", "default/podpatch/p", status, "pods"],
    ["insert", "default/pod/p", pod, "pods"],
    ["insert", "kube-node-lease/lease/other", { ...lease, metadata: { ...lease.metadata, name: "other" } }, "leases"],
    ["update", "kube-node-lease/lease/other", lease, "leases"],
    [
      "insert",
      "null/certificatesigningrequest/c",
      { metadata: { name: "c" }, spec: { request: "" } },
      "certificatesigningrequests",
    ],
  ])("%s %s: an object of no content, and the status beside it", async (operation, resource, content, plural) => {
    const isLease = plural === "leases";
    const answer = await whileFailing(forbidden, plural, async () => {
      if (!isLease) return await ask(operation, resource, content);
      const sent = edge.send({ operation, resource, content });
      return await edge.expect("the answer", ({ header }) => header.parent_msg_id === sent.header.msg_id);
    });
    const { Object: object, Err } = answer?.content as Content;
    expect(Err?.ErrStatus).toMatchObject({ status: "Failure", reason: "Forbidden", code: 403 });
    expect(object).toMatchObject({ metadata: { creationTimestamp: null } });
    expect(answer?.header.resourceversion ?? "").toBe("");
    expect(answer?.route).toMatchObject({
      source: "edgecontroller",
      group: "resource",
      operation: "response",
      resource,
    });
  });

  test.each<[string, string, unknown, string]>([
    ["query", "default/configmap/none", null, "configmaps"],
    ["query", "default/secret/none", null, "secrets"],
    ["query", "null/persistentvolume/none", null, "persistentvolumes"],
    ["query", "default/persistentvolumeclaim/none", null, "persistentvolumeclaims"],
    ["query", "default/volumeattachment/none", null, "volumeattachments"],
    ["query", "null/node/none", null, "nodes"],
    ["query", "null/certificatesigningrequest/none", null, "certificatesigningrequests"],
    ["query", "default/serviceaccounttoken/none", { spec: {} }, "serviceaccounts"],
    ["delete", "default/pod/none", { gracePeriodSeconds: 0 }, "pods"],
    ["update", "default/podstatus/none", { Name: "none", Status: {} }, "pods"],
  ])("%s %s: the bare status, of an API that can't be reached too", async (operation, resource, content, plural) => {
    const refused = await whileFailing(forbidden, plural, () => ask(operation, resource, content));
    expect((refused?.content as Content).ErrStatus).toMatchObject({
      status: "Failure",
      reason: "Forbidden",
      code: 403,
    });
    const away = await whileFailing(unreachable, plural, () => ask(operation, resource, content));
    expect((away?.content as Content).ErrStatus).toMatchObject({
      status: "Failure",
      reason: "InternalError",
      code: 500,
    });
  });

  test.each<[string, string, unknown, string]>([
    ["update", "null/node/up", { metadata: { labels: { a: "b" } } }, "nodes"],
    ["update", "default/nodestatus/up", { Status: { conditions: [] } }, "nodes"],
    ["insert", "default/event/e", { metadata: { name: "e", namespace: "default" } }, "events"],
    ["update", "default/event/e", { metadata: { name: "e", namespace: "default" } }, "events"],
  ])("%s %s: silence, as with Go; the edge repeats it by itself", async (operation, resource, content, plural) => {
    expect(await whileFailing(forbidden, plural, () => ask(operation, resource, content))).toBeUndefined();
  });

  test("of an older edge's registration is answered as a text, that of the lookup before it too", async () => {
    const insert = ["insert", "default/nodestatus/fresh", { metadata: { name: "fresh" } }] as const;
    const looked = await whileFailing(forbidden, "nodes", () => ask(...insert));
    expect([looked?.route.resource, looked?.content]).toEqual([
      "default/node/fresh",
      "get node fresh info error: no , register node failed",
    ]);
  });
});

describe("what is not there", () => {
  test.each([
    ["null/persistentvolume/none", 'persistentvolumes "none" not found'],
    ["default/persistentvolumeclaim/none", 'persistentvolumeclaims "none" not found'],
    ["default/volumeattachment/none", 'volumeattachments.storage.k8s.io "none" not found'],
    ["default/configmap/none", 'configmap "none" not found'],
    ["default/secret/none", 'secret "none" not found'],
    ["null/node/none", 'node "none" not found'],
    ["null/certificatesigningrequest/none", 'certificatesigningrequests.certificates.k8s.io "none" not found'],
  ])("%s is answered with the status that Go's cloudcore gives", async (resource, message) => {
    const { content } = await ask("query", resource) as Message;
    expect((content as Content).ErrStatus).toMatchObject({ message, reason: "NotFound", code: 404 });
  });

  test("a pod that is to be deleted counts as deleted", async () => {
    expect((await ask("delete", "default/pod/none", { gracePeriodSeconds: 0 }))?.content).toBe("OK");
  });
});

describe("a content that can't be read", () => {
  test("is answered as a text under the type node, in the words of its worker", async () => {
    const node = edge.send({ operation: "insert", resource: "null/node/x", content: "{" });
    const answers = [
      await edge.expect("the node's", ({ header }) => header.parent_msg_id === node.header.msg_id),
      await ask("update", "kube-node-lease/lease/x", [1]) as Message,
    ];
    expect(answers.map(({ route }) => route.resource)).toEqual(["null/node/x", "kube-node-lease/node/x"]);
    expect(answers[0]?.content).toMatch(
      /^message: \S+ process failure, unmarshal marshaled message content with error: ./,
    );
    expect(answers[1]?.content).toMatch(/^message: \S+ process failure, unmarshal message content with error: ./);
  });

  test.each([
    ["insert", "default/pod/p"],
    ["update", "default/podstatus/p"],
    ["update", "default/nodestatus/up"],
    ["update", "null/node/up"],
    ["insert", "default/event/e"],
    ["query", "default/serviceaccounttoken/default"],
    ["insert", "null/certificatesigningrequest/c"],
  ])("%s %s: nothing is answered, nothing ends", async (operation, resource) => {
    for (const content of ["{", 7, null]) {
      const answer = await ask(operation, resource, content);
      expect(answer?.content === "OK").toBe(false);
    }
    expect(edge.ended()).toBeUndefined();
  });
});

describe("an operation that is not there", () => {
  test.each([
    ["delete", "null/node/up"],
    ["patch", "null/node/up"],
    ["delete", "kube-node-lease/lease/up"],
    ["update", "default/configmap/x"],
    ["insert", "default/secret/x"],
    ["delete", "null/persistentvolume/x"],
    ["patch", "default/persistentvolumeclaim/x"],
    ["insert", "default/volumeattachment/x"],
    ["delete", "default/volumeattachment/x"],
    ["update", "default/serviceaccounttoken/x"],
    ["delete", "null/certificatesigningrequest/x"],
    ["insert", "default/podstatus/p"],
    ["delete", "default/nodestatus/up"],
    ["update", "default/pod/p"],
    ["insert", "default/rulestatus/r"],
    ["query", "default/configmap"],
    ["query", "default/volumeattachment"],
    ["query", "default/serviceaccounttoken"],
    ["query", "null/certificatesigningrequest"],
  ])("%s %s gets no answer", async (operation, resource) => {
    expect(await ask(operation, resource, { metadata: { name: "x" } })).toBeUndefined();
  });
});

describe("what Go's cloudcore trips over", () => {
  test("a lease without namespace gets no answer, and later ones are served", async () => {
    const sent = ["", "lease", "/lease/up"].map((resource) =>
      edge.send({ operation: "insert", resource, content: lease }).header.msg_id
    );
    expect(await ask("query", "null/node/up")).toBeDefined();
    expect(edge.received.filter(({ header }) => sent.includes(header.parent_msg_id ?? ""))).toEqual([]);
  });

  test("what was made a moment ago is found, however far the caches are behind", async () => {
    for (let i = 0; i < 5; i++) {
      for (const [resource, type] of [[resources.configmaps, "configmap"], [resources.secrets, "secret"]] as const) {
        const { apiVersion, kind } = resource;
        await cloud.kube.create(resource, { apiVersion, kind, metadata: { name: `now-${i}`, namespace: "default" } });
        // An object waits for its record; what needs none overtakes it.
        const query = edge.send({ operation: "query", resource: `default/${type}/now-${i}`, content: null });
        const { content } = await edge.expect(
          "the object",
          ({ header }) => header.parent_msg_id === query.header.msg_id,
        );
        expect(content).toMatchObject({ kind, metadata: { name: `now-${i}` } });
      }
    }
  });

  test("the deletion that an older edge is sent has the stub as content, neither version nor parent", async () => {
    await ask("update", "default/podstatus/stray", { UID: "x", Name: "stray", Status: {} });
    const deletion = await edge.expect(
      "it",
      ({ route }) => route.operation === "delete" && route.resource === "default/pod/stray",
    );
    expect(Object.keys(deletion.header).sort()).toEqual(["msg_id", "timestamp"]);
    expect(deletion.content).toEqual({
      metadata: { name: "stray", namespace: "default", creationTimestamp: null },
      spec: { containers: null },
      status: {},
    });
  });

  test("a pod for another node is not made, with authorisation off too", async () => {
    const { content } = await ask("insert", "default/pod/foreign", {
      ...pod,
      spec: { ...pod.spec, nodeName: "other" },
    }) as Message;
    expect((content as Content).Err?.ErrStatus).toMatchObject({ status: "Failure" });
    expect(await cloud.kube.find({ resource: resources.pods, namespace: "default", name: "foreign" })).toBeUndefined();
  });

  test("a known port of the kubelet, attached volumes and old transitions stay; a first port is taken", async () => {
    const report = (Port: number) => ({
      Status: {
        daemonEndpoints: { kubeletEndpoint: { Port } },
        conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2020-01-01T00:00:00Z" }],
      },
    });
    const stored = async () =>
      (await cloud.kube.get({ resource: resources.nodes, name: "up" })).status as Record<string, unknown>;
    await ask("update", "default/nodestatus/up", report(10350));
    const volumesAttached = [{ name: "v", devicePath: "" }];
    await cloud.kube.patch(
      { resource: resources.nodes, name: "up" },
      "merge",
      { status: { volumesAttached } },
      "status",
    );
    await ask("update", "default/nodestatus/up", report(0));
    expect(await stored()).toMatchObject({
      daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
      volumesAttached,
      conditions: [{ lastTransitionTime: "2020-01-01T00:00:00Z" }],
    });
  });

  test("a report of an older edge that meets another write of the Node is written again", async () => {
    using _conflict = failCalls(cloud.core.client, "nodes", refusal(409, "Conflict"), { only: ["update"], times: 1 });
    await ask("update", "default/nodestatus/up", { Status: { phase: "Terminated" } });
    const { status } = await cloud.kube.get({ resource: resources.nodes, name: "up" });
    expect(status).toMatchObject({ phase: "Terminated" });
  });
});

describe("what is accepted in more than one form", () => {
  test("a patch of a node as text or object, under any operation; one that is no JSON is refused beside an empty Node", async () => {
    for (
      const [operation, content] of [["patch", status], ["update", status], ["patch", {
        status: { phase: "Running" },
      }]] as const
    ) {
      const { content: answer } = await ask(operation, "null/nodepatch/up", content) as Message;
      expect(answer).toMatchObject({ Object: { metadata: { name: "up" } }, Err: null });
    }
    const { content } = await ask("patch", "null/nodepatch/up", "no json") as Message;
    expect((content as Content).Err?.ErrStatus).toMatchObject({ code: 400 });
    expect((content as Content).Object).toMatchObject({ metadata: { creationTimestamp: null }, spec: {} });
  });

  test("a node is registered under the name of its path", async () => {
    const { content } = await ask("insert", "null/node/by-path", { metadata: { name: "by-content" } }) as Message;
    expect((content as Content).Object?.metadata.name).toBe("by-path");
    expect(await cloud.kube.find({ resource: resources.nodes, name: "by-content" })).toBeUndefined();
  });
});
