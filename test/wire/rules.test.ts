// Rules and rule endpoints, as the router would hear of them over the bus.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Resource, resources } from "../../cloud/kube/resource.ts";
import { modules } from "../../protocol/message/names.ts";
import type { Message } from "../../protocol/message/message.ts";
import { rawEdge } from "../support/raw-edge.ts";
import { until } from "../support/until.ts";
import { type Cloud, startCloud } from "../support/world.ts";

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

test("a rule and its endpoints come and go, a change as the end of the old one and the beginning of the new; no edge hears of it", async () => {
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
