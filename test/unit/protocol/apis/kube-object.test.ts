import { describe, expect, test } from "vitest";
import { at, isNewerVersion, keyOf, listAt, textAt } from "../../../../protocol/apis/kube-object.ts";
import { emptyDeviceStatus } from "../../../../protocol/apis/device.ts";
import { newObjectSync, parseSyncName, syncNameOf } from "../../../../protocol/apis/reliablesyncs.ts";

describe("versions", () => {
  test.each([
    ["2", "1", true],
    ["1", "1", false],
    ["10", "9", true],
    ["90071992547409931", "90071992547409930", true],
    ["5", undefined, true],
    ["5", "", true],
    ["abc", "1", false],
    [undefined, "1", false],
  ])("%s is newer than %s: %s", (candidate, than, expected) => {
    expect(isNewerVersion(candidate, than)).toBe(expected);
  });
});

describe("reading objects", () => {
  const pod = { metadata: { name: "web", namespace: "default" }, spec: { containers: [{ name: "c" }] } };
  test("deep values are found, missing ones are nothing", () => {
    expect(at(pod, "spec", "containers", 0, "name")).toBe("c");
    expect(at(pod, "status", "phase")).toBeUndefined();
    expect(textAt(pod, "status", "phase")).toBe("");
    expect(listAt(pod, "spec", "volumes")).toEqual([]);
  });
  test("keys have the namespace where there is one", () => {
    expect(keyOf(pod)).toBe("default/web");
    expect(keyOf({ metadata: { name: "n1" } })).toBe("n1");
  });
});

describe("sync records", () => {
  test("are named by node and uid; node names may have dots", () => {
    const name = syncNameOf("edge.site.example", "0b3f-11");
    expect(parseSyncName(name)).toEqual({ node: "edge.site.example", uid: "0b3f-11" });
  });
  test("name their object; cluster-scoped ones get the other kind", () => {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "default", uid: "u" } };
    expect(newObjectSync("n1", pod)).toMatchObject({
      kind: "ObjectSync",
      metadata: { name: "n1.u", namespace: "default" },
      spec: { objectAPIVersion: "v1", objectKind: "Pod", objectName: "web" },
    });
    expect(newObjectSync("n1", { metadata: { name: "n1", uid: "u" } }).kind).toBe("ClusterObjectSync");
  });
});

test("a DeviceStatus is owned by its Device", () => {
  const status = emptyDeviceStatus({ metadata: { name: "d", namespace: "ns", uid: "u" } });
  expect(status.metadata.ownerReferences).toEqual([
    {
      apiVersion: "devices.kubeedge.io/v1beta1",
      kind: "Device",
      name: "d",
      uid: "u",
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
});
