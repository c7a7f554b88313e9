import { describe, expect, test } from "vitest";
import { objectName, objectOf } from "../../../../base/hop/about.ts";

describe("the object that a path names", () => {
  test.each([
    ["default/configmap/app", "configmap/default/app"],
    ["default/podpatch/web", "pod/default/web"],
    ["null/node/gw-0", "node/gw-0"],
    ["default/nodepatch/gw-0", "node/default/gw-0"],
    ["device/default/t-1/twin/edge_updated", "device/default/t-1"],
    ["device/default/t-1/temperature", "device/default/t-1"],
    ["device/t-1/twin/cloud_updated", "device/t-1"],
    ["membership/detail", "membership"],
    ["twin", "twin"],
    ["", ""],
  ])("of %s is %s", (resource, expected) => {
    expect(objectName(objectOf(resource))).toBe(expected);
  });
});
