import { describe, expect, test } from "vitest";
import {
  builtinFields,
  customFields,
  nearestField,
  type Place,
  unknownFields,
} from "../../../../cloud/apiserver/kinds/fields.ts";
import type { KubeObject } from "../../../../protocol/apis/kube-object.ts";

const pod = builtinFields("", "v1", "Pod") as Place;
const device = customFields({
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        nodeName: { type: "string" },
        config: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        tags: { type: "object", additionalProperties: { type: "object", properties: { known: { type: "string" } } } },
        list: { type: "array", items: { type: "object", properties: { reportToCloud: { type: "boolean" } } } },
      },
    },
  },
});
const unknown = (object: unknown, place: Place) => unknownFields(object as KubeObject, place);

describe("fields that no schema knows", () => {
  test("of a built-in kind are found at any depth; maps and texts of any form are not looked into", () => {
    const object = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a", labels: { anything: "x" }, colour: "red" },
      spec: {
        nodename: "n",
        containers: [{ name: "c", resources: { limits: { "nvidia.com/gpu": "1" } }, imagePolicy: "y" }],
        tolerations: [{ key: "k", operator: "Exists", tolerationseconds: 3 }],
      },
      status: { startTime: "2026-01-01T00:00:00Z" },
    };
    expect(unknown(object, pod)).toEqual([
      "metadata.colour",
      "spec.nodename",
      "spec.containers[0].imagePolicy",
      "spec.tolerations[0].tolerationseconds",
    ]);
  });

  test("of a custom kind are found where its schema says what there is", () => {
    const object = {
      apiVersion: "a/v1",
      kind: "Device",
      metadata: { name: "d", namespce: "x" },
      spec: {
        nodename: "n",
        config: { whatever: { is: "kept" } },
        tags: { one: { known: "x", other: "y" } },
        list: [{ reportToCloud: false }, { reportToCloude: true, constructor: 1 } as object],
      },
    };
    expect(unknown(object, device)).toEqual([
      "metadata.namespce",
      "spec.nodename",
      "spec.tags.one.other",
      "spec.list[1].reportToCloude",
      "spec.list[1].constructor",
    ]);
  });

  test.each([
    ["spec.nodename", pod, "spec.nodeName"],
    ["spec.containers[0].imagePullPolcy", pod, "spec.containers[0].imagePullPolicy"],
    ["spec.list[1].reportToCloude", device, "spec.list[1].reportToCloud"],
    ["metadata.namespce", device, "metadata.namespace"],
    ["spec.entirelyElse", device, undefined],
  ])("%s is taken for a slip of the nearest real one", (path, place, near) => {
    expect(nearestField(path, place)).toBe(near);
  });
});
