import { describe, expect, test } from "vitest";
import { isPodUpdated } from "../../../../cloud/edgecontroller/downstream/pod.ts";
import { LocationCache } from "../../../../cloud/edgecontroller/downstream/location.ts";
import { referencesOf } from "../../../../protocol/apis/pod.ts";

const pod = (uid: string, node: string, configmaps: string[]) => ({
  metadata: { name: uid, namespace: "ns", uid },
  spec: { nodeName: node, containers: [{ envFrom: configmaps.map((name) => ({ configMapRef: { name } })) }] },
});

describe("what a pod refers to", () => {
  test("is found wherever it may stand", () => {
    const found = referencesOf({
      metadata: { name: "p", namespace: "ns" },
      spec: {
        volumes: [
          { configMap: { name: "a" } },
          { secret: { secretName: "b" } },
          {
            projected: {
              sources: [{ configMap: { name: "c" } }, { secret: { name: "d" } }, { serviceAccountToken: {} }],
            },
          },
          { emptyDir: {} },
        ],
        initContainers: [{ env: [{ valueFrom: { configMapKeyRef: { name: "e" } } }] }],
        containers: [
          { envFrom: [{ configMapRef: { name: "f" } }, { secretRef: { name: "g" } }] },
          { env: [{ name: "X", value: "1" }, { valueFrom: { secretKeyRef: { name: "h" } } }] },
        ],
        imagePullSecrets: [{ name: "i" }],
      },
    });
    expect([...found].sort()).toEqual([
      "configmap/ns/a",
      "configmap/ns/c",
      "configmap/ns/e",
      "configmap/ns/f",
      "secret/ns/b",
      "secret/ns/d",
      "secret/ns/g",
      "secret/ns/h",
      "secret/ns/i",
    ]);
  });
});

describe("the location cache", () => {
  test("knows the nodes by their pods, until the last of them is deleted", () => {
    const cache = new LocationCache();
    cache.put(pod("1", "n1", ["app"]));
    cache.put(pod("2", "n1", ["app"]));
    cache.put(pod("3", "n2", ["app"]));
    expect(cache.nodesOf("configmap", "ns", "app").sort()).toEqual(["n1", "n2"]);
    cache.remove("1");
    cache.remove("3");
    expect(cache.nodesOf("configmap", "ns", "app")).toEqual(["n1"]);
    cache.remove("2");
    expect(cache.nodesOf("configmap", "ns", "app")).toEqual([]);
  });

  test("follows a pod that changes what it uses, and ignores one without a node", () => {
    const cache = new LocationCache();
    cache.put(pod("1", "n1", ["old"]));
    cache.put(pod("1", "n1", ["new"]));
    cache.put(pod("2", "", ["new"]));
    expect(cache.nodesOf("configmap", "ns", "old")).toEqual([]);
    expect(cache.nodesOf("configmap", "ns", "new")).toEqual(["n1"]);
    expect(cache.nodesOf("secret", "ns", "new")).toEqual([]);
  });
});

describe("a pod has changed for its edge", () => {
  const base = {
    metadata: { name: "p", resourceVersion: "1", generation: 1, labels: { a: "1" } },
    spec: { nodeName: "n" },
    status: { phase: "Pending" },
  };
  test("when metadata or spec differ, not for its version, generation or status alone", () => {
    expect(
      isPodUpdated(base, {
        ...base,
        metadata: { ...base.metadata, resourceVersion: "2", generation: 2 },
        status: { phase: "Running" },
      }),
    ).toBe(false);
    expect(isPodUpdated(base, { ...base, metadata: { ...base.metadata, labels: { a: "2" } } })).toBe(true);
    expect(isPodUpdated(base, { ...base, metadata: { ...base.metadata, managedFields: [] } })).toBe(true);
    expect(isPodUpdated(base, { ...base, spec: { nodeName: "m" } })).toBe(true);
  });
});
