import { describe, expect, test } from "vitest";
import { readPodConfig } from "../../../../edge-sim/edged/pod-config.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";

const store: Readonly<Record<string, KubeObject>> = {
  "ns/configmap/conf": { metadata: { name: "conf" }, data: { there: "x", "1 a=b": "y" }, binaryData: { blob: "AA==" } },
  "ns/secret/sec": { metadata: { name: "sec" }, data: { there: "eA==" } },
};
const read = (spec: Record<string, unknown>) =>
  readPodConfig({ metadata: { name: "p", namespace: "ns" }, spec }, (path) => store[path]);
const env = (ref: Record<string, unknown>) => ({ containers: [{ name: "c", env: [{ name: "E", valueFrom: ref }] }] });
const volume = (source: Record<string, unknown>) => ({
  containers: [{ name: "c" }],
  volumes: [{ name: "v", ...source }],
});

describe("a container is not created where", () => {
  const cases: [string, Record<string, unknown>, string][] = [
    [
      "a configmap lacks the key",
      { configMapKeyRef: { name: "conf", key: "k" } },
      "couldn't find key k in ConfigMap ns/conf",
    ],
    ["a secret lacks the key", { secretKeyRef: { name: "sec", key: "k" } }, "couldn't find key k in Secret ns/sec"],
    ["the configmap isn't there", { configMapKeyRef: { name: "no", key: "k" } }, 'configmap "no" not found'],
    ["the secret isn't there", { secretKeyRef: { name: "no", key: "k" } }, 'secret "no" not found'],
    [
      "the key is binary",
      { configMapKeyRef: { name: "conf", key: "blob" } },
      "couldn't find key blob in ConfigMap ns/conf",
    ],
    [
      "the key is a word of JavaScript",
      { configMapKeyRef: { name: "conf", key: "constructor" } },
      "couldn't find key cons",
    ],
  ];
  test.each(cases)("%s", (_what, ref, why) => {
    const config = read(env(ref));
    expect(config.errors.get("c")).toContain(why);
    expect(config.events).toEqual([{ type: "Warning", reason: "Failed", message: `Error: ${config.errors.get("c")}` }]);
    expect(config.unmounted).toBeUndefined();
  });

  test("envFrom names what isn't there, of init containers too; the others are created", () => {
    const config = read({
      initContainers: [{ name: "i", envFrom: [{ secretRef: { name: "no" } }] }],
      containers: [{ name: "c", envFrom: [{ configMapRef: { name: "conf" } }] }, { name: "d" }],
    });
    expect([...config.errors]).toEqual([["i", 'secret "no" not found']]);
  });
});

describe("a container is created where", () => {
  test.each([
    ["the key is optional", { configMapKeyRef: { name: "conf", key: "k", optional: true } }],
    ["the object is optional", { secretKeyRef: { name: "no", key: "k", optional: true } }],
    ["the key is there", { configMapKeyRef: { name: "conf", key: "there" } }],
    ["the value is a field of the pod", { fieldRef: { fieldPath: "metadata.name" } }],
  ])("%s", (_what, ref) => expect(read(env(ref)).errors.size).toBe(0));

  test("keys that are no names of variables are left out, with an event that names them as they are stored", () => {
    const config = read({ containers: [{ name: "c", envFrom: [{ prefix: "P_", configMapRef: { name: "conf" } }] }] });
    expect(config.errors.size).toBe(0);
    expect(config.events).toEqual([{
      type: "Warning",
      reason: "InvalidEnvironmentVariableNames",
      message:
        "Keys [1 a=b] from the EnvFrom configMap ns/conf were skipped since they are considered invalid environment variable names.",
    }]);
  });
});

describe("a volume can't be mounted where", () => {
  const items = [{ key: "k", path: "p" }];
  test.each([
    ["a configmap lacks an item", { configMap: { name: "conf", items } }, "references non-existent config key: k"],
    ["a secret lacks an item", { secret: { secretName: "sec", items } }, "references non-existent secret key: k"],
    [
      "a projected source lacks an item",
      { projected: { sources: [{ secret: { name: "sec", items } }] } },
      "secret key: k",
    ],
    ["the object isn't there", { configMap: { name: "no" } }, 'configmap "no" not found'],
  ])("%s", (_what, source, why) => {
    const config = read(volume(source));
    expect(config.unmounted).toMatch(/^MountVolume\.SetUp failed for volume "v" : /);
    expect(config.unmounted).toContain(why);
    expect(config.events.map(({ reason }) => reason)).toEqual(["FailedMount"]);
  });

  test.each([
    ["optional covers the items", { configMap: { name: "conf", optional: true, items } }],
    ["optional covers a source", { projected: { sources: [{ configMap: { name: "no", optional: true, items } }] } }],
    ["binary data counts", { configMap: { name: "conf", items: [{ key: "blob", path: "p" }] } }],
  ])("but not where %s", (_what, source) => expect(read(volume(source)).unmounted).toBeUndefined());
});
