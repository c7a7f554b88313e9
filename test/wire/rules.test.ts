// Rules and rule endpoints, as the router would hear of them over the bus.
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import type { RuleResult } from "../../protocol/apis/rule.ts";
import { groups, modules, operations } from "../../protocol/message/names.ts";
import { type Message, newMessage } from "../../protocol/message/message.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/start.ts";

let cloud: Cloud;
const heard: Message[] = [];
beforeAll(async () => {
  cloud = await startCloud();
  const { bus } = cloud.core;
  bus.addModule(modules.router);
  void (async () => {
    for (;;) heard.push(await bus.receive(modules.router));
  })().catch(() => {});
});
afterAll(async () => {
  cloud.core.bus.cleanup(modules.router);
  await cloud.stop();
});

const make = (resource: Resource, name: string, spec: Record<string, unknown>) => {
  const { apiVersion, kind } = resource;
  return cloud.kube.create(resource, { apiVersion, kind, metadata: { name, namespace: "default" }, spec });
};
const told = () => heard.map(({ route }) => `${route.operation} ${route.resource}`);

test("a rule and its endpoints come and go, a change as the end of the old one and the beginning of the new; no edge is sent anything", async () => {
  const edge = await rawEdge(cloud, "no-rules");
  const endpoint = await make(resources.ruleendpoints, "source", { ruleEndpointType: "rest" });
  await until("the endpoint comes", () => told().length === 1);
  const rule = { source: "source", sourceResource: { path: "/a" }, target: "target", targetResource: { topic: "t" } };
  await make(resources.rules, "r1", rule);
  await until("the rule comes", () => told().length === 2);
  expect(heard[0]).toMatchObject({
    header: { resourceversion: endpoint.metadata.resourceVersion },
    route: { source: "edgecontroller", group: "resource", operation: "insert", resource: "ruleendpoint/source" },
    content: { kind: "RuleEndpoint", spec: { ruleEndpointType: "rest" } },
  });
  const ref = (resource: Resource, name: string) => ({ resource, namespace: "default", name });
  await cloud.kube.patch(ref(resources.rules, "r1"), "merge", { metadata: { labels: { a: "b" } } });
  await cloud.kube.patch(ref(resources.rules, "r1"), "merge", { spec: { target: "other" } });
  await until("the change comes", () => told().length === 4);
  await cloud.kube.delete(ref(resources.rules, "r1"));
  await cloud.kube.delete(ref(resources.ruleendpoints, "source"));
  await until("both are gone", () => told().length === 6);
  expect(told().slice(1, 5)).toEqual(["insert rule/r1", "delete rule/r1", "insert rule/r1", "delete rule/r1"]);
  expect(edge.received).toEqual([]);
  edge.close();
});

test("a rule without its target, or an endpoint of an unknown type, is refused by the API", async () => {
  await expect(make(resources.rules, "r2", { source: "s" })).rejects.toThrow(/spec\.target.*Required/);
  await expect(make(resources.ruleendpoints, "e2", { ruleEndpointType: "carrier-pigeon" })).rejects.toThrow(
    /Unsupported value/,
  );
});

describe("how a rule fares, as the router tells it", () => {
  const status = async (name: string) =>
    (await cloud.kube.get({ resource: resources.rules, namespace: "default", name })).status;
  const say = (name: string, content: RuleResult) =>
    cloud.core.bus.send(
      modules.edgecontroller,
      newMessage(Date.now(), {
        source: modules.router,
        group: groups.resource,
        operation: operations.update,
        resource: `node/nodeid/default/rulestatus/${name}`,
        content,
      }),
    );
  const spec = { source: "s", sourceResource: { path: "/a" }, target: "t", targetResource: { topic: "t" } };

  test("is counted in its status, with the last error; Go's patch leaves the status as it was", async () => {
    await make(resources.rules, "counted", spec);
    await say("counted", { isSuccess: true });
    await say("counted", { isSuccess: false, detail: "no session for node edge-9" });
    await say("counted", { isSuccess: false, detail: "no answer in time" });
    await say("counted", { isSuccess: true });
    const wanted = { successMessages: 2, failMessages: 2, errors: ["no answer in time"] };
    await until("all four are counted", async () => isDeepStrictEqual(await status("counted"), wanted));
  });

  test("is not lost while another client writes the rule, and does nothing where the rule was deleted", async () => {
    await make(resources.rules, "busy", spec);
    await say("gone", { isSuccess: true });
    const ref = { resource: resources.rules, namespace: "default", name: "busy" };
    const writes = Array.from(
      { length: 10 },
      (_, i) => cloud.kube.patch(ref, "merge", { metadata: { labels: { n: String(i) } } }),
    );
    await Promise.all([...writes, ...writes.map(() => say("busy", { isSuccess: true }))]);
    await until(
      "all are counted",
      async () => isDeepStrictEqual(await status("busy"), { successMessages: 10, failMessages: 0 }),
    );
  });

  test("an edge can't say: what it sends is dropped, and it is served on", async () => {
    await make(resources.rules, "quiet", spec);
    const edge = await rawEdge(cloud, "no-router");
    edge.send({ operation: "update", resource: "default/rulestatus/quiet", content: { isSuccess: true } });
    const { header } = edge.send({ operation: "query", resource: "null/node/nobody" });
    await edge.expect("a later answer", (m) => m.header.parent_msg_id === header.msg_id);
    expect(await status("quiet")).toBeUndefined();
    edge.close();
  });
});
