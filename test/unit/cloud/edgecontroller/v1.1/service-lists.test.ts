// Which pods stand behind endpoints, and when endpoints have changed.
import { describe, expect, test } from "vitest";
import { isEndpointsUpdated } from "../../../../../cloud/edgecontroller/v1.1/endpoints.ts";
import { ServiceIndex } from "../../../../../cloud/edgecontroller/v1.1/service-index.ts";
import type { Caches } from "../../../../../cloud/kube/caches.ts";
import type { CacheEvent } from "../../../../../cloud/kube/informer.ts";
import { keyOf, type KubeObject } from "../../../../../protocol/apis/kube-object.ts";

/** Caches by hand: what subscribers are told, and what is there. */
function worldOf(spec: object | undefined) {
  const handlers = new Map<string, ((event: CacheEvent) => void)[]>();
  const objects = new Map<string, Map<string, KubeObject>>();
  const of = ({ plural }: { readonly plural: string }) => ({
    subscribe: (handler: (event: CacheEvent) => void) =>
      void handlers.set(plural, [...handlers.get(plural) ?? [], handler]),
    get: (namespace: string, name: string) => objects.get(plural)?.get(`${namespace}/${name}`),
    list: () => [...objects.get(plural)?.values() ?? []],
  });
  const tell = (plural: string, event: CacheEvent) => {
    const table = objects.get(plural) ?? new Map<string, KubeObject>();
    objects.set(plural, table);
    if (event.type === "deleted") table.delete(keyOf(event.object));
    else table.set(keyOf(event.object), event.object);
    for (const handler of handlers.get(plural) ?? []) handler(event);
  };
  const index = new ServiceIndex({ of } as unknown as Caches);
  const pod = (name: string, namespace: string, app?: string): KubeObject => ({
    metadata: { name, namespace, uid: name, ...(app === undefined ? {} : { labels: { app } }) },
  });
  const web = { metadata: { name: "web", namespace: "default" } };
  if (spec !== undefined) tell("services", { type: "added", object: { ...web, spec } });
  const behind = () => index.podsBehind(web)?.map(({ metadata }) => metadata.name);
  return { behind, index, pod, tell, web };
}

describe("the pods behind endpoints", () => {
  test("are those of the namespace that the service selects, whatever comes, changes and goes", () => {
    const { behind, pod, tell } = worldOf({ selector: { app: "web" } });
    for (
      const [name, namespace, app] of [["a", "default", "web"], ["b", "default", "db"], ["c", "other", "web"]] as const
    ) {
      tell("pods", { type: "added", object: pod(name, namespace, app) });
    }
    expect(behind()).toEqual(["a"]);
    tell("pods", { type: "modified", object: pod("b", "default", "web"), previous: pod("b", "default", "db") });
    expect(behind()).toEqual(["a", "b"]);
    tell("pods", { type: "deleted", object: pod("a", "default", "web") });
    expect(behind()).toEqual(["b"]);
  });

  test("are a hundred at most, as with Go", () => {
    const { behind, pod, tell } = worldOf({ selector: { app: "web" } });
    for (let i = 0; i < 150; i++) tell("pods", { type: "added", object: pod(`p-${i}`, "default", "web") });
    expect(behind()).toHaveLength(100);
  });

  test("are unknown without a service, and where it selects nothing", () => {
    expect([undefined, {}, { selector: {} }].map((spec) => worldOf(spec).behind())).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("are one list for all nodes, until it changes", () => {
    const { index, pod, tell, web } = worldOf({ selector: { app: "web" } });
    tell("pods", { type: "added", object: pod("a", "default", "web") });
    const first = index.podsBehind(web);
    tell("pods", { type: "added", object: pod("c", "other", "web") });
    expect(index.podsBehind(web)).toBe(first);
    tell("pods", { type: "added", object: pod("b", "default", "web") });
    expect(index.podsBehind(web)).not.toBe(first);
  });

  test("may be others when pods come, go or change their labels, not when only their status changes", () => {
    const { index, pod, tell } = worldOf({ selector: { app: "web" } });
    const told: string[] = [];
    index.onMembers((namespace) => told.push(namespace));
    const a = pod("a", "default", "web");
    tell("pods", { type: "added", object: a });
    tell("pods", { type: "modified", object: { ...a, status: { phase: "Running" } }, previous: a });
    expect(told).toEqual(["default"]);
    tell("pods", { type: "modified", object: pod("a", "default", "db"), previous: a });
    tell("pods", { type: "deleted", object: a });
    expect(told).toEqual(["default", "default", "default"]);
  });
});

describe("endpoints have changed", () => {
  const endpoints = (metadata: object, ip: string): KubeObject => ({
    metadata: { name: "web", resourceVersion: "1", ...metadata },
    subsets: [{ addresses: [{ ip }] }],
  });
  test.each([
    ["another address", endpoints({}, "192.0.2.2"), true],
    ["another label", endpoints({ labels: { a: "b" } }, "192.0.2.1"), true],
    ["another version", endpoints({ resourceVersion: "2", generation: 2 }, "192.0.2.1"), false],
    ["another annotation", endpoints({ annotations: { a: "b" }, managedFields: [{}] }, "192.0.2.1"), false],
  ])("%s", (_what, now, isUpdated) => {
    expect(isEndpointsUpdated(endpoints({}, "192.0.2.1"), now)).toBe(isUpdated);
  });
});
