// Which pods stand behind endpoints, and when endpoints have changed.
import { describe, expect, test } from "vitest";
import type { DownstreamWorld } from "../../../../cloud/edgecontroller/downstream/downstream.ts";
import { isEndpointsUpdated } from "../../../../cloud/edgecontroller/downstream/endpoints.ts";
import { podsBehind } from "../../../../cloud/edgecontroller/downstream/service-lists.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";

const pods = Array.from({ length: 150 }, (_, i): KubeObject => ({
  metadata: { name: `p-${i}`, namespace: i < 140 ? "default" : "other", labels: i % 2 === 0 ? { app: "web" } : {} },
}));
const behind = (spec: object | undefined) => {
  const service = spec === undefined ? undefined : { metadata: { name: "web", namespace: "default" }, spec };
  const caches = { of: () => ({ get: () => service, list: () => pods }) };
  return podsBehind({ caches } as unknown as DownstreamWorld, { metadata: { name: "web", namespace: "default" } });
};

describe("the pods behind endpoints", () => {
  test("are those of the namespace that the service selects", () => {
    const found = behind({ selector: { app: "web" } });
    expect(found).toHaveLength(70);
    expect(found?.every(({ metadata }) => metadata.namespace === "default" && metadata.labels?.app === "web")).toBe(
      true,
    );
  });

  test("are a hundred at most, as with Go", () => {
    for (const pod of pods) pod.metadata.labels = { app: "all" };
    expect(behind({ selector: { app: "all" } })).toHaveLength(100);
  });

  test("are unknown without a service, and where it selects nothing", () => {
    expect([behind(undefined), behind({}), behind({ selector: {} })]).toEqual([undefined, undefined, undefined]);
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
